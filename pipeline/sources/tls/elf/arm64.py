"""A64 instructions, all of four bytes: where a function returns (Arm Architecture Reference Manual, C4.1)."""

_RET = 0xD65F03C0
_BRANCH, _BRANCH_MASK = 0x14000000, 0xFC000000
_BRANCH_REGISTER, _REGISTER_MASK = 0xD61F0000, 0xFFFFFC1F


def returns(code: bytes) -> list[int] | None:
    """Offsets of RET through the link register. None where a branch leaves the function: then some calls end elsewhere."""
    found = []
    words = memoryview(code)[: len(code) & ~3].cast("I")
    for number, word in enumerate(words):
        if word == _RET:
            found.append(4 * number)
        elif word & _REGISTER_MASK == _BRANCH_REGISTER:
            return None
        elif word & _BRANCH_MASK == _BRANCH:
            distance = (word & 0x3FFFFFF ^ 0x2000000) - 0x2000000
            if not 0 <= number + distance < len(words):
                return None
    return found or None
