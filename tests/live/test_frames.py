"""The program on frames of our own making (BPF_PROG_TEST_RUN): header layouts that this kernel cannot send, and the policy."""

import time
from collections.abc import Callable, Generator
from struct import pack

import pytest
from live_frames import (
    ACK,
    ARP,
    CLIENT4,
    CLIENT6,
    FIN,
    IPV4,
    IPV6,
    MPLS,
    PPPOE,
    PSH,
    QINQ,
    REQUEST,
    RESPONSE,
    RST,
    SERVER4,
    SERVER6,
    SYN,
    UDP,
    VLAN,
    ethernet,
    ipv4,
    ipv6,
    tcp,
)

from pipeline.model.records import Segment
from pipeline.sources.bpf import abi
from pipeline.sources.bpf.capture import TURN_BYTES, Capture
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.syscall import run_on_frame

KEY4 = CLIENT4 + SERVER4 + pack("!HH", 40000, 80)
KEY6 = CLIENT6 + SERVER6 + pack("!HH", 40000, 80)
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
HOP_BY_HOP = (0, bytes([0, 0, 5, 2, 0, 0, 1, 0]))
ROUTING = (43, bytes([0, 2, 4, 0]) + bytes(20))
DESTINATION = (60, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
AUTHENTICATION = (51, bytes([0, 4]) + bytes(22))
ATOMIC = (44, bytes([0, 0, 0, 0, 0, 0, 0, 7]))
MAX_FRAME = 3000


class Run:
    """A loaded program that no packet reaches but ours."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __call__(self, *frames: bytes) -> list[Segment]:
        """What the program tells of these frames."""
        for frame in frames:
            run_on_frame(self._capture.program_fd, frame)
        return self._capture.read()

    def quiet(self) -> list[Segment]:
        """What the sweep tells at the end."""
        return self._capture.quiet(last=True)

    @property
    def counts(self) -> dict[str, int]:
        """What was counted since this was asked last."""
        return dict(self._capture.counters.news())


@pytest.fixture
def run(loader: str) -> Generator[Run, None, None]:
    """By either loader."""
    yield from _loaded(BpfConfig(loader=loader))


@pytest.fixture
def run_once() -> Generator[Run, None, None]:
    """By libbpf, where the loader makes no difference."""
    yield from _loaded(BpfConfig(loader="libbpf", ports=(80,)))


def _loaded(config: BpfConfig) -> Generator[Run, None, None]:
    capture = Capture(config)
    capture.load()
    yield Run(capture)
    capture.close()


LAYOUTS = {
    "plain": (ethernet(IPV4, ipv4(tcp())), KEY4, 0),
    "padding": (ethernet(IPV4, ipv4(tcp(b"GET / HT")) + bytes(60)), KEY4, 0),
    "ipv4-options": (ethernet(IPV4, ipv4(tcp(), options=bytes([1] * 12))), KEY4, 0),
    "ipv4-40-bytes-of-options": (ethernet(IPV4, ipv4(tcp(), options=bytes([1] * 40))), KEY4, 0),
    "tcp-options": (ethernet(IPV4, ipv4(tcp(options=TIMESTAMPS))), KEY4, 0),
    "tcp-40-bytes-of-options": (ethernet(IPV4, ipv4(tcp(options=bytes([1] * 40)))), KEY4, 0),
    "all-options": (ethernet(IPV4, ipv4(tcp(options=bytes([1] * 40)), options=bytes([1] * 40))), KEY4, 0),
    "do-not-fragment": (ethernet(IPV4, ipv4(tcp(), fragment=0x4000)), KEY4, 0),
    "length-0-as-big-tcp": (ethernet(IPV4, ipv4(tcp(), total=0)), KEY4, 0),
    "vlan": (ethernet(IPV4, ipv4(tcp()), (VLAN, 42)), KEY4, 42),
    "vlan-with-priority": (ethernet(IPV4, ipv4(tcp()), (VLAN, 0x402A)), KEY4, 42),
    "vlan-that-looks-like-ipv6": (ethernet(IPV4, ipv4(tcp()), (VLAN, 0x602A)), KEY4, 42),
    "qinq": (ethernet(IPV4, ipv4(tcp()), (QINQ, 7), (VLAN, 42)), KEY4, 42),
    "three-tags": (ethernet(IPV4, ipv4(tcp()), (QINQ, 7), (VLAN, 8), (VLAN, 9)), KEY4, 9),
    "ipv6": (ethernet(IPV6, ipv6(tcp())), KEY6, 0),
    "ipv6-padding": (ethernet(IPV6, ipv6(tcp(b"GET / HT")) + bytes(7)), KEY6, 0),
    "ipv6-tcp-options": (ethernet(IPV6, ipv6(tcp(options=TIMESTAMPS))), KEY6, 0),
    "ipv6-hop-by-hop": (ethernet(IPV6, ipv6(tcp(), HOP_BY_HOP)), KEY6, 0),
    "ipv6-routing": (ethernet(IPV6, ipv6(tcp(), ROUTING)), KEY6, 0),
    "ipv6-authentication": (ethernet(IPV6, ipv6(tcp(), AUTHENTICATION)), KEY6, 0),
    "ipv6-atomic-fragment": (ethernet(IPV6, ipv6(tcp(), ATOMIC)), KEY6, 0),
    "ipv6-many": (ethernet(IPV6, ipv6(tcp(), HOP_BY_HOP, DESTINATION, ROUTING, ATOMIC, AUTHENTICATION, DESTINATION)), KEY6, 0),
    "ipv6-length-0-as-big-tcp": (ethernet(IPV6, ipv6(tcp(), length=0)), KEY6, 0),
    "ipv6-vlan": (ethernet(IPV6, ipv6(tcp()), (VLAN, 4094)), KEY6, 4094),
    "ipv6-qinq": (ethernet(IPV6, ipv6(tcp(), DESTINATION), (QINQ, 1), (VLAN, 2)), KEY6, 2),
}


def test_layouts(run: Run) -> None:
    """Whatever headers lie before it, the payload is found, whole and without padding."""
    for number, (name, (frame, key, vlan)) in enumerate(LAYOUTS.items()):
        port = pack("!H", 40000 + number)  # a connection each
        place = frame.index(pack("!HH", 40000, 80))
        [segment] = run(frame[:place] + port + frame[place + 2 :])
        expected = b"GET / HT" if "padding" in name else REQUEST
        assert (name, segment.payload, segment.length) == (name, expected, len(expected))
        assert (name, segment.key, segment.vlan) == (name, key[:-4] + port + key[-2:], vlan)
        assert (name, segment.seq, segment.ack, segment.flags, segment.cut) == (name, 1000, 2000, ACK | PSH, False)
    assert "malformed" not in run.counts


@pytest.mark.parametrize(
    ("frame", "counter"),
    [
        pytest.param(ethernet(IPV4, ipv4(tcp(), fragment=0x2000)), "ip_fragments", id="first-fragment"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), fragment=0x0010)), "ip_fragments", id="later-fragment"),
        pytest.param(ethernet(IPV6, ipv6(tcp(), (44, bytes([0, 0, 0, 1, 0, 0, 0, 7])))), "ip_fragments", id="ipv6-first"),
        pytest.param(ethernet(IPV6, ipv6(tcp(), (44, bytes([0, 0, 5, 0, 0, 0, 0, 7])))), "ip_fragments", id="ipv6-later"),
        pytest.param(ethernet(IPV4, ipv4(ipv4(tcp()), protocol=4)), "tunnelled", id="ip-in-ip"),
        pytest.param(ethernet(IPV4, ipv4(ipv6(tcp()), protocol=41)), "tunnelled", id="6in4"),
        pytest.param(ethernet(IPV4, ipv4(pack("!HH", 0, IPV4) + ipv4(tcp()), protocol=47)), "tunnelled", id="gre"),
        pytest.param(ethernet(IPV4, ipv4(pack("!HHHH", 1, 4789, 60, 0) + bytes(60), protocol=UDP)), "tunnelled", id="vxlan"),
        pytest.param(ethernet(IPV6, ipv6(pack("!HHHH", 1, 6081, 60, 0) + bytes(60), protocol=UDP)), "tunnelled", id="geneve"),
        pytest.param(ethernet(MPLS, pack("!I", 0x140) + ipv4(tcp())), "tunnelled", id="mpls"),
        pytest.param(ethernet(PPPOE, bytes(8) + ipv4(tcp())), "tunnelled", id="pppoe"),
        pytest.param(ethernet(IPV4, ipv4(tcp(offset=4))), "malformed", id="tcp-header-too-short"),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"", offset=15))), "malformed", id="tcp-header-beyond-the-end"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), version_ihl=0x44)), "malformed", id="ip-header-too-short"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), version_ihl=0x65)), "malformed", id="wrong-version"),
        pytest.param(ethernet(IPV4, ipv4(tcp(), total=30)), "malformed", id="ip-shorter-than-tcp"),
        pytest.param(
            ethernet(IPV6, ipv6(tcp(b""), (60, bytes([0, 255]) + bytes(6)))), "malformed", id="ipv6-header-beyond-the-end"
        ),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"SSH-2.0-OpenSSH_9.2p1"))), "not_http", id="ssh"),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"GETTER of things"))), "not_http", id="no-method"),
        pytest.param(ethernet(IPV4, ipv4(tcp(b"GET"))), "not_http", id="short-and-opening-not-seen"),
        pytest.param(ethernet(IPV4, ipv4(tcp(bytes.fromhex("160301020001000102") + bytes(64)))), "tls_connections", id="tls"),
    ],
)
def test_what_is_not_decoded_is_counted(run_once: Run, frame: bytes, counter: str) -> None:
    """Nothing is told of it, and a counter says why."""
    assert run_once(frame) == []
    assert run_once.counts[counter] == 1


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(ethernet(ARP, bytes(28)), id="arp"),
        pytest.param(ethernet(IPV4, ipv4(bytes(40), protocol=1)), id="icmp"),
        pytest.param(ethernet(IPV4, ipv4(b"")), id="nothing"),
        pytest.param(ethernet(IPV6, ipv6(bytes(8), protocol=58)), id="icmpv6"),
    ],
)
def test_other_protocols(run_once: Run, frame: bytes) -> None:
    """They pass without a word."""
    assert run_once(frame) == []
    assert set(run_once.counts) <= {"packets"}


def test_any_cut_of_any_frame(run_once: Run) -> None:
    """A frame cut anywhere never gives payload that was not there."""
    for frame, _, _ in LAYOUTS.values():
        # The kernel refuses to run on less than an IP header.
        for size in range(14 + (40 if b"\x86\xdd" in frame[:14] else 20), len(frame)):
            for segment in run_once(frame[:size]):
                assert REQUEST.startswith(segment.payload)
                assert segment.cut or len(segment.payload) == segment.length


def test_lengths_that_lie(run_once: Run) -> None:
    """A header that promises more than the packet has: what is there, marked as cut."""
    [segment] = run_once(ethernet(IPV4, ipv4(tcp(), total=1400)))
    assert (segment.payload, segment.length, segment.cut) == (REQUEST, 1360, True)


METHODS = (
    "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH QUERY PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH ACL "
    "MKCALENDAR VERSION-CONTROL CHECKOUT CHECKIN UNCHECKOUT MKWORKSPACE UPDATE LABEL MERGE BASELINE-CONTROL MKACTIVITY "
    "ORDERPATCH BIND REBIND UNBIND LINK UNLINK MKREDIRECTREF UPDATEREDIRECTREF PRI"
)


def test_methods(run_once: Run) -> None:
    """A segment that starts with a method makes its connection HTTP, one that merely begins like it does not."""
    for number, method in enumerate(METHODS.split(" ")):
        start = f"{method} * HTTP/1.1\r\n".encode()
        [segment] = run_once(ethernet(IPV4, ipv4(tcp(start, ports=(30000 + number, 80)))))
        assert segment.payload == start
        assert run_once(ethernet(IPV4, ipv4(tcp(start.lower(), ports=(31000 + number, 80))))) == []
        if len(method) < 8:
            assert run_once(ethernet(IPV4, ipv4(tcp(f"{method}X * HTTP/1.1\r\n".encode(), ports=(32000 + number, 80))))) == []


def opened(ports: tuple[int, int] = (40000, 80)) -> list[bytes]:
    """The handshake, client's number 999, server's 1999."""
    client = tcp(b"", flags=SYN, seq=999, ack=0, ports=ports)
    server = tcp(b"", flags=SYN | ACK, seq=1999, ack=1000, ports=(ports[1], ports[0]))
    return [ethernet(IPV4, ipv4(client)), ethernet(IPV4, ipv4(server, ends=(SERVER4, CLIENT4)))]


def from_client(payload: bytes, seq: int, flags: int = ACK | PSH, ack: int = 2000) -> bytes:
    """A segment of the client."""
    return ethernet(IPV4, ipv4(tcp(payload, seq=seq, ack=ack, flags=flags)))


def from_server(payload: bytes, seq: int, flags: int = ACK | PSH, ack: int = 1000 + len(REQUEST)) -> bytes:
    """A segment of the server."""
    return ethernet(IPV4, ipv4(tcp(payload, seq=seq, ack=ack, flags=flags, ports=(80, 40000)), ends=(SERVER4, CLIENT4)))


def test_opening_is_told_with_the_first_byte(run: Run) -> None:
    """SYN and SYN-ACK of a connection that turns out to be HTTP come first, those of others never."""
    assert run(*opened()) == []
    syn, answer, data = run(from_client(REQUEST, 1000))
    assert (syn.flags, syn.seq, syn.key) == (SYN, 999, KEY4)
    assert (answer.flags, answer.seq, answer.ack) == (SYN | ACK, 1999, 1000)
    assert syn.ts_ns <= answer.ts_ns <= data.ts_ns
    assert data.payload == REQUEST


def test_opening_seen_may_start_short(run: Run) -> None:
    """Byte by byte from the first one on, where the opening was seen."""
    run(*opened())
    segments = [segment for place in range(20) for segment in run(from_client(REQUEST[place : place + 1], 1000 + place))]
    assert b"".join(segment.payload for segment in segments) == REQUEST[:20]


def test_opening_seen_but_another_protocol(run_once: Run) -> None:
    """A short first segment that begins no method is not believed."""
    run_once(*opened())
    assert run_once(from_client(b"EHLO", 1000), from_client(b" me\r\n", 1004)) == []


def test_pure_acknowledgements_are_not_told(run_once: Run) -> None:
    """They never cross the ring."""
    run_once(from_client(REQUEST, 1000))
    assert run_once(from_server(b"", 2000, ACK), from_client(b"", 1000 + len(REQUEST), ACK)) == []


@pytest.mark.parametrize("flag", [FIN, RST])
def test_ends_are_told_once(run_once: Run, flag: int) -> None:
    """FIN or RST of an HTTP connection is told with its place behind the last byte; of others not."""
    assert run_once(from_client(b"", 1000, flag | ACK)) == []
    data, end = run_once(from_client(REQUEST, 1000, flag | ACK))
    assert (data.payload, data.flags & (FIN | RST)) == (REQUEST, 0)
    assert (end.payload, end.length, end.seq, end.flags) == (b"", 0, 1000 + len(REQUEST), flag | ACK)


def test_port_filter(run_once: Run) -> None:
    """Only the ports of the options, of either end."""
    assert run_once(ethernet(IPV4, ipv4(tcp(ports=(40000, 8080))))) == []
    assert len(run_once(ethernet(IPV4, ipv4(tcp(ports=(80, 8080)))))) == 1
    assert len(run_once(ethernet(IPV4, ipv4(tcp(ports=(8081, 80)))))) == 1


def body(sender: Callable[..., bytes], seq: int, size: int) -> list[bytes]:
    """A body in segments."""
    return [sender(b"x" * min(MAX_FRAME, size - at), seq + at, ACK) for at in range(0, size, MAX_FRAME)]


def test_beyond_the_budget_only_ranges(run: Run) -> None:
    """A turn copies its first bytes; the rest is one range with its first and last time, told when the other side speaks."""
    size = 300_000
    run(from_client(REQUEST, 1000))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
    copied = run(from_server(head, 2000), *body(from_server, 2000 + len(head), size))
    assert b"".join(segment.payload for segment in copied) == head + b"x" * (TURN_BYTES - len(head))
    assert not any(segment.cut for segment in copied)
    [rest, request] = run(from_client(REQUEST, 1000 + len(REQUEST)))
    assert (rest.payload, rest.cut) == (b"", False)
    assert (rest.flags, rest.ack) == (0, 0)  # it acknowledges nothing
    assert rest.ts_ns < rest.last_ns <= request.ts_ns
    assert rest.seq == copied[-1].seq + copied[-1].length
    assert rest.seq + rest.length == 2000 + len(head) + size
    # and the next turn is copied again
    [answer] = run(from_server(RESPONSE, 2000 + len(head) + size))
    assert answer.payload == RESPONSE


def test_quiet_connection_is_swept(run: Run) -> None:
    """A range that nothing follows is told by the sweep, once."""
    run(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 200 OK\r\n\r\n", 2000))
    copied = run(*body(from_server, 2019, 60_000))
    [rest] = run.quiet()
    assert rest.seq == copied[-1].seq + copied[-1].length
    assert rest.seq + rest.length == 2019 + 60_000
    assert rest.key == KEY4[4:8] + KEY4[:4] + KEY4[-2:] + KEY4[-4:-2]
    assert (rest.flags, rest.ack) == (0, 0)
    assert run.quiet() == []


def test_end_tells_the_range(run_once: Run) -> None:
    """FIN tells what was left out before it."""
    run_once(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 200 OK\r\n\r\n", 2000))
    copied = run_once(*body(from_server, 2019, 60_000))
    [rest, end] = run_once(from_server(b"", 62_019, FIN | ACK))
    assert rest.seq == copied[-1].seq + copied[-1].length
    assert rest.seq + rest.length == end.seq == 62_019


def test_sequence_numbers_wrap(run_once: Run) -> None:
    """A body across the end of sequence space is left out like any other."""
    start = 2**32 - 20_000
    run_once(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 200 OK\r\n\r\n", start))
    run_once(*[from_server(b"x" * MAX_FRAME, (start + 19 + at) % 2**32, ACK) for at in range(0, 90_000, MAX_FRAME)])
    [rest] = run_once.quiet()
    assert rest.seq + rest.length == start + 19 + 90_000 - 2**32


def test_retransmission_of_what_was_left_out(run_once: Run) -> None:
    """It neither grows the range nor ends it."""
    run_once(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 200 OK\r\n\r\n", 2000))
    run_once(*body(from_server, 2019, 90_000))
    assert run_once(from_server(b"x" * MAX_FRAME, 2019 + 60_000, ACK)) == []
    [rest] = run_once.quiet()
    assert rest.seq + rest.length == 2019 + 90_000


def test_a_hole_in_what_was_left_out(run_once: Run) -> None:
    """Two ranges, with the missing bytes between them in neither."""
    run_once(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 200 OK\r\n\r\n", 2000))
    segments = body(from_server, 2019, 90_000)
    [first] = [segment for segment in run_once(*segments[:20], *segments[21:]) if not segment.payload]
    [second] = run_once.quiet()
    assert first.seq + first.length == 2019 + 20 * MAX_FRAME
    assert second.seq == 2019 + 21 * MAX_FRAME


def test_upgraded_connection(run_once: Run) -> None:
    """After 101 talking to and fro is no reason to copy any more; what starts like HTTP still is."""
    run_once(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 2000))
    seq, told = 3000, 0
    for turn in range(200):
        sender = from_server if turn % 2 else from_client
        told += sum(len(segment.payload) for segment in run_once(sender(b"\x81" * 1000, seq)))
        seq += 1000
    assert told <= 2 * TURN_BYTES
    assert len(run_once(from_client(REQUEST, seq))[-1].payload) == len(REQUEST)
    assert run_once.counts["upgraded"] == 1


def test_port_used_again(run_once: Run) -> None:
    """A new SYN of the same four values begins anew: what follows must look like HTTP again."""
    run_once(from_client(REQUEST, 1000))
    run_once(*opened())
    assert run_once(from_client(b"\x00\x01binary", 1000)) == []


def test_ring_full_is_counted() -> None:
    """Records that find no room are lost, and counted with their bytes."""
    capture = Capture(BpfConfig(loader="libbpf", ring_bytes=262144))
    capture.load()
    try:
        for number in range(2000):
            run_on_frame(capture.program_fd, ethernet(IPV4, ipv4(tcp(REQUEST.ljust(200, b" "), ports=(1024 + number, 80)))))
        told = 0
        while segments := capture.read():
            told += len(segments)
        counts = dict(capture.counters.news())
    finally:
        capture.close()
    assert counts["ring_full"] == 2000 - told > 0
    assert counts["ring_full_bytes"] == 200 * counts["ring_full"]


def test_displaced_connections_are_counted() -> None:
    """More connections than the table has places: about as many as had to make place."""
    capture = Capture(BpfConfig(loader="libbpf", kernel_connections=64))
    capture.load()
    try:
        for number in range(500):
            run_on_frame(capture.program_fd, ethernet(IPV4, ipv4(tcp(ports=(1024 + number, 80)))))
        assert dict(capture.counters.news())["connections"] == 500
        assert capture.displaced() == 500 - 64
    finally:
        capture.close()


def test_time_is_the_wall_clock(run_once: Run) -> None:
    """Times are those of the wall clock at the packet, not at the reading."""
    before = time.time_ns()
    [segment] = run_once(from_client(REQUEST, 1000))
    assert before - 1_000_000 <= segment.ts_ns <= time.time_ns() + 1_000_000


def test_every_record_has_an_interface(run_once: Run) -> None:
    """Test runs come from loopback, whose index is 1."""
    [segment] = run_once(from_client(REQUEST, 1000))
    assert segment.interface == 1
    assert abi.RECORD.size == 80
