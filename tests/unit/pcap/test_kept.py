"""Blocks of capture files that are kept: they take as much memory as they say, and each is read again once."""

import gc
import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from pipeline.codecs.pcapng import Section
from pipeline.model.packet import RAW_IP, Interface, Packet
from pipeline.packets.synthesis import packets_of
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Frame
from pipeline.sources.pcap.kept import KeptBlock
from pipeline.sources.pcap.reader import CaptureReader
from tests.unit.packets.test_taker import talk
from tests.unit.pcap.pcap_packets import classic

CONNECTIONS = 500
READ_BYTES = 16_384
PACKETS = [
    packet
    for port in range(1, CONNECTIONS + 1)
    for record in talk(port, port * 1000)
    for packet in packets_of(record, Interface("eth0", RAW_IP))
]
"""Small ones."""


def file_of(kind: str) -> bytes:
    """A capture of them; a classic one has times of its own."""
    if kind == "classic":
        return classic([packet.data for packet in PACKETS], link=RAW_IP)
    section = Section()
    return section.beginning("1") + section.packets(PACKETS)


class Asked:
    """Counts how often frames are looked for."""

    def __init__(self, frames: Callable[[], Sequence[Frame]]) -> None:
        self._frames = frames
        self.times = 0

    def __call__(self) -> Sequence[Frame]:
        """As if it was not there."""
        self.times += 1
        return self._frames()


def read(kind: str, asked: list[Asked] | None = None) -> list[KeptBlock]:
    """What is kept of such a file, read in pieces."""
    kept: list[KeptBlock] = []

    def keep(block: bytes, more: int, frames: Callable[[], Sequence[Frame]]) -> None:
        if asked is not None:
            frames = Asked(frames)
            asked.append(frames)
        kept.append(KeptBlock(block, more, frames, "x", quic=False))

    data, reader = file_of(kind), CaptureReader(Dissector(), keep)
    for at in range(0, len(data), READ_BYTES):
        for _ in reader.feed(data[at : at + READ_BYTES]):
            pass
    return kept


@pytest.mark.parametrize("kind", ["classic", "pcapng"])
def test_a_block_takes_the_memory_that_it_says(kind: str) -> None:
    """Also once somebody has asked what is in it; a tuple for each packet would be three times that."""
    tracemalloc.start()
    try:
        kept = read(kind)
        size = sum(block.size for block in kept)
        assert taken() < size * 1.5
        for block in kept:
            block.parts()
        assert taken() < size * 1.5
    finally:
        tracemalloc.stop()


def taken() -> int:
    """Bytes, without those that the interpreter has ready for the next tuples: a full collection lets these go."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("kind", ["classic", "pcapng"])
def test_a_block_is_read_again_once_whatever_is_taken_of_it(kind: str) -> None:
    """And every packet is as it was captured."""
    asked: list[Asked] = []
    kept = read(kind, asked)
    taken = [item for block in kept for part in block.parts() for item in block.contents(part.places)]
    assert [item.data for item in taken if isinstance(item, Packet)] == [packet.data for packet in PACKETS]
    if kind == "pcapng":
        assert [item.ts_ns for item in taken if isinstance(item, Packet)] == [packet.ts_ns for packet in PACKETS]
    assert [each.times for each in asked] == [1] * len(kept)
    assert len(kept) > 5
