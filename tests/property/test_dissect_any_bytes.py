"""Whatever a capture holds: dissecting never raises, never loops, and what comes out keeps its promises."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.model.records import Segment
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.layers.packet import ETHERTYPES, IP_PROTOCOLS, LINK_TYPES, UDP_PORTS

LINKS = st.sampled_from(sorted(LINK_TYPES))
NUMBERS = st.one_of(
    st.sampled_from(sorted(ETHERTYPES)).map(lambda number: struct.pack(">H", number)),
    st.sampled_from(sorted(UDP_PORTS)).map(lambda number: struct.pack(">H", number)),
    st.sampled_from(sorted(IP_PROTOCOLS)).map(lambda number: bytes((number,))),
    st.sampled_from([b"\x45\x00", b"\x60\x00", b"\x46", bytes(2), bytes(12), b"\xaa\xaa\x03", b"\xff\x03", b"\x08", b"\xff" * 4]),
)
PACKETS = st.lists(NUMBERS | st.binary(max_size=24), max_size=24).map(b"".join)


def dissect(link: int, packets: Sequence[bytes], extra: int) -> list[Segment]:
    """The segments of packets that lie behind each other in a block, each longer on the wire than captured."""
    frames, at = [], 0
    for number, packet in enumerate(packets):
        frames.append((number, at, at + len(packet), len(packet) + extra, link, 1))
        at += len(packet)
    return Dissector().segments(b"".join(packets), frames)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(LINKS, st.lists(PACKETS, max_size=6), st.integers(0, 70_000))
@example(1, [bytes(12) + b"\x08\x00\x45" + bytes(60)], 0)
def test_any_bytes(link: int, packets: list[bytes], extra: int) -> None:
    """Bytes that look like headers, in any order, give segments that are sound or nothing."""
    for segment in dissect(link, packets, extra):
        assert len(segment.key) in (12, 36)
        assert 0 <= len(segment.payload) <= segment.length <= 0x7FFFFFFF
        assert segment.cut == (len(segment.payload) < segment.length)
        assert 0 <= segment.vlan < 4096
        assert isinstance(segment.payload, bytes)
