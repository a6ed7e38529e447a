"""The packet program on TLS and QUIC handshakes: what of them is copied, and when their connections are left."""

from collections.abc import Generator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from live_frames import ACK, CLIENT4, ELSEWHERE, FIN, IPV4, REQUEST, SERVER4, SYN, TCP, ethernet, ipv4, tcp
from live_run import Run, loaded

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.event import Event
from pipeline.model.records import Closed, Datagram, Record, Segment
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.reader import CaptureReader

CAPTURES = sorted((Path(__file__).parents[1] / "replay/captures/tls").glob("*.pcap"))
HANDSHAKE_BYTES = 32 << 10
MAX_FRAME = 1500
DIFFERENT = ("timestamp_ns", "httpipe_duration_ms", "httpipe_ttfb_ms")
"""A test run has its own time."""


@pytest.fixture
def handshakes() -> Generator[Run]:
    """The program, asked for handshakes."""
    with loaded(BpfConfig(processes=False), handshakes=True) as run:
        yield run


def frames(path: Path) -> list[bytes]:
    """The packets of a capture."""
    found = [block[start:end] for block, found in CaptureReader().frames(path.read_bytes()) for _, start, end, *_ in found]
    return [ELSEWHERE + piece[6:] for frame in found for piece in small(frame)]


def small(frame: bytes) -> list[bytes]:
    """A frame of TCP over IPv4 that is longer than a test run takes in several, as a network card would have sent it."""
    at = 34 + (frame[46] >> 4) * 4
    if len(frame) <= MAX_FRAME or frame[23] != TCP:
        return [frame]
    seq, pieces = int.from_bytes(frame[38:42], "big"), []
    for begin in range(at, len(frame), 1400):
        payload = frame[begin : begin + 1400]
        length, number = (at - 14 + len(payload)).to_bytes(2, "big"), (seq + begin - at & 0xFFFFFFFF).to_bytes(4, "big")
        pieces.append(frame[:16] + length + frame[18:38] + number + frame[42:at] + payload)
    return pieces


def events(records: list[Record]) -> list[dict[str, Any]]:
    """What becomes of records, without times."""
    decoder = Decoder(DecodeOptions(tls_handshakes=True), source="test")
    found: list[Event] = [*decoder.feed(records), *decoder.finish()]
    return [{name: value for name, value in msgspec.structs.asdict(event).items() if name not in DIFFERENT} for event in found]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_handshake_is_the_same_live_as_from_a_capture_file(handshakes: Run, path: Path) -> None:
    """Of the same packets, through the kernel and through the dissector."""
    handshakes.unread(*frames(path))
    live = handshakes.read()
    reader = CaptureReader(Dissector(quic=True))
    expected = events([record for records in reader.feed(path.read_bytes()) for record in records])
    assert expected
    assert events(live) == expected
    counts = handshakes.counts
    assert counts["initials" if path.stem.startswith("quic") else "handshakes"] >= len(expected)
    assert not counts.get("connections")


def test_nothing_of_tls_crosses_the_ring_where_nobody_asks() -> None:
    """It is counted as ever."""
    with loaded(BpfConfig(processes=False)) as run:
        for path in CAPTURES:
            run.unread(*frames(path))
        assert run.read() == []
        assert run.counts["tls_connections"] > 20


def segment(payload: bytes, seq: int, *, client: bool = True, flags: int = ACK, ack: int = 1) -> bytes:
    """A segment between port 40000 and 443."""
    ports, ends = ((40000, 443), (CLIENT4, SERVER4)) if client else ((443, 40000), (SERVER4, CLIENT4))
    return ethernet(IPV4, ipv4(tcp(payload, seq=seq, ack=ack, flags=flags, ports=ports), ends=ends))


HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(506)


def test_a_connection_is_left_with_the_client_s_first_data(handshakes: Run) -> None:
    """Application data of the server is copied until then; what the client sends behind it is not seen, nor is the end."""
    assert len(handshakes(segment(HELLO, 1000), segment(b"\x16\3\3\0\1\2" + bytes(40), 5000, client=False))) == 2
    assert len(handshakes(segment(b"\x17\3\3\0\x50" + bytes(80), 5046, client=False))) == 1
    assert len(handshakes(segment(b"\x17\3\3\0\x50" + bytes(80), 1517))) == 1
    rest = [segment(b"\x17\3\3\0\x50" + bytes(80), 1602), segment(b"", 1687, flags=FIN | ACK)]
    assert handshakes(*rest) == []
    assert handshakes.counts["not_http"] == 1


def test_early_data_does_not_end_it(handshakes: Run) -> None:
    """The server has not spoken yet."""
    handshakes(segment(HELLO, 1000), segment(b"\x17\3\3\0\x50" + bytes(80), 1517))
    assert len(handshakes(segment(b"\x16\3\3\0\1\2" + bytes(40), 5000, client=False))) == 1


def test_what_is_copied_of_a_direction_is_bounded(handshakes: Run) -> None:
    """Then the connection is left, and user space is told so."""
    handshakes.unread(segment(HELLO, 1000))
    for place in range(30):
        handshakes.unread(segment(bytes(1400), 5000 + 1400 * place, client=False))
    records = handshakes.read()
    copied = sum(len(each.payload) for each in records if isinstance(each, Segment)) - len(HELLO)
    assert copied == HANDSHAKE_BYTES
    assert isinstance(records[-1], Closed)


def test_ports_of_handshakes_are_open_to_http_again(handshakes: Run) -> None:
    """A new connection of the same ports is what its first bytes say."""
    handshakes(segment(HELLO, 1000))
    found = handshakes(segment(b"", 8000, flags=SYN), segment(REQUEST, 8001))
    assert [each.payload for each in found if each.payload] == [REQUEST]


def test_only_what_may_hold_a_hello_is_copied_of_udp(handshakes: Run) -> None:
    """A version that is known, the type of an Initial, and the size that it has at least."""
    chance = Random(1)

    def udp(payload: bytes) -> bytes:
        head = (40000).to_bytes(2, "big") + (443).to_bytes(2, "big") + (8 + len(payload)).to_bytes(2, "big") + b"\0\0"
        return ethernet(IPV4, ipv4(head + payload, protocol=17))

    good = b"\xc3\0\0\0\1" + chance.randbytes(1195)
    second = b"\xd3\x6b\x33\x43\xcf" + chance.randbytes(1195)
    for payload in (good, second):
        handshakes.unread(udp(payload))
        (found,) = handshakes.read()
        assert isinstance(found, Datagram)
        assert (found.payload, found.length, found.key) == (payload, 1200, CLIENT4 + SERVER4 + bytes.fromhex("9c4001bb"))
    others = (
        good[:29],
        b"\x43" + good[1:],
        b"\xe3" + good[1:],
        b"\xc3\0\0\0\2" + good[5:],
        b"\xc3" + second[1:],
        b"\xff\xff",
        b"",
    )
    handshakes.unread(*map(udp, others))
    assert handshakes.read() == []
