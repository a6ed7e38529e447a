"""Go's own tables: which version built a program, and where its functions are, also where ``strip`` has been.

``.go.buildinfo``: debug/buildinfo. ``.gopclntab``: runtime/symtab.go and debug/gosym, in the layout of Go 1.18 and later, which
the runtime itself needs and every program therefore carries.
"""

import sys
from collections.abc import Iterable, Iterator
from struct import Struct

from pipeline.sources.tls.elf import places
from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile, Section
from pipeline.sources.tls.elf.symbols import Function

_BUILD_INFO = b"\xff Go buildinf:"
_INLINE_STRINGS = 2
_VERSION_AT = 32

_TABLE_NAMES = (".gopclntab", ".data.rel.ro.gopclntab")
"""The second one in position-independent executables."""
_MAGIC_1_18, _MAGIC_1_20 = 0xFFFFFFF0, 0xFFFFFFF1
_REST_OF_MAGIC = b"\0\0\1\x08"
"""Padding, the alignment of instructions on x86-64, and the size of pointers."""
_TABLE = Struct("<IxxBB8Q")
_ENTRY = Struct("<Ii")

BROKEN = "its table of functions (.gopclntab) is broken"

MAX_SHIFT = 64 << 10
FUNCTION_ALIGNMENT = 16
_FIRST_BYTES = {b"\x49\x3b", b"\x4c\x8d"}
"""Of the checks of the stack that ``places`` knows."""

MAX_FUNCTIONS = 1 << 20
"""Kubernetes' largest programs have some 200,000."""


def version(elf: ElfFile) -> str | None:
    """Such as ``go1.21.4``; empty where the program does not tell; None for what Go has not built."""
    section = elf.sections.get(".go.buildinfo")
    if section is None:
        return None
    data = elf.content(section)
    at = data.find(_BUILD_INFO)
    if at < 0 or at + _VERSION_AT >= len(data) or not data[at + 15] & _INLINE_STRINGS:
        return ""  # before Go 1.18
    size, at = _varint(data, at + _VERSION_AT)
    return data[at : at + min(size, 64)].decode("latin-1").split(" ")[0]


def functions(elf: ElfFile, names: Iterable[str]) -> dict[str, Function]:
    """Those of these names that were linked in. Their size includes the padding behind them."""
    section = _table(elf)
    if section.size < _TABLE.size:
        raise ElfError(BROKEN)
    head = elf.read(section.offset, _TABLE.size)
    magic, _, _, count, _, text, names_at, names_end, _, _, table_at = _TABLE.unpack(head)
    if magic not in {_MAGIC_1_18, _MAGIC_1_20}:
        raise ElfError("its table of functions is of a Go before 1.18, or later than what httpipe knows")
    if count > MAX_FUNCTIONS or not names_at <= names_end:
        raise ElfError(BROKEN)
    wanted = _name_offsets(_part(elf, section, names_at, names_end - names_at), names)
    described = _part(elf, section, table_at, section.size - table_at)
    if (2 * count + 1) * 4 > len(described):
        raise ElfError(BROKEN)
    found = list(_look_up(described, count, wanted))
    text = text or _text_start(elf, [function.address for function in found])
    return {function.name: function._replace(address=text + function.address) for function in found}


def _table(elf: ElfFile) -> Section:
    """A section of its own, unless C's linker put it among other constants that are relocated."""
    for name in _TABLE_NAMES:
        if name in elf.sections:
            return elf.sections[name]
    among = elf.sections.get(".data.rel.ro")
    data = elf.content(among) if among is not None else b""
    at = max(data.find(magic.to_bytes(4, "little") + _REST_OF_MAGIC) for magic in (_MAGIC_1_18, _MAGIC_1_20))
    if among is None or at < 0:
        raise ElfError("has no table of its functions (.gopclntab)")
    return among._replace(offset=among.offset + at, size=among.size - at)


def _look_up(table: bytes, count: int, wanted: dict[int, str]) -> Iterator[Function]:
    """Pairs: where each function begins in Go's code, and where in the same table it is described, by the same and its name."""
    pairs = memoryview(table)[: (2 * count + 1) * 4].cast("I")
    for number in range(count):
        described = pairs[2 * number + 1]
        if described + _ENTRY.size > len(table):
            raise ElfError(BROKEN)
        _, name = _ENTRY.unpack_from(table, described)
        if name in wanted:
            start, end = pairs[2 * number], pairs[2 * number + 2]
            yield Function(wanted[name], start, max(0, end - start))


def _part(elf: ElfFile, section: Section, at: int, size: int) -> bytes:
    if size < 0 or at + size > section.size:
        raise ElfError(BROKEN)
    return elf.read(section.offset + at, size)


def _name_offsets(strings: bytes, names: Iterable[str]) -> dict[int, str]:
    places = {name: strings.find(b"\0" + name.encode() + b"\0") for name in names}
    return {at + 1: name for name, at in places.items() if at >= 0}


def _text_start(elf: ElfFile, offsets: list[int]) -> int:
    """Where Go's code begins, which from Go 1.26 on the table does not say.

    That is where the section of code begins, or a little behind it where a C linker put something of its own in front: the one
    place from which every function begins as Go's do.
    """
    section = elf.sections.get(".text")
    if section is None:
        raise ElfError("has no section of code (.text)")
    possible: set[int] | None = None
    for offset in offsets:
        here = set(_beginnings(elf.at(section.address + offset, MAX_SHIFT)))
        possible = here if possible is None else possible & here
    if not possible:
        raise ElfError("its functions are not where its table says")
    if 0 not in possible and (len(possible) > 1 or len(offsets) < 2):
        raise ElfError("where its code begins is not certain")
    return section.address + min(possible)


def _beginnings(code: bytes) -> Iterator[int]:
    for at in range(0, len(code), FUNCTION_ALIGNMENT):
        if code[at : at + 2] in _FIRST_BYTES and places.go_entry(code[at : at + 64]) is not None:
            yield at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number of up to nine bytes, and what is behind it."""
    value = 0
    for shift in range(0, 63, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            break
    return min(value, sys.maxsize), at
