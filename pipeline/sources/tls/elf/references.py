"""Which functions refer to a string: in files without symbols, error messages that name their function tell where it is.

x86-64 only: ``lea reg, [rip + x]``, and ``mov reg, imm32`` in code that is not position-independent.
"""

import bisect
import re
from collections.abc import Iterable, Iterator
from itertools import count

from pipeline.sources.tls.elf import frames
from pipeline.sources.tls.elf.file import MAX_READ_BYTES, ElfFile, Section
from pipeline.sources.tls.elf.symbols import Function

_LEA = re.compile(rb"[\x48\x4c]\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]", re.DOTALL)
_LEA_BYTES = 7
_PIECE = 4 << 20
_OVERLAP = 16

MAX_CODE_BYTES = 256 << 20
"""Half a second of looking. Browsers have 200 MiB."""


def functions(elf: ElfFile, strings: Iterable[str]) -> dict[str, Function]:
    """For each string that exactly one function refers to: that function."""
    code, constants = elf.sections.get(".text"), elf.sections.get(".rodata")
    if code is None or constants is None or code.size > MAX_CODE_BYTES or constants.size > MAX_READ_BYTES:
        return {}
    addresses = _addresses(constants.address, elf.content(constants), strings)
    begin = frames.starts(elf) if addresses else []
    if not begin:
        return {}
    found: dict[str, set[int]] = {}
    for place, name in _references(elf, code, addresses):
        number = bisect.bisect_right(begin, place) - 1
        if number >= 0:
            found.setdefault(name, set()).add(number)
    return {name: _function(begin, numbers.pop(), code) for name, numbers in found.items() if len(numbers) == 1}


def _function(begin: list[int], number: int, code: Section) -> Function:
    end = begin[number + 1] if number + 1 < len(begin) else code.address + code.size
    return Function("", begin[number], max(0, end - begin[number]))


def _addresses(base: int, data: bytes, strings: Iterable[str]) -> dict[int, str]:
    """Where each string is mapped. What is the end of a longer string is not it."""
    places = {name: data.find(b"\0" + name.encode() + b"\0") for name in strings}
    return {base + at + 1: name for name, at in places.items() if at >= 0}


def _references(elf: ElfFile, code: Section, addresses: dict[int, str]) -> Iterator[tuple[int, str]]:
    absolute = {address.to_bytes(4, "little"): name for address, name in addresses.items() if address < 1 << 31}
    for skip in count(0, _PIECE):
        if skip >= code.size:
            return
        piece = elf.read(code.offset + skip, min(_PIECE + _OVERLAP, code.size - skip))
        base = code.address + skip
        for match in _LEA.finditer(piece):
            end = match.start() + _LEA_BYTES
            target = base + end + int.from_bytes(piece[end - 4 : end], "little", signed=True)
            if target in addresses:
                yield base + match.start(), addresses[target]
        for operand, name in absolute.items():
            yield from ((base + at, name) for at in _moves(piece, operand))


def _moves(piece: bytes, operand: bytes) -> Iterator[int]:
    """``mov r32, imm32``: opcodes b8 to bf."""
    at = piece.find(operand, 1)
    while at > 0:
        if piece[at - 1] & 0xF8 == 0xB8:
            yield at
        at = piece.find(operand, at + 1)
