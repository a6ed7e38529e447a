"""A capture in any container → batches of TCP segments: push bytes in, take lists out. Synchronous, no I/O of its own.

The first bytes tell the container: classic pcap in six variants or pcapng.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.model.records import Segment
from pipeline.sources.pcap.classic import FILE_HEADER_BYTES, FORMATS, ClassicCapture
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Container, DamagedCapture

READ_BYTES = 128 * 1024
"""One read is one batch: some hundred packets, less than a millisecond of work."""


class CaptureReader:
    """One capture, fed in any cut. ``damage`` is set where it cannot be understood any further."""

    def __init__(self, dissector: Dissector | None = None) -> None:
        self.dissector = dissector or Dissector()
        self.damage: DamagedCapture | None = None
        self._container: Container | None = None
        self._head = b""

    def feed(self, data: bytes) -> list[Segment]:
        """The segments that are complete now."""
        if self._container is None:
            self._head += data
            if len(self._head) < FILE_HEADER_BYTES:
                return []
            if self._head[:4] not in FORMATS:
                self.damage = DamagedCapture("not a capture file", 0)
                return []
            self._container = ClassicCapture(self._head[:FILE_HEADER_BYTES])
            data, self._head = self._head[FILE_HEADER_BYTES:], b""
        block, frames = self._container.feed(data)
        self.damage = self._container.damage
        return self.dissector.segments(block, frames)

    def finish(self) -> None:
        """No more bytes will come: sets ``damage`` when the capture ends within a record."""
        if self._container is None:
            self.damage = DamagedCapture("not a capture file: too short", 0)
        else:
            self._container.finish()
            self.damage = self._container.damage


def read_segments(path: Path | str) -> Iterator[list[Segment]]:
    """The segments of a capture file, for tests and tools. Raises ``DamagedCapture`` behind the last good packet."""
    reader = CaptureReader()
    with Path(path).open("rb") as file:
        while data := file.read(READ_BYTES):
            yield reader.feed(data)
            if reader.damage:
                raise reader.damage
    reader.finish()
    if reader.damage:
        raise reader.damage
