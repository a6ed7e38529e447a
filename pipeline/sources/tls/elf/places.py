"""Where in a function a probe is cheap and right.

That is the first instruction that the kernel emulates and that each call passes once, while the arguments are still where the
caller put them; and the RETs.

Comes in: the code of one x86-64 function. Goes out: offsets into it. Where nothing else is certain: the entry, which always is.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.sources.tls.elf.x86 import ENDBR64, Instruction, instructions

MAX_INSTRUCTIONS = 12
"""Of a prologue. Compilers put the first PUSH, CALL or jump there, or the function has none."""

_RSP = 4
_ARGUMENTS = frozenset({7, 6, 2, 1, 8})
"""rdi, rsi, rdx, rcx, r8 by their numbers (System V ABI)."""

_WRITES_RM = frozenset({0x89, 0x8B, 0x01, 0x29, 0x31, 0x09, 0x21, 0x81, 0x83, 0xC7})
_WRITES_REG = frozenset({0x8B, 0x8D, 0x03, 0x2B, 0x33, 0x0B, 0x23, 0x63, 0x0FB6, 0x0FB7, 0x0FBE, 0x0FBF})
_WRITES_NOTHING = frozenset({0x38, 0x39, 0x3A, 0x3B, 0x84, 0x85, 0x0F1F})
_COMPARE, _TEST = 7, 0
_LARGEST_WRAPPER = 96
"""Bytes of a function that does nothing but call another with the arguments that it was given."""

_GO_STACK_CHECKS = (b"\x49\x3b\x66\x10", b"\x4d\x3b\x66\x10")
"""``cmp 16(%r14), %rsp`` and, in functions with large frames, ``cmp 16(%r14), %r12``."""
_LEA_R12 = b"\x4c\x8d"


class Entry(NamedTuple):
    """Where a function is entered.

    ``emulated``: the kernel emulates what stands there. ``returns_visible``: the return address is still on top of the stack,
    where a return probe looks for it.
    """

    at: int
    emulated: bool
    returns_visible: bool


FIRST = Entry(0, emulated=False, returns_visible=True)


def entry(code: bytes) -> Entry:
    """For a C function of up to five arguments."""
    visible = True
    for number, instruction in enumerate(instructions(code)):
        if instruction.emulated:
            once = not any(target <= instruction.at for target in _targets(code))
            return Entry(instruction.at, emulated=True, returns_visible=visible) if once else FIRST
        written = _written(code, instruction)
        if written is None or written & _ARGUMENTS or number >= MAX_INSTRUCTIONS:
            break
        visible &= _RSP not in written
    return FIRST


def _targets(code: bytes) -> Iterator[int]:
    """Where jumps of the function go within it. A jump to its start is one more call of itself."""
    for instruction in instructions(code):
        target = instruction.target if instruction.jumps else None
        if target is not None and target >= 0:
            yield target


def passed_on(code: bytes) -> int | None:
    """Where a small function calls another in a straight line, with its own arguments: the offset of that other one from it."""
    if len(code) > _LARGEST_WRAPPER:
        return None
    for instruction in instructions(code):
        if instruction.opcode == 0xE8 and not instruction.prefixed:
            return instruction.target
        written = _written(code, instruction)
        if written is None or written & _ARGUMENTS:
            return None
    return None


def _written(code: bytes, instruction: Instruction) -> set[int] | None:
    """Registers that it writes, by number; None where that is not known, or it goes elsewhere."""
    if code[instruction.at : instruction.at + instruction.size] == ENDBR64:
        return set()
    opcode, rex = instruction.opcode, instruction.rex
    if 0xB8 <= opcode < 0xC0:
        return {opcode & 7 | (rex & 1) << 3}
    if 0x50 <= opcode < 0x58:
        return {_RSP}
    return _written_by_modrm(instruction, instruction.operands[0]) if instruction.operands else None


def _written_by_modrm(instruction: Instruction, modrm: int) -> set[int] | None:
    opcode, rex, operation = instruction.opcode, instruction.rex, modrm >> 3 & 7
    if (
        opcode in _WRITES_NOTHING
        or (opcode in {0x80, 0x81, 0x83} and operation == _COMPARE)
        or (opcode in {0xF6, 0xF7} and operation == _TEST)
    ):
        return set()
    if opcode in _WRITES_REG:
        return {operation | (rex & 4) << 1}
    if opcode in _WRITES_RM:
        return {modrm & 7 | (rex & 1) << 3} if modrm >> 6 == 3 else set()
    return None


def go_entry(code: bytes) -> Entry | None:
    """For a function of Go: behind the check of its stack, because what stands before runs once more when the stack has grown.

    None where the function does not begin as Go's do, so that the table it came from is wrong.
    """
    checked = False
    for instruction in instructions(code[:64]):
        raw = code[instruction.at : instruction.at + instruction.size]
        if checked:
            emulated = instruction.emulated and not instruction.jumps
            return Entry(instruction.at, emulated=emulated, returns_visible=False)
        if raw in _GO_STACK_CHECKS:
            continue
        if raw[:2] == _LEA_R12 and instruction.at == 0:
            continue
        if instruction.opcode in {0x76, 0x0F86, 0x72, 0x0F82} and instruction.at:
            checked = True
            continue
        return None
    return None


def returns(code: bytes) -> list[int] | None:
    """Offsets of RET. None where an instruction cannot be read, or a jump leaves the function: then some calls end elsewhere."""
    found, end = [], 0
    for instruction in instructions(code):
        end = instruction.at + instruction.size
        if instruction.returns:
            found.append(instruction.at)
        elif instruction.jumps:
            target = instruction.target
            if target is None or not 0 <= target < len(code):
                return None
    return found if found and end == len(code) else None
