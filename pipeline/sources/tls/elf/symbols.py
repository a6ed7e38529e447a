"""Functions by name: ``.dynsym`` and ``.symtab`` of an ELF file (gABI, "Symbol Table").

Looks for the strings first, then for the entries that refer to them, in time that grows with the size of the file and no faster,
whatever the file holds.
"""

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile

_SYMBOL = Struct("<IBBHQQ")
_FUNCTION, _INDIRECT = 2, 10
_TABLES = (".dynsym", ".symtab")

MAX_MATCHES = 100_000
"""Places of one text in a string table that are followed up. A Rust program has some thousand names with "rustls" in them."""
MAX_NAME_BYTES = 4096
"""Longer names are not looked at; those of generic functions in C++ and Rust have hundreds of bytes."""


class Function(NamedTuple):
    """One defined function: where it is mapped, and its length (0 where the linker does not know)."""

    name: str
    address: int
    size: int


def functions(elf: ElfFile, names: Iterable[str]) -> dict[str, Function]:
    """Those of these names that the file defines."""
    wanted = list(names)
    found: dict[str, Function] = {}
    for table, strings in _tables(elf):
        # Linkers keep one copy of "SSL_read" and "BIO_SSL_read": a name may be the end of a longer one.
        offsets = {at: name for name in wanted for at in _places(strings, name.encode() + b"\0")}
        for function in _entries(table, offsets):
            found.setdefault(function.name, function)
    return found


def containing(elf: ElfFile, *parts: str) -> list[Function]:
    """Functions whose name holds all of these parts, by address. The first part should be a rare one."""
    first, *others = (part.encode() for part in parts)
    found: dict[int, Function] = {}
    for table, strings in _tables(elf):
        offsets = {}
        for place in _places(strings, first):
            start = strings.rfind(b"\0", max(0, place - MAX_NAME_BYTES), place) + 1
            name = strings[start : strings.find(b"\0", place, place + MAX_NAME_BYTES)]
            if all(part in name for part in others):
                offsets[start] = name.decode("latin-1")
        found |= {function.address: function for function in _entries(table, offsets)}
    return sorted(found.values(), key=lambda function: function.address)


def _tables(elf: ElfFile) -> Iterator[tuple[bytes, bytes]]:
    for name in _TABLES:
        section = elf.sections.get(name)
        if section is not None and section.link < len(elf.numbered):
            yield elf.content(section), elf.content(elf.numbered[section.link])


def _places(strings: bytes, text: bytes) -> Iterator[int]:
    at = strings.find(text)
    for _ in range(MAX_MATCHES):
        if at < 0:
            return
        yield at
        at = strings.find(text, at + 1)
    raise ElfError("one name stands in the string table more often than a linker writes it")


def _entries(table: bytes, offsets: Mapping[int, str]) -> Iterator[Function]:
    """Defined functions whose name begins at one of these offsets."""
    if not offsets:
        return
    whole = len(table) // _SYMBOL.size * _SYMBOL.size
    names = memoryview(table)[:whole].cast("I")[:: _SYMBOL.size // 4]
    for number in [number for number, at in enumerate(names) if at in offsets]:
        at, info, _, section, address, size = _SYMBOL.unpack_from(table, number * _SYMBOL.size)
        if section and info & 15 in {_FUNCTION, _INDIRECT}:
            yield Function(offsets[at], address, size)
