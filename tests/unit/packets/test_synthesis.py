"""Packets made of records say what the records said; what is read from them are the records again."""

import msgspec
import pytest

from pipeline.codecs.pcapng import Section
from pipeline.model.packet import RAW_IP, Interface
from pipeline.model.records import ACK, FIN, MULTIPATH, PSH, RST, SYN, Datagram, Segment
from pipeline.packets.synthesis import MOST_PAYLOAD, packets_of
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.reader import CaptureReader

FOUR = b"\x7f\0\0\1\x7f\0\0\2\0\x50\x1f\x90"
SIX = bytes(range(32)) + b"\0\x50\x1f\x90"
HERE = Interface("eth0", RAW_IP, "made")


def read(*records: Segment | Datagram) -> list[Segment | Datagram]:
    """What is read from a file with their packets."""
    section = Section()
    data = section.beginning("1") + b"".join(section.packets(packets_of(record, HERE)) for record in records)
    reader = CaptureReader(Dissector(quic=True))
    found = [each for batch in reader.feed(data) for each in batch]
    reader.finish()
    assert reader.damage is None
    return found


@pytest.mark.parametrize("key", [FOUR, SIX])
@pytest.mark.parametrize(
    "record",
    [
        Segment(b"", 1_700_000_000_123_456_789, 1, 0, SYN, b"", 0),
        Segment(b"", 1_700_000_000_123_456_789, 1, 0, SYN | MULTIPATH, b"", 0),
        Segment(b"", 5, 0xFFFFFFFF, 9, SYN | ACK, b"", 0),
        Segment(b"", 5, 3, 4, ACK | PSH, b"GET / HTTP/1.1\r\n\r\n", 18),
        Segment(b"", 5, 3, 4, ACK | FIN, b"x", 1),
        Segment(b"", 5, 3, 0, RST, b"", 0),
        Segment(b"", 5, 3, 4, ACK, b"cut", 1000, cut=True),
        Datagram(b"", 5, b"\xc3\0\0\0\1" + bytes(1195), 1200),
    ],
)
def test_a_record_comes_back_as_it_was(key: bytes, record: Segment | Datagram) -> None:
    """Interfaces of a capture file are numbered, and the first is the only one."""
    asked = msgspec.structs.replace(record, key=key)
    (back,) = read(asked)
    assert back == msgspec.structs.replace(asked, interface=1)


@pytest.mark.parametrize("key", [FOUR, SIX])
@pytest.mark.parametrize("length", [2, MOST_PAYLOAD - 1, MOST_PAYLOAD, MOST_PAYLOAD + 1, MOST_PAYLOAD + 2, 3_000_000])
def test_a_run_of_segments_becomes_as_many_packets_as_it_needs(key: bytes, length: int) -> None:
    """Its bytes in order, each once, the first and the last at their times; flags stand where they belong."""
    whole = Segment(key, 1000, 2**32 - 5, 7, ACK | PSH | FIN, b"abc"[:length], length, last_ns=5000)
    back = [each for each in read(whole) if isinstance(each, Segment)]
    assert (back[0].ts_ns, back[-1].ts_ns) == (1000, 5000)
    assert [each.ts_ns for each in back] == sorted(each.ts_ns for each in back)
    at = whole.seq
    for each in back:
        assert each.seq == at
        at = (at + each.length) & 0xFFFFFFFF
    assert sum(each.length for each in back) == length
    assert b"".join(each.payload for each in back) == b"abc"[:length]
    assert [bool(each.flags & FIN) for each in back] == [False] * (len(back) - 1) + [True]
