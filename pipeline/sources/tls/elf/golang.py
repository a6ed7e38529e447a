"""Go's own tables: which version built a program, and where its functions are, also where ``strip`` has been.

``.go.buildinfo``: debug/buildinfo. ``.gopclntab``: runtime/symtab.go and debug/gosym, in the layout of Go 1.18 and later, which
the runtime itself needs and every program therefore carries.
"""

import sys
from collections.abc import Iterable, Iterator
from struct import Struct

from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile, Section
from pipeline.sources.tls.elf.symbols import Function

_BUILD_INFO = b"\xff Go buildinf:"
_INLINE_STRINGS = 2
_VERSION_AT = 32

_TABLE_NAMES = (".gopclntab", ".data.rel.ro.gopclntab")
"""The second one in position-independent executables."""
_MAGIC_1_18, _MAGIC_1_20 = 0xFFFFFFF0, 0xFFFFFFF1
_TABLE = Struct("<IxxBB8Q")
_ENTRY = Struct("<Ii")

BROKEN = "its table of functions (.gopclntab) is broken"

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
    section = next((elf.sections[name] for name in _TABLE_NAMES if name in elf.sections), None)
    if section is None:
        raise ElfError("has no table of its functions (.gopclntab)")
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
    return dict(_look_up(described, count, text or _text_start(elf), wanted))


def _look_up(table: bytes, count: int, text: int, wanted: dict[int, str]) -> Iterator[tuple[str, Function]]:
    """Pairs: where each function begins, and where in the same table it is described, by the same and its name."""
    pairs = memoryview(table)[: (2 * count + 1) * 4].cast("I")
    for number in range(count):
        described = pairs[2 * number + 1]
        if described + _ENTRY.size > len(table):
            raise ElfError(BROKEN)
        _, name = _ENTRY.unpack_from(table, described)
        if name in wanted:
            start, end = pairs[2 * number], pairs[2 * number + 2]
            yield wanted[name], Function(wanted[name], text + start, max(0, end - start))


def _part(elf: ElfFile, section: Section, at: int, size: int) -> bytes:
    if size < 0 or at + size > section.size:
        raise ElfError(BROKEN)
    return elf.read(section.offset + at, size)


def _name_offsets(strings: bytes, names: Iterable[str]) -> dict[int, str]:
    places = {name: strings.find(b"\0" + name.encode() + b"\0") for name in names}
    return {at + 1: name for name, at in places.items() if at >= 0}


def _text_start(elf: ElfFile) -> int:
    """Where the table does not say it (Go 1.26 and later): the section, else the first segment of code."""
    section = elf.sections.get(".text")
    if section is not None:
        return section.address
    if not elf.code:
        raise ElfError("has no code")
    return elf.code[0].address


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
