"""The classic capture file (draft-ietf-opsawg-pcap): bytes → frames. Both byte orders, micro- and nanoseconds.

It never looks into a packet and never keeps more than one incomplete record.
"""

from collections.abc import Sequence
from struct import Struct

from pipeline import native
from pipeline.model.records import Captured, Segment
from pipeline.sources.files.damage import DamagedInputError
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import MAX_CAPTURED, PACKED_BYTES, Frame, Keep

FILE_HEADER_BYTES = 24

FORMATS: dict[bytes, tuple[str, int, int]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    # Kuznetzov's patched libpcap of old Red Hat systems: eight more bytes (interface, protocol, type) in each record header.
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),
}
"""Magic number → byte order, nanoseconds per unit of the fraction, length of a record header."""


class ClassicCapture:
    """One classic capture file, fed in any cut."""

    def __init__(self, header: bytes) -> None:
        """``header`` is the file header, ``FILE_HEADER_BYTES`` long, its magic number one of ``FORMATS``."""
        order, self._unit_ns, self._header_bytes = FORMATS[header[:4]]
        self._big_endian = order == ">"
        # The upper 16 bits hold the length of a frame check sequence and flags.
        self.link_type = Struct(order + "I").unpack_from(header, 20)[0] & 0xFFFF
        self._record = Struct(order + "IIII")
        self._rest = b""
        self.offset = FILE_HEADER_BYTES
        self.damage: DamagedInputError | None = None
        self.keep: Keep | None = None

    def feed(self, data: bytes) -> tuple[bytes, list[Frame]]:
        """The frames that are complete now, and the block that their offsets refer to."""
        block = self._rest + data if self._rest else data
        frames, at, claimed = self.frames(block)
        if claimed is not None:
            self.damage = _too_large(claimed, self.offset + at)
        self._rest = block[at:]
        self.offset += at
        return block, frames

    def frames(self, block: bytes) -> tuple[list[Frame], int, int | None]:
        """Those that are whole in a block, how far that is, and how many bytes the packet behind them claims, if too many."""
        frames: list[Frame] = []
        claimed = None
        append, unpack_from = frames.append, self._record.unpack_from
        unit_ns, header_bytes, link_type = self._unit_ns, self._header_bytes, self.link_type
        size = len(block)
        last = size - header_bytes
        at = second = second_ns = 0
        while at <= last:
            seconds, fraction, captured, wire_length = unpack_from(block, at)
            start = at + header_bytes
            end = start + captured
            if end > size:
                if captured > MAX_CAPTURED:
                    claimed = captured
                break
            if seconds != second:  # many packets share theirs
                second, second_ns = seconds, seconds * 1_000_000_000
            append((second_ns + fraction * unit_ns, start, end, wire_length, link_type, 0))
            at = end
        return frames, at, claimed

    def segments(self, data: bytes, dissector: Dissector) -> Sequence[Captured]:
        """The segments of the frames that are complete now."""
        if native.lane is None or dissector.quic:
            block, frames = self.feed(data)
            self._kept(block, len(frames))
            return dissector.segments(block, frames)
        block = self._rest + data if self._rest else data
        found: Sequence[Segment]
        found, at, packets, claimed = native.lane.classic(
            block, self._big_endian, self._unit_ns, self._header_bytes, self.link_type, dissector.by_layers
        )
        self._kept(block, packets)
        dissector.count("packets", packets)
        if claimed is not None:
            self.damage = _too_large(claimed, self.offset + at)
        self._rest = block[at:]
        self.offset += at
        return found

    def _kept(self, block: bytes, packets: int) -> None:
        if self.keep is not None:
            self.keep(block, packets * PACKED_BYTES, lambda: self.frames(block)[0])

    def finish(self) -> None:
        """No more bytes will come: sets ``damage`` when a record is incomplete."""
        if self._rest and self.damage is None:
            self.damage = DamagedInputError(
                f"the last packet is cut off, only {len(self._rest)} bytes of it are there,", self.offset
            )


def _too_large(captured: int, offset: int) -> DamagedInputError:
    return DamagedInputError(f"a packet that claims {captured} captured bytes (at most {MAX_CAPTURED} are possible)", offset)
