"""The pcapng capture file (draft-ietf-opsawg-pcapng): bytes → frames. Any number of sections and interfaces, both byte orders.

It keeps at most one incomplete block, never looks into a packet, and skips blocks that say nothing of packets. What the capturing
program says it lost is counted.
"""

from collections.abc import Callable, Iterator, Sequence
from struct import Struct

import msgspec

from pipeline.model.records import Captured
from pipeline.sources.files.damage import DamagedInputError
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import MAX_CAPTURED, PACKED_BYTES, Frame, Keep

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6

MAGIC = SECTION_HEADER.to_bytes(4, "big")
"""The block type of a section header reads the same in both byte orders; the magic behind its length tells them apart."""
ORDER_MAGIC = 0x1A2B3C4D

MAX_BLOCK = 16 * 1024 * 1024
"""Libpcap's bound: a block that claims more is damage."""
MAX_NS = (1 << 63) - 1
MAX_INTERFACES = 65_536
POINTER_BYTES = 8

OPTION_END, OPTION_TSRESOL, OPTION_TSOFFSET = 0, 9, 14

OPTION_DROPCOUNT = 4
"""Of an enhanced packet block: packets that were lost since the packet before it of the same interface."""
DROPS = {5: "dropped_by_interface", 7: "dropped_by_os"}
"""Options of an interface statistics block (isb_ifdrop, isb_osdrop) that tell losses since the capture began; their counters."""
MAX_DROPS = 1 << 40
"""A larger number of lost packets, such as all bits set, is none."""
DROPS_UNKNOWN = 0xFFFF
"""An obsolete packet block says so where it does not know."""


class Interface(msgspec.Struct, frozen=True):
    """Where packets of a section were captured: link type, snap length, and how its time stamps count."""

    link_type: int
    snap_length: int
    units_per_second: int = 1_000_000
    offset_ns: int = 0

    @property
    def whole_units_ns(self) -> int:
        """Nanoseconds per unit, 0 where that is not a whole number."""
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
        self.u64 = Struct(order + "Q")
        self.interface = Struct(order + "HHI")
        self.option = Struct(order + "HH")
        self.packet = Struct(order + "IIIIIII")
        self.obsolete = Struct(order + "HHIIII")


ORDERS = (_Order("<"), _Order(">"))


class NextGenerationCapture:
    """One pcapng file, fed in any cut. ``count`` adds to a counter of what the capture lost.

    ``interfaces`` and ``order`` are what is known of a section where it does not begin with its header.
    """

    def __init__(
        self, count: Callable[[str, int], None], interfaces: Sequence[Interface] = (), order: _Order = ORDERS[0]
    ) -> None:
        self._count = count
        self._reported: dict[tuple[int, int], int] = {}
        self.offset = 0
        self.damage: DamagedInputError | None = None
        self.keep: Keep | None = None
        self.interfaces = list(interfaces)
        self._order = order
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

    def segments(self, data: bytes, dissector: Dissector) -> Sequence[Captured]:
        """Their segments."""
        interfaces, order = tuple(self.interfaces), self._order
        block, frames = self.feed(data)
        if self.keep is not None:
            # Not the frames themselves: as tuples they take as much as small packets do.
            more = len(frames) * PACKED_BYTES + len(interfaces) * POINTER_BYTES
            self.keep(block, more, lambda: NextGenerationCapture(_forget, interfaces, order).feed(block)[1])
        return dissector.segments(block, frames)

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
            room = length - captured
            if kind != ENHANCED_PACKET or index >= known or room < 32 or following > len(block):
                break
            if length & 3 or captured > MAX_CAPTURED or u32(block, following - 4)[0] != length:
                break
            unit_ns, offset_ns, link_type = interfaces[index]
            ts_ns = (high << 32 | low) * unit_ns + offset_ns
            if not unit_ns or not 0 <= ts_ns <= MAX_NS:
                ts_ns = self.interfaces[index].nanoseconds(high << 32 | low)
            start = at + 28
            append((ts_ns, start, start + captured, wire_length, link_type, index + 1))
            if room >= 36:
                self._read_packet_options(block, start + captured + (-captured & 3), following - 4)
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
            self._damaged("a packet block that contradicts itself or names no interface", at)
        elif (kind == SIMPLE_PACKET and room >= 4) or (kind == OBSOLETE_PACKET and room >= 20):
            self._read_older_packet(block, kind, body, end, frames)
        elif kind == INTERFACE_DESCRIPTION and room >= 8:
            self._add_interface(block, body, end)
        elif kind == INTERFACE_STATISTICS and room >= 12:
            self._read_statistics(block, body, end)
        elif kind == SECTION_HEADER:
            self.interfaces.clear()
            self._reported.clear()

    def _read_older_packet(self, block: bytes, kind: int, at: int, end: int, frames: list[Frame]) -> None:
        if kind == SIMPLE_PACKET:
            # No time stamp at all: such packets count as captured at the epoch.
            wire_length = self._order.u32.unpack_from(block, at)[0]
            index, drops, high, low, start = 0, 0, 0, 0, at + 4
            snap_length = self.interfaces[0].snap_length if self.interfaces else 0
            captured = min(wire_length, end - start, snap_length or wire_length)
        else:
            index, drops, high, low, captured, wire_length = self._order.obsolete.unpack_from(block, at)
            start = at + 20
        if index >= len(self.interfaces) or captured > MAX_CAPTURED or start + captured > end:
            return self._damaged(f"a packet of interface {index} that claims {captured} captured bytes", at - 8)
        interface = self.interfaces[index]
        ts_ns = interface.nanoseconds(high << 32 | low)
        frames.append((ts_ns, start, start + captured, wire_length, interface.link_type, index + 1))
        return self._lost("dropped_before_packets", 0 if drops == DROPS_UNKNOWN else drops)

    def _add_interface(self, block: bytes, at: int, end: int) -> None:
        """Link type, reserved, snap length, options."""
        if len(self.interfaces) >= MAX_INTERFACES:
            return self._damaged(f"more than {MAX_INTERFACES} interfaces", at - 8)
        link_type, _, snap_length = self._order.interface.unpack_from(block, at)
        units_per_second, offset_ns = 1_000_000, 0
        for code, value in self._options(block, at + 8, end):
            if code == OPTION_TSRESOL and len(value) == 1:
                units_per_second = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == OPTION_TSOFFSET and len(value) == 8:
                order = "little" if self._order is ORDERS[0] else "big"
                offset_ns = int.from_bytes(value, order, signed=True) * 1_000_000_000  # type: ignore[arg-type]
        self.interfaces.append(Interface(link_type, snap_length, units_per_second, offset_ns))
        return None

    def _read_statistics(self, block: bytes, at: int, end: int) -> None:
        """Interface, time stamp, options. A capture may tell its totals more than once: what was not reported yet counts."""
        index = self._order.u32.unpack_from(block, at)[0]
        for code, value in self._options(block, at + 12, end):
            if code in DROPS and len(value) == 8 and index < len(self.interfaces):
                total = self._order.u64.unpack(value)[0]
                reported = self._reported.get((index, code), 0)
                if reported < total < MAX_DROPS:
                    self._reported[index, code] = total
                    self._lost(DROPS[code], total - reported)

    def _read_packet_options(self, block: bytes, at: int, end: int) -> None:
        for code, value in self._options(block, at, end):
            if code == OPTION_DROPCOUNT and len(value) == 8:
                self._lost("dropped_before_packets", self._order.u64.unpack(value)[0])

    def _lost(self, counter: str, packets: int) -> None:
        if 0 < packets < MAX_DROPS:
            self._count(counter, packets)

    def _options(self, block: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Code and value of each."""
        while end - at >= 4:
            code, length = self._order.option.unpack_from(block, at)
            if code == OPTION_END:
                return
            yield code, block[at + 4 : min(end, at + 4 + length)]
            at += 4 + (length + 3 & ~3)


def _forget(counter: str, packets: int) -> None:
    """What was lost is counted when a block is read for the first time."""
