"""One pcapng file on disk: whole blocks after every batch. What goes on with a file is a section of its own."""

import mmap
from collections.abc import Sequence
from importlib.metadata import version

from pipeline.codecs import pcapng
from pipeline.model.packet import Packet
from pipeline.sinks.file.whole_file import WholeFile


class CaptureFile(WholeFile[Sequence[Packet]]):
    """Appends packets."""

    KIND = "a pcapng file"
    _section: pcapng.Section | None = None

    def _beginning(self) -> bytes:
        self._section = pcapng.Section()
        return self._section.beginning(version("httpipe"))

    def _text(self, items: Sequence[Packet]) -> bytes:
        if not items:
            return b""
        begun = self._section is not None
        beginning = b"" if begun else self._beginning()
        return beginning + (self._section or pcapng.Section()).packets(items)

    def _is_ours(self, content: mmap.mmap) -> bool:
        return pcapng.is_ours(content[:64])

    def _behind_last_part(self, content: mmap.mmap) -> int:
        self._section = None  # one begins with the next packets
        end = pcapng.whole_blocks(content)
        self._empty = not end
        return end
