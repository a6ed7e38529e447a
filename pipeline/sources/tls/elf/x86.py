"""x86-64 instructions: how long each is, and as much of what it does as placing a probe needs.

Lengths by the opcode maps of Intel's Software Developer's Manual, volume 2, appendix A; checked against objdump on whole
libraries (tests/tls). Whatever is not certain is answered with "not known", because a breakpoint within an instruction ends the
program that runs into it.
"""

from collections.abc import Iterator
from typing import NamedTuple

PREFIXES = frozenset(b"\x66\x67\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65")
LONGEST = 15

ENDBR64 = b"\xf3\x0f\x1e\xfa"

# Immediates beyond plain byte counts.
_Z, _REL32, _V, _OFFSET, _IMM24 = 4, 5, 8, 9, 3
"""2 or 4 bytes by operand size; always 4; up to 8 by operand size; an address; 2 + 1."""

_Entry = tuple[bool, int]
"""Whether a ModRM byte follows, and which immediate."""


def _one_byte() -> list[_Entry | None]:
    table: list[_Entry | None] = [(False, 0)] * 256
    for op in range(0x40):
        table[op] = ((True, 0), (True, 0), (True, 0), (True, 0), (False, 1), (False, _Z), None, None)[op & 7]
    for op in (*range(0x60, 0x63), 0x64, 0x65, 0x66, 0x67, 0x82, 0x9A, 0xCE, 0xD4, 0xD5, 0xD6, 0xEA):
        table[op] = None
    for ops, entry in (
        ((0x63, *range(0x80, 0x90), *range(0xD0, 0xD4), *range(0xD8, 0xE0), 0xF6, 0xF7, 0xFE, 0xFF), (True, 0)),
        ((0x68, 0xA9), (False, _Z)),
        ((0x69, 0x81, 0xC7), (True, _Z)),
        ((0x6A, *range(0x70, 0x80), 0xA8, *range(0xB0, 0xB8), 0xCD, *range(0xE0, 0xE8), 0xEB), (False, 1)),
        ((0x6B, 0x80, 0x83, 0xC0, 0xC1, 0xC6), (True, 1)),
        (range(0xA0, 0xA4), (False, _OFFSET)),
        (range(0xB8, 0xC0), (False, _V)),
        ((0xC2, 0xCA), (False, 2)),
        ((0xC8,), (False, _IMM24)),
        ((0xE8, 0xE9), (False, _REL32)),
    ):
        for op in ops:
            table[op] = entry
    table[0x82] = None
    return table


def _two_bytes() -> list[_Entry]:
    table: list[_Entry] = [(True, 0)] * 256
    none = (5, 6, 7, 8, 9, 0x0B, 0x0E, *range(0x30, 0x38), 0x77, 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, *range(0xC8, 0xD0))
    byte = (0x0F, 0x70, 0x71, 0x72, 0x73, 0xA4, 0xAC, 0xBA, 0xC2, 0xC4, 0xC5, 0xC6)
    for ops, entry in ((none, (False, 0)), (byte, (True, 1)), (range(0x80, 0x90), (False, _REL32))):
        for op in ops:
            table[op] = entry
    return table


_ONE, _TWO = _one_byte(), _two_bytes()


def length(code: bytes, at: int) -> int:
    """Bytes of the instruction at ``at``; 0 where there is none, or its end is missing."""
    try:
        size = _end(code, at) - at
    except IndexError:
        return 0
    return size if 0 < size <= LONGEST and at + size <= len(code) else 0


def _end(code: bytes, at: int) -> int:
    start, small, short = at, False, False
    while code[at] in PREFIXES:
        small |= code[at] == 0x66
        short |= code[at] == 0x67
        at += 1
    rex = code[at] if code[at] & 0xF0 == 0x40 else 0
    at += bool(rex)
    opcode, entry, at = _operation(code, at)
    if entry is None:
        return start
    modrm, immediate = entry
    if modrm:
        if opcode in {0xF6, 0xF7} and code[at] >> 3 & 7 < 2:  # TEST has an immediate, the others of its group none
            immediate = 1 if opcode == 0xF6 else _Z
        at = _behind_modrm(code, at)
    return at + _immediate_bytes(immediate, wide=bool(rex & 8), small=small, short=short)


def _operation(code: bytes, at: int) -> tuple[int, _Entry | None, int]:
    """Opcode (0 beyond the first map), what follows it, and where."""
    opcode = code[at]
    if opcode in {0xC4, 0xC5, 0x62}:  # VEX and EVEX; in 64-bit code they are nothing else
        return 0, *_vector(code, at)
    if opcode == 0x8F and code[at + 1] & 0x38:  # AMD's XOP, which no code generator writes any more
        return opcode, None, at
    if opcode != 0x0F:
        return opcode, _ONE[opcode], at + 1
    opcode = code[at + 1]
    if opcode in {0x38, 0x3A}:
        return 0, (True, int(opcode == 0x3A)), at + 3
    return 0, _TWO[opcode], at + 2


def _vector(code: bytes, at: int) -> tuple[_Entry, int]:
    kind = code[at]
    table, behind = {0xC5: (1, 2), 0xC4: (code[at + 1] & 31, 3), 0x62: (code[at + 1] & 7, 4)}[kind]
    opcode = code[at + behind]
    if table == 3:
        return (True, 1), at + behind + 1
    if table == 1 and opcode == 0x77 and kind != 0x62:  # VZEROUPPER
        return (False, 0), at + behind + 1
    return (True, int(table == 1 and _TWO[opcode][1] == 1)), at + behind + 1


def _behind_modrm(code: bytes, at: int) -> int:
    mode, base = code[at] >> 6, code[at] & 7
    at += 1
    if mode == 3:
        return at
    if base == 4:
        base = code[at] & 7 if mode == 0 else 0
        at += 1
    if mode == 0:
        return at + 4 * (base == 5)
    return at + (1 if mode == 1 else 4)


def _immediate_bytes(immediate: int, *, wide: bool, small: bool, short: bool) -> int:
    match immediate:
        case 4:  # _Z
            return 2 if small and not wide else 4
        case 5:  # _REL32
            return 4
        case 8:  # _V
            return 8 if wide else 2 if small else 4
        case 9:  # _OFFSET
            return 4 if short else 8
    return immediate


class Instruction(NamedTuple):
    """One instruction: where it stands in its function, and its bytes without prefixes that change nothing here."""

    at: int
    size: int
    rex: int
    opcode: int
    """Of the first map; 0x0f00 and more of the second; 0 for others."""
    operands: bytes
    prefixed: bool
    """Has another prefix than REX, ``notrack`` or ``bnd``."""

    @property
    def target(self) -> int | None:
        """Where a direct jump or call goes, as an offset into the function."""
        if self.opcode in {0xE8, 0xE9} or 0x0F80 <= self.opcode < 0x0F90:
            return self.at + self.size + int.from_bytes(self.operands[:4], "little", signed=True)
        if self.opcode == 0xEB or 0x70 <= self.opcode < 0x80 or 0xE0 <= self.opcode < 0xE4:
            return self.at + self.size + int.from_bytes(self.operands[:1], "little", signed=True)
        return None

    @property
    def returns(self) -> bool:
        """RET."""
        return self.opcode in {0xC3, 0xC2}

    @property
    def jumps(self) -> bool:
        """JMP or Jcc, direct or not."""
        if self.opcode == 0xFF:
            return self.operands[0] >> 3 & 7 in {4, 5}
        return self.target is not None and self.opcode != 0xE8

    @property
    def goes_on(self) -> bool:
        """Whether the next instruction can be the next in memory."""
        indirect = self.opcode == 0xFF and self.operands[0] >> 3 & 7 in {4, 5}
        return not (self.returns or indirect or self.opcode in {0xE9, 0xEB, 0x0F0B})

    @property
    def emulated(self) -> bool:
        """Whether the kernel acts for it at a probe instead of single-stepping a copy: 0.5 µs against 10.

        arch/x86/kernel/uprobes.c: PUSH of a register, direct CALL, JMP and Jcc. NOP too, but recent kernels put a call in its
        place, which a program that jumps into the middle would not survive.
        """
        if self.prefixed:
            return False
        if 0x50 <= self.opcode < 0x58:
            return True
        return self.opcode in {0xE8, 0xE9, 0xEB} or 0x70 <= self.opcode < 0x80 or 0x0F80 <= self.opcode < 0x0F90


def instructions(code: bytes) -> Iterator[Instruction]:
    """One after the other until the first that cannot be read. Whoever needs all of them looks where the last one ends."""
    at = 0
    while at < len(code):
        size = length(code, at)
        if not size:
            return
        yield _instruction(code, at, size)
        at += size


def _instruction(code: bytes, at: int, size: int) -> Instruction:
    place, prefixed = at, False
    while code[place] in PREFIXES:
        prefixed |= code[place] not in {0x3E, 0xF2}
        place += 1
    rex = code[place] if code[place] & 0xF0 == 0x40 else 0
    place += bool(rex)
    opcode = code[place]
    if opcode == 0x0F:
        place += 1
        opcode = 0x0F00 | code[place]
    elif opcode in {0xC4, 0xC5, 0x62}:
        opcode = 0
    return Instruction(at, size, rex, opcode, code[place + 1 : at + size], prefixed)
