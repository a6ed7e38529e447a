"""Where functions begin, in a file without symbols: by its unwind tables, which ``strip`` leaves.

``.eh_frame``: Linux Standard Base Core, "Exception Frames"; ``.eh_frame_hdr``: the same, sorted. Only the pointer encodings that
compilers use are known: program-counter relative or section relative, four bytes, signed.
"""

from struct import Struct

from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile, Section

_ENTRY = Struct("<II")
_POINTER = Struct("<i")
_TABLE_ENCODINGS = b"\x03\x3b"  # udata4 for the count, datarel | sdata4 for the entries
_HEADER_BYTES = 12
_MAX_TERMINATORS = 1000


def starts(elf: ElfFile) -> list[int]:
    """Addresses of functions, ascending; empty where the file has no such table."""
    header = elf.sections.get(".eh_frame_hdr")
    if header is not None and header.size >= _HEADER_BYTES:
        return _by_header(header, elf.content(header))
    frames = elf.sections.get(".eh_frame")  # static executables have no header
    return _by_frames(frames, elf.content(frames)) if frames is not None else []


def _by_header(section: Section, data: bytes) -> list[int]:
    if data[2:4] != _TABLE_ENCODINGS:
        return []
    count = int.from_bytes(data[8:12], "little")
    if _HEADER_BYTES + 8 * count > len(data):
        raise ElfError("its table of functions (.eh_frame_hdr) is broken")
    pairs = memoryview(data)[_HEADER_BYTES : _HEADER_BYTES + 8 * count].cast("i")
    return sorted(section.address + start for start in pairs[::2])


def _by_frames(section: Section, data: bytes) -> list[int]:
    found, at, terminators = [], 0, 0
    while at + 12 <= len(data) and terminators < _MAX_TERMINATORS:
        size, back = _ENTRY.unpack_from(data, at)
        if size == 0:  # static executables have one in the middle
            at += 4
            terminators += 1
            continue
        if back:  # else it is a CIE, what several functions share
            found.append(section.address + at + 8 + _POINTER.unpack_from(data, at + 8)[0])
        at += 4 + size
    return sorted(found)
