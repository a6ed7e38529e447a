"""An ELF file by its descriptor: headers, sections, and bounded reads.

Comes in: a file descriptor, which stays the caller's. Goes out: sections, segments, bytes; ``ElfError`` for whatever is not a
64-bit little-endian ELF file. Layout: System V gABI, chapters 4 and 5.
"""

import os
from functools import cached_property
from struct import Struct
from typing import NamedTuple

from pipeline.sources.tls.elf.errors import ElfError

MAX_SECTIONS = 4096
"""Executables have some 40; one a function, as object files have, is not what is mapped."""
MAX_SEGMENTS = 256
MAX_READ_BYTES = 64 << 20
"""In one piece. The largest tables that were met (node, Chromium) have 10 MiB."""

_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_HEADER = Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = Struct("<IIQQ8xQ16x")
_SECTION = Struct("<IIQQQQIIQQ")

_PT_LOAD, _PF_X = 1, 1
_NOBITS = 8


class Machine:
    """Values of ``e_machine``."""

    X86_64 = 62
    AARCH64 = 183


class Segment(NamedTuple):
    """What the loader maps (``PT_LOAD``) or reads."""

    type: int
    flags: int
    offset: int
    address: int
    size: int
    """In the file."""

    @property
    def executable(self) -> bool:
        """Holds code."""
        return bool(self.flags & _PF_X)


class Section(NamedTuple):
    """One section; ``link`` is the number of the one that belongs to it."""

    name: str
    type: int
    address: int
    offset: int
    size: int
    link: int


class ElfFile:
    """One file. Whatever it says of itself is checked against its real size."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size
        header = self.read(0, _HEADER.size) if self.size >= _HEADER.size else b""
        if header[: len(_MAGIC)] != _MAGIC:
            raise ElfError("not a 64-bit little-endian ELF file")
        _, self.machine, _, _, segments_at, sections_at, *_ = head = _HEADER.unpack(header)
        segment_bytes, segments, section_bytes, sections, names = head[8:]
        if (segments and segment_bytes != _SEGMENT.size) or (sections and section_bytes != _SECTION.size):
            raise ElfError("table entries of an unknown size")
        if segments > MAX_SEGMENTS or sections > MAX_SECTIONS:
            raise ElfError(f"{segments} segments and {sections} sections are more than a program has")
        table = self.read(segments_at, segments * _SEGMENT.size)
        self.segments = [Segment(*fields) for fields in _SEGMENT.iter_unpack(table)]
        self._loads = [segment for segment in self.segments if segment.type == _PT_LOAD]
        self._sections_at, self._section_count, self._names = sections_at, sections, names

    @cached_property
    def numbered(self) -> list[Section]:
        """Sections in their order; none where they were cut off, which the loader does not mind."""
        table = self.read(self._sections_at, self._section_count * _SECTION.size)
        raw = list(_SECTION.iter_unpack(table))
        if self._names >= len(raw):
            return []
        names = self.read(raw[self._names][4], raw[self._names][5])
        return [Section(_text(names, entry[0]), entry[1], entry[3], entry[4], entry[5], entry[6]) for entry in raw]

    @cached_property
    def sections(self) -> dict[str, Section]:
        """By name; the first of each."""
        return {section.name: section for section in reversed(self.numbered)}

    def read(self, offset: int, size: int) -> bytes:
        """Exactly these bytes."""
        if size > MAX_READ_BYTES:
            raise ElfError(f"a table of {size} bytes is larger than httpipe reads")
        if offset + size > self.size:
            raise ElfError("the file is shorter than its headers claim")
        data = os.pread(self._fd, size, offset)
        if len(data) != size:
            raise ElfError("the file became shorter while it was read")
        return data

    def content(self, section: Section) -> bytes:
        """All of a section."""
        return b"" if section.type == _NOBITS else self.read(section.offset, section.size)

    def at(self, address: int, size: int) -> bytes:
        """Bytes by the address at which they are mapped; fewer where the segment ends."""
        for segment in self._loads:
            if segment.address <= address < segment.address + segment.size:
                skip = address - segment.address
                return self.read(segment.offset + skip, min(size, segment.size - skip))
        raise ElfError(f"nothing of the file is mapped at {address:#x}")

    def offset_of(self, address: int) -> int:
        """Where in the file the code at this address stands; uprobes are placed by it."""
        for segment in self._loads:
            if segment.executable and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise ElfError(f"no code of the file is mapped at {address:#x}")

    @property
    def code(self) -> list[Segment]:
        """Segments that hold code."""
        return [segment for segment in self._loads if segment.executable]


def _text(strings: bytes, at: int) -> str:
    end = strings.find(b"\0", at)
    return strings[at : end if end >= 0 else None].decode("latin-1")
