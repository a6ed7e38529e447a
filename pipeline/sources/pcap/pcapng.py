"""The pcapng capture file (draft-ietf-opsawg-pcapng): bytes → frames. Any number of sections and interfaces, both byte orders.

It keeps at most one incomplete block, never looks into a packet, and skips blocks that hold no packet.
"""

from dataclasses import dataclass
from struct import Struct

from pipeline.sources.files.damage import DamagedInputError
from pipeline.sources.pcap.frames import MAX_CAPTURED, Frame

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
ENHANCED_PACKET = 6

MAGIC = SECTION_HEADER.to_bytes(4, "big")
"""The block type of a section header reads the same in both byte orders; the magic behind its length tells them apart."""
ORDER_MAGIC = 0x1A2B3C4D

MAX_BLOCK = 16 * 1024 * 1024
"""Libpcap's bound: a block that claims more is damage."""
MAX_NS = (1 << 63) - 1
MAX_INTERFACES = 65_536

OPTION_END, OPTION_TSRESOL, OPTION_TSOFFSET = 0, 9, 14


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets of a section were captured: link type, snap length, and how its time stamps count."""

    link_type: int
    snap_length: int
    units_per_second: int = 1_000_000
    offset_ns: int = 0

    @property
    def whole_units_ns(self) -> int:
        """Nanoseconds per unit, 0 where that is no whole number."""
        unit_ns, rest = divmod(1_000_000_000, self.units_per_second)
        return 0 if rest else unit_ns

    def nanoseconds(self, units: int) -> int:
        """A time stamp in nanoseconds since 1970-01-01 UTC; one that claims a time beyond 2262 is as good as none."""
        ns = units * 1_000_000_000 // self.units_per_second + self.offset_ns
        return ns if 0 <= ns <= MAX_NS else 0


class _Order:
    """The structures of a byte order."""

    def __init__(self, order: str) -> None:
        self.prefix = order
        self.u32 = Struct(order + "I")
        self.block = Struct(order + "II")
        self.interface = Struct(order + "HHI")
        self.option = Struct(order + "HH")
        self.packet = Struct(order + "IIIIIII")
        self.obsolete = Struct(order + "HHIIII")


ORDERS = (_Order("<"), _Order(">"))


class NextGenerationCapture:
    """One pcapng file, fed in any cut."""

    def __init__(self) -> None:
        self.offset = 0
        self.damage: DamagedInputError | None = None
        self.interfaces: list[Interface] = []
        self._order = ORDERS[0]
        self._rest = b""

    def feed(self, data: bytes) -> tuple[bytes, list[Frame]]:
        """The frames that are complete now, and the block of bytes that their offsets refer to."""
        block = self._rest + data if self._rest else data
        frames: list[Frame] = []
        at, size = 0, len(block)
        while self.damage is None and size - at >= 12:
            at = self._packets(block, at, frames)
            if size - at < 12:
                break
            if block[at : at + 4] == MAGIC:
                self._begin_section(block, at)
            kind, length = self._order.block.unpack_from(block, at)
            if length < 12 or length & 3 or length > MAX_BLOCK:
                self._damaged(f"a block that claims a length of {length}", at)
            if self.damage or at + length > size:
                break
            if self._order.u32.unpack_from(block, at + length - 4)[0] != length:
                self._damaged("a block whose two lengths differ", at)
                break
            self._read(block, kind, at, at + length - 4, frames)
            at += length
        self._rest = block[at:]
        self.offset += at
        return block, frames

    def finish(self) -> None:
        """No more bytes will come: sets ``damage`` when a block is incomplete."""
        if self._rest and self.damage is None:
            self._damaged(f"the last block is cut off, only {len(self._rest)} bytes of it are there,", 0)

    def _packets(self, block: bytes, at: int, frames: list[Frame]) -> int:
        """The enhanced packet blocks from here on that are whole and sound: nearly all of a file. Returns where they end."""
        append, unpack_from, u32 = frames.append, self._order.packet.unpack_from, self._order.u32.unpack_from
        interfaces = [(one.whole_units_ns, one.offset_ns, one.link_type) for one in self.interfaces]
        known, last = len(interfaces), len(block) - 32
        while at <= last:
            kind, length, index, high, low, captured, wire_length = unpack_from(block, at)
            following = at + length
            if kind != ENHANCED_PACKET or index >= known or captured + 32 > length or following > len(block):
                break
            if length & 3 or captured > MAX_CAPTURED or u32(block, following - 4)[0] != length:
                break
            unit_ns, offset_ns, link_type = interfaces[index]
            ts_ns = (high << 32 | low) * unit_ns + offset_ns
            if not unit_ns or not 0 <= ts_ns <= MAX_NS:
                ts_ns = self.interfaces[index].nanoseconds(high << 32 | low)
            start = at + 28
            append((ts_ns, start, start + captured, wire_length, link_type, index + 1))
            at = following
        return at

    def _damaged(self, problem: str, at: int) -> None:
        self.damage = DamagedInputError(problem, self.offset + at)

    def _begin_section(self, block: bytes, at: int) -> None:
        """Each section has its own byte order and interfaces."""
        for order in ORDERS:
            if order.u32.unpack_from(block, at + 8)[0] == ORDER_MAGIC:
                self._order = order
                return
        self._damaged("a section header of no known byte order", at)

    def _read(self, block: bytes, kind: int, at: int, end: int, frames: list[Frame]) -> None:
        """One whole block; ``end`` is where its body ends."""
        body, room = at + 8, end - at - 8
        if kind == ENHANCED_PACKET:  # one that ``_packets`` did not take
            return self._damaged("a packet block that contradicts itself or names no interface", at)
        if kind == SIMPLE_PACKET and room >= 4:
            # No time stamp at all: such packets count as captured at the epoch.
            wire_length = self._order.u32.unpack_from(block, body)[0]
            index, high, low, start = 0, 0, 0, body + 4
            snap_length = self.interfaces[0].snap_length if self.interfaces else 0
            captured = min(wire_length, room - 4, snap_length or wire_length)
        elif kind == OBSOLETE_PACKET and room >= 20:
            index, _, high, low, captured, wire_length = self._order.obsolete.unpack_from(block, body)
            start = body + 20
        elif kind == INTERFACE_DESCRIPTION and room >= 8:
            return self._add_interface(block, body, end)
        elif kind == SECTION_HEADER:
            return self.interfaces.clear()
        else:
            return None
        if index >= len(self.interfaces) or captured > MAX_CAPTURED or start + captured > end:
            return self._damaged(f"a packet of interface {index} that claims {captured} captured bytes", at)
        interface = self.interfaces[index]
        ts_ns = interface.nanoseconds(high << 32 | low)
        frames.append((ts_ns, start, start + captured, wire_length, interface.link_type, index + 1))
        return None

    def _add_interface(self, block: bytes, at: int, end: int) -> None:
        """Link type, reserved, snap length, options."""
        if len(self.interfaces) >= MAX_INTERFACES:
            return self._damaged(f"more than {MAX_INTERFACES} interfaces", at - 8)
        link_type, _, snap_length = self._order.interface.unpack_from(block, at)
        units_per_second, offset_ns = 1_000_000, 0
        at += 8
        while end - at >= 4:
            code, length = self._order.option.unpack_from(block, at)
            value = block[at + 4 : at + 4 + length]
            if code == OPTION_END:
                break
            if code == OPTION_TSRESOL and length == 1:
                units_per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == OPTION_TSOFFSET and length == 8:
                order = "little" if self._order is ORDERS[0] else "big"
                offset_ns = int.from_bytes(value, order, signed=True) * 1_000_000_000  # type: ignore[arg-type]
            at += 4 + (length + 3 & ~3)
        self.interfaces.append(Interface(link_type, snap_length, units_per_second, offset_ns))
        return None
