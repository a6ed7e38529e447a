"""A frame: where one captured packet lies in a block of bytes. Container formats make them, the dissector reads them.

A plain tuple, since there is one per packet and building any richer object costs more than reading the packet:
``(ts_ns, start, end, wire_length, link_type, interface)``. ``start`` and ``end`` are offsets of the captured bytes in the
block, ``wire_length`` is how long the packet was before a snap length cut it, ``link_type`` is a LINKTYPE value of the
tcpdump.org registry, ``interface`` the index of the capturing interface from 1, 0 where the format does not tell.
"""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct

Frame = tuple[int, int, int, int, int, int]

_PACKED = Struct("=qIIIII")
PACKED_BYTES = _PACKED.size

Keep = Callable[[bytes, int, Callable[[], Sequence[Frame]]], None]
"""Is given each block that was understood, the bytes that frames in it take packed, and what finds these again."""


class PackedFrames:
    """Frames that are kept: ``PACKED_BYTES`` each, as tuples a multiple of that."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._packed = b"".join([_PACKED.pack(*frame) for frame in frames])

    def __getitem__(self, place: int) -> Frame:
        frame: Frame = _PACKED.unpack_from(self._packed, place * PACKED_BYTES)
        return frame


MAX_CAPTURED = 262_144
"""Largest captured length that is believed: libpcap's MAXIMUM_SNAPLEN. A larger one means that the file is damaged."""
