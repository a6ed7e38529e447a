"""A frame: where one captured packet lies in a block of bytes. Container formats make them, the dissector reads them.

A plain tuple, since there is one per packet and building any richer object costs more than reading the packet:
``(ts_ns, start, end, wire_length, link_type, interface)``. ``start`` and ``end`` are offsets of the captured bytes in the
block, ``wire_length`` is how long the packet was before a snap length cut it, ``link_type`` is a LINKTYPE value of the
tcpdump.org registry, ``interface`` the index of the capturing interface from 1, 0 where the format does not tell.
"""

from collections.abc import Callable, Sequence

Frame = tuple[int, int, int, int, int, int]

Keep = Callable[[bytes, Callable[[], Sequence[Frame]]], None]
"""Is given each block that was understood, and what finds the frames in it."""

MAX_CAPTURED = 262_144
"""Largest captured length that is believed: libpcap's MAXIMUM_SNAPLEN. A larger one means that the file is damaged."""
