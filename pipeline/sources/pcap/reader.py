"""A capture as bytes in any cut → lists of TCP segments. Synchronous; it never opens or reads anything itself.

The first bytes tell the compression (none, gzip, zstd) and the container (classic pcap in six variants, pcapng).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pipeline.model.records import Captured, Segment
from pipeline.sources.files.damage import DamagedInputError
from pipeline.sources.files.inflate import Inflater, inflater_for
from pipeline.sources.files.inputs import READ_BYTES
from pipeline.sources.pcap import pcapng
from pipeline.sources.pcap.classic import FILE_HEADER_BYTES, FORMATS, ClassicCapture
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Frame, Keep
from pipeline.sources.pcap.layers.packet import LINK_TYPES


class Container(Protocol):
    """A container format: bytes in any cut → frames."""

    offset: int
    """Bytes of the data that were understood so far."""

    damage: DamagedInputError | None
    """Set by ``feed`` when what follows ``offset`` cannot be understood; the frames it returned come before the damage."""

    keep: Keep | None
    """Set where blocks are kept."""

    def feed(self, data: bytes) -> tuple[bytes, list[Frame]]:
        """The frames that are complete now, and the block that their offsets refer to."""

    def segments(self, data: bytes, dissector: Dissector) -> Sequence[Captured]:
        """Their segments."""

    def finish(self) -> None:
        """No more bytes will come: sets ``damage`` when a record is incomplete."""


class CaptureReader:
    """One capture, fed in any cut.

    ``damage`` is set where it cannot be understood any further; what came before has been handed out then. ``first_ns`` is the
    time of the first packet, where frames are asked for. ``keep`` is given what segments were found in.
    """

    def __init__(self, dissector: Dissector | None = None, keep: Keep | None = None) -> None:
        self._keep = keep
        self.dissector = dissector or Dissector()
        self.damage: DamagedInputError | None = None
        self.first_ns: int | None = None
        self._inflater: Inflater | None = None
        self._container: Container | None = None
        self._compressed_head = b""
        self._head = b""

    @property
    def begun(self) -> bool:
        """True once the header of a capture was seen."""
        return self._container is not None

    def feed(self, data: bytes) -> Iterator[Sequence[Captured]]:
        """The segments that are complete now, a sequence for each bounded piece of the capture."""
        for container, piece in self._pieces(data):
            yield container.segments(piece, self.dissector)
            self.damage = container.damage

    def frames(self, data: bytes) -> Iterator[tuple[bytes, list[Frame]]]:
        """The packets that are complete now, undissected: a block and where they lie in it."""
        for container, piece in self._pieces(data):
            block, frames = container.feed(piece)
            self.damage = container.damage
            if frames and self.first_ns is None:
                self.first_ns = frames[0][0]
            yield block, frames

    def _pieces(self, data: bytes) -> Iterator[tuple[Container, bytes]]:
        """Bounded pieces of the uncompressed capture, behind its header, each for the container."""
        if self._inflater is None:
            data = self._compressed_head = self._compressed_head + data
            if len(data) < 4:
                return
            self._inflater = inflater_for(data[:4])
            self._compressed_head = b""
        try:
            for piece in self._inflater.feed(data):
                if self.damage:
                    return
                contents = self._contents(piece)
                if self._container is not None:
                    yield self._container, contents
        except DamagedInputError as damage:
            self.damage = damage

    def finish(self) -> None:
        """No more bytes will come: sets ``damage`` when the capture ends within a record."""
        if self.damage:
            return
        if self._container is None:
            self.damage = _not_a_capture(self._compressed_head + self._head)
            return
        self._container.finish()
        self.damage = self._container.damage
        try:
            if self._inflater is not None:
                self._inflater.finish()
        except DamagedInputError as damage:
            self.damage = damage

    def _contents(self, piece: bytes) -> bytes:
        """What of the next bytes of the uncompressed capture is for its container, which their first ones tell."""
        if self._container is None:
            piece = self._head = self._head + piece
            if len(piece) < FILE_HEADER_BYTES:
                return b""
            self._head = b""
            self._container, piece = _open(piece, self.dissector.count)
            self._container.keep = self._keep
        return piece


def _open(data: bytes, count: Callable[[str, int], None]) -> tuple[Container, bytes]:
    """The container that data begins with, and the data behind what this has read of it."""
    if data[:4] == pcapng.MAGIC:
        return pcapng.NextGenerationCapture(count), data
    if data[:4] not in FORMATS:
        raise _not_a_capture(data)
    capture = ClassicCapture(data[:FILE_HEADER_BYTES])
    if capture.link_type not in LINK_TYPES:
        known = ", ".join(map(str, sorted(LINK_TYPES)))
        raise DamagedInputError(f"link type {capture.link_type} is not one that httpipe reads ({known}), declared", 20)
    return capture, data[FILE_HEADER_BYTES:]


def _not_a_capture(data: bytes) -> DamagedInputError:
    if not data:
        return DamagedInputError("empty, there should be a pcap or pcapng header", 0)
    if data[:4] in (pcapng.MAGIC, *FORMATS):
        return DamagedInputError(f"cut off within its header: only {len(data)} bytes of it are there", len(data))
    known = "pcap and pcapng, also compressed with gzip or zstd"
    return DamagedInputError(f"not a capture file: it begins with {data[:4]!r}; httpipe reads {known}", 0)


def read_segments(path: Path | str) -> Iterator[list[Segment]]:
    """The segments of a capture file, for tests and tools. Raises ``DamagedInputError`` behind the last good packet."""
    reader = CaptureReader()
    with Path(path).open("rb") as file:
        while (data := file.read(READ_BYTES)) and not reader.damage:
            yield from ([each for each in found if isinstance(each, Segment)] for found in reader.feed(data))
    reader.finish()
    if reader.damage:
        raise reader.damage
