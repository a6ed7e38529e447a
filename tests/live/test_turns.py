"""The program on frames of our own making: what of a conversation is copied, what is reported as ranges, what is counted."""

import time
from collections.abc import Callable
from struct import pack

import pytest
from live_frames import ACK, CLIENT4, FIN, IPV4, PSH, REQUEST, RESPONSE, RST, SERVER4, SYN, ethernet, ipv4, tcp
from live_run import Run, loaded

from pipeline.sources.bpf import abi
from pipeline.sources.bpf.capture import TURN_BYTES
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.syscall import run_on_frame

KEY4 = CLIENT4 + SERVER4 + pack("!HH", 40000, 80)
MAX_FRAME = 3000


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


def test_opening_is_reported_with_the_first_byte(run: Run) -> None:
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


def test_pure_acknowledgements_are_not_reported(run_once: Run) -> None:
    """They never cross the ring."""
    run_once(from_client(REQUEST, 1000))
    assert run_once(from_server(b"", 2000, ACK), from_client(b"", 1000 + len(REQUEST), ACK)) == []


@pytest.mark.parametrize("flag", [FIN, RST])
def test_ends_are_reported_once(run_once: Run, flag: int) -> None:
    """FIN or RST of an HTTP connection is reported with its place behind the last byte; of others not."""
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
    """A turn copies its first bytes; the rest is one range with its first and last time, reported when the other side speaks."""
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


def test_the_example_in_the_source(run_once: Run) -> None:
    """The segments and records that ``policy/turns.h`` shows as its example, number for number."""
    assert TURN_BYTES == 32_768
    assert len(REQUEST) == 37
    answer = b"HTTP/1.1 200 OK\r\n\r\n".ljust(100_000, b"x")
    segments = [from_server(answer[at : at + 1448], 2000 + at) for at in range(0, len(answer), 1448)]
    records = run_once(from_client(REQUEST, 1000), *segments, from_client(REQUEST, 1037))
    assert [(record.seq, record.length, len(record.payload)) for record in records] == [
        (1000, 37, 37),
        *((2000 + 1448 * number, 1448, 1448) for number in range(22)),
        (33_856, 1448, 912),
        (35_304, 66_696, 0),
        (1037, 37, 37),
    ]


def test_quiet_connection_is_swept(run: Run) -> None:
    """A range that nothing follows is reported by the sweep, once."""
    run(from_client(REQUEST, 1000), from_server(b"HTTP/1.1 200 OK\r\n\r\n", 2000))
    copied = run(*body(from_server, 2019, 60_000))
    [rest] = run.quiet()
    assert rest.seq == copied[-1].seq + copied[-1].length
    assert rest.seq + rest.length == 2019 + 60_000
    assert rest.key == KEY4[4:8] + KEY4[:4] + KEY4[-2:] + KEY4[-4:-2]
    assert (rest.flags, rest.ack) == (0, 0)
    assert run.quiet() == []


def test_end_reports_the_range(run_once: Run) -> None:
    """FIN reports what was left out before it."""
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
    seq, reported = 3000, 0
    for turn in range(200):
        sender = from_server if turn % 2 else from_client
        reported += sum(len(segment.payload) for segment in run_once(sender(b"\x81" * 1000, seq)))
        seq += 1000
    assert reported <= 2 * TURN_BYTES
    assert len(run_once(from_client(REQUEST, seq))[-1].payload) == len(REQUEST)
    assert run_once.counts["upgraded"] == 1


def test_port_used_again(run_once: Run) -> None:
    """A new SYN of the same four values begins again: what follows must look like HTTP again."""
    run_once(from_client(REQUEST, 1000))
    run_once(*opened())
    assert run_once(from_client(b"\x00\x01binary", 1000)) == []


def test_ring_full_is_counted() -> None:
    """Records that find no room are lost, and counted with their bytes."""
    with loaded(BpfConfig(loader="libbpf", ring_bytes=262144)) as run:
        ports = range(1024, 1224)
        run.unread(*[ethernet(IPV4, ipv4(tcp(REQUEST, ports=(port, 80)))) for port in ports])
        answer = RESPONSE.ljust(MAX_FRAME, b" ")
        run.unread(*[ethernet(IPV4, ipv4(tcp(answer, ports=(80, port)), ends=(SERVER4, CLIENT4))) for port in ports])
        reported = len(run.read())
        counts = run.counts
    assert counts["ring_full"] == 400 - reported > 0
    assert counts["ring_full_bytes"] == MAX_FRAME * counts["ring_full"]


def test_displaced_connections_are_counted() -> None:
    """More connections than the table has places: about as many as had to make place."""
    with loaded(BpfConfig(loader="libbpf", kernel_connections=64)) as run:
        for number in range(500):
            run_on_frame(run.capture.program_fd, ethernet(IPV4, ipv4(tcp(ports=(1024 + number, 80)))))
        assert run.counts["connections"] == 500
        assert run.capture.displaced() == 500 - 64


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


def test_http2_is_copied_whole(run: Run) -> None:
    """Where a frame begins follows from all that came before: nothing behind a preface is left out, whoever spoke last."""
    run(*opened())
    run(from_client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1000))
    sent = 0
    while sent <= 2 * TURN_BYTES:
        payload = b"GET " + bytes(996)  # what looks like a request is none
        (segment,) = run(from_server(payload, 2000 + sent))
        assert segment.payload == payload
        sent += len(payload)


def test_http2_that_was_joined_late(run: Run) -> None:
    """A connection whose opening was not seen is found at a HEADERS frame, of either end."""
    head = bytes.fromhex("000005 01 05 00000003 8286848741")
    assert run(from_client(bytes.fromhex("000004 08 00 00000000 00000001"), 1000)) == []
    (segment,) = run(from_client(head, 1013))
    assert segment.payload == head
    (answer,) = run(from_server(bytes.fromhex("000001 01 05 00000003 88"), 2000))
    assert answer.payload[-1] == 0x88
