"""A block of a capture file, kept as it was read: its packets are taken away as they were captured, link header and all.

Which connection a packet is of is found when somebody asks, by dissecting the block again. Of a datagram that came in fragments
no single packet is: a packet made of the whole stands for them, as far as they lie in one block.
"""

from collections.abc import Callable, Iterator, Sequence

from pipeline.model.packet import RAW_IP, Interface, Packet
from pipeline.model.records import Captured, Record
from pipeline.packets.kept import SYNTHESIZED, Part, parts_of
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Frame, PackedFrames

JOINED = "datagrams that came in fragments, put together by httpipe"


class KeptBlock:
    """``more`` and ``frames`` as in ``Keep``; ``name`` is the capture's, ``quic`` as in ``Dissector``."""

    def __init__(self, block: bytes, more: int, frames: Callable[[], Sequence[Frame]], name: str, *, quic: bool) -> None:
        self._block = block
        self._find = frames
        self._frames = PackedFrames(())
        self._name = name
        self._quic = quic
        self._joined: dict[int, Captured] = {}
        self.size = len(block) + more

    def parts(self) -> list[Part]:
        """A packet that carries several segments stands in the parts of each."""
        return parts_of(self._records())

    def _records(self) -> Iterator[tuple[int, Record]]:
        dissector, frames = Dissector(quic=self._quic), self._find()
        self._frames = PackedFrames(frames)
        for place, frame in enumerate(frames):
            for record in dissector.segments(self._block, [frame]):
                if record.payload not in self._block[frame[1] : frame[2]]:
                    self._joined[place] = record
                yield place, record

    def contents(self, places: Sequence[int]) -> Iterator[Record | Packet]:
        """The packets there, which ``parts`` has found."""
        for place in dict.fromkeys(places):
            if place in self._joined:
                yield self._joined[place]
                continue
            ts_ns, start, end, wire_length, link_type, interface = self._frames[place]
            name = self._name if interface < 2 else f"{self._name} ({interface})"
            yield Packet(ts_ns, Interface(name, link_type), self._block[start:end], wire_length)

    def interface(self, record: Record) -> Interface:  # noqa: ARG002  all that are joined have the same
        """Of what is made of fragments."""
        return Interface(f"{self._name}: {JOINED}", RAW_IP, SYNTHESIZED)
