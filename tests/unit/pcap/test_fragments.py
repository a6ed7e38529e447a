"""IP fragments → segments: in any order, repeated, overlapping, and never more memory than the bound."""

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pcap_packets import PAYLOAD, ethernet, ipv4, ipv6, tcp

from pipeline.model.records import Segment
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.layers.fragments import MAX_AGE_NS, MAX_BYTES, Fragments

WHOLE = tcp(PAYLOAD * 8)


def pieces4(size: int = 64) -> list[bytes]:
    """An IPv4 datagram in fragments."""
    starts = range(0, len(WHOLE), size)
    more = [0x2000] * (len(starts) - 1) + [0]
    return [ethernet(ipv4(WHOLE[at : at + size], fragment=flag | at // 8)) for at, flag in zip(starts, more, strict=True)]


def pieces6(size: int = 64) -> list[bytes]:
    """The same in IPv6."""
    starts = range(0, len(WHOLE), size)
    more = [1] * (len(starts) - 1) + [0]
    heads = [struct.pack(">BBHI", 6, 0, at | flag, 99) for at, flag in zip(starts, more, strict=True)]
    return [ethernet(ipv6(head + WHOLE[at : at + size], 44), 0x86DD) for head, at in zip(heads, starts, strict=True)]


def feed(packets: list[bytes], dissector: Dissector | None = None, *, step_ns: int = 1000) -> list[Segment]:
    """The segments of these packets."""
    dissector = dissector or Dissector()
    found = []
    for number, packet in enumerate(packets):
        found += dissector.segments(packet, [(number * step_ns, 0, len(packet), len(packet), 1, 0)])
    return found


@pytest.mark.parametrize("pieces", [pieces4(), pieces6()])
def test_any_order(pieces: list[bytes]) -> None:
    """The datagram is whole with its last piece, whichever that is."""
    for order in itertools.islice(itertools.permutations(pieces), 0, 120, 7):
        segments = feed(list(order))
        assert [segment.payload for segment in segments] == [PAYLOAD * 8]


@pytest.mark.parametrize("pieces", [pieces4(), pieces6()])
def test_a_missing_piece_gives_nothing(pieces: list[bytes]) -> None:
    """Without one of its pieces there is no segment, and in time the rest is counted as lost."""
    for missing in range(len(pieces)):
        dissector = Dissector()
        rest = pieces[:missing] + pieces[missing + 1 :]
        assert feed([*rest, *rest], dissector) == []
        other = ethernet(ipv4(b"12345678", fragment=0x2000, identification=5))
        dissector.segments(other, [(MAX_AGE_NS * 2, 0, len(other), len(other), 1, 0)])
        assert dissector.take_counts()["fragments_incomplete"] == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=40))
def test_overlaps_change_nothing(extra: list[tuple[int, int]]) -> None:
    """Pieces that repeat or overlap, with the same bytes, give the same datagram."""
    fragments = Fragments(lambda _: None)
    data = bytes(range(248))
    for start, length in extra:
        piece = data[start * 8 : start * 8 + length * 8]
        whole = fragments.add("k", start * 8, piece, 0, last=start * 8 + len(piece) == len(data))
        if whole is not None:
            assert whole == data
            return
    assert [fragments.add("k", at, data[at : at + 8], 0, last=at == 240) for at in range(0, 248, 8)].count(data) == 1


def test_first_bytes_win() -> None:
    """Where two pieces contradict each other, the bytes that came first count."""
    fragments = Fragments(lambda _: None)
    assert fragments.add("k", 8, b"BBBBBBBB", 0, last=False) is None
    assert fragments.add("k", 0, b"aaaaaaaabbbbbbbbcccccccc", 0, last=True) == b"aaaaaaaaBBBBBBBBcccccccc"


def test_memory_is_bounded() -> None:
    """A flood of first fragments pushes out the oldest and is counted."""
    lost = 0

    def count(number: int) -> None:
        nonlocal lost
        lost += number

    fragments = Fragments(count)
    for number in range(10_000):
        fragments.add(number, 0, bytes(1400), number, last=False)
    assert fragments._cost <= MAX_BYTES + 2000
    assert lost == 10_000 - len(fragments._datagrams)


def test_a_piece_over_a_thousand_others() -> None:
    """A piece that covers very many small ones with holes between them fills the holes."""
    fragments = Fragments(lambda _: None)
    for at in range(0, 16_000, 16):
        assert fragments.add("k", at, b"aaaaaaaa", 0, last=False) is None
    assert fragments.add("k", 0, b"b" * 16_000, 0, last=True) == b"aaaaaaaabbbbbbbb" * 1000


def test_bytes_behind_the_end_fill_no_hole() -> None:
    """Pieces that lie behind the last one do not stand in for a missing one."""
    fragments = Fragments(lambda _: None)
    assert fragments.add("k", 64, b"c" * 64, 0, last=False) is None
    assert fragments.add("k", 16, b"b" * 8, 0, last=True) is None
    assert fragments.add("k", 0, b"a" * 16, 0, last=False) == b"a" * 16 + b"b" * 8
