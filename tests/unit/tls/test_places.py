"""Where probes are placed in a function, by its machine code."""

import pytest

from pipeline.sources.tls.elf import arm64, places

ENDBR = "f3 0f 1e fa"
SUB_RSP = "48 83 ec 18"
PUSH_RBX = "53"
PUSH_R13 = "41 55"
TEST_RDI = "48 85 ff"
JE_FORWARD = "74 01"
RET = "c3"
CMP_STACK = "49 3b 66 10"
JBE = "76 20"


def code(*parts: str) -> bytes:
    """Machine code from hexadecimal digits."""
    return bytes.fromhex("".join(parts))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (code(PUSH_RBX, RET), (0, True, True)),
        (code(ENDBR, PUSH_R13, RET), (4, True, True)),
        (code(SUB_RSP, PUSH_RBX, RET), (4, True, False)),
        (code(TEST_RDI, JE_FORWARD, PUSH_RBX, RET), (3, True, True)),
        (code("31 ff", PUSH_RBX, RET), (0, False, True)),
        (code("48 89 f7", PUSH_RBX, RET), (0, False, True)),
        (code("48 89 fb", PUSH_RBX, RET), (3, True, True)),
        (code("45 31 c0", PUSH_RBX, RET), (0, False, True)),
        (code("0f 1f 44 00 00", RET), (0, False, True)),
        (code("f7 d8", PUSH_RBX, RET), (0, False, True)),
        (code("66 50", RET), (0, False, True)),
        (code(PUSH_RBX, "eb fd"), (0, False, True)),
        (code("48 85 ff", PUSH_RBX, "eb fa"), (0, False, True)),
        (code("48 8b 07", "ff 60 10"), (0, False, True)),
        (code("0f"), (0, False, True)),
        (b"", (0, False, True)),
    ],
    ids=[
        "push first",
        "behind endbr64",
        "below the return address",
        "conditional jump",
        "argument is cleared",
        "argument is replaced",
        "argument is kept",
        "fifth argument is cleared",
        "never a nop",
        "unknown effect",
        "prefix",
        "loop onto the place",
        "loop before the place",
        "jump through a table",
        "half an instruction",
        "nothing",
    ],
)
def test_the_entry_of_a_c_function(text: bytes, expected: tuple[int, bool, bool]) -> None:
    """The first emulated instruction that each call passes once with its arguments in place; else the first of all."""
    assert tuple(places.entry(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (code(CMP_STACK, JBE, "55", RET), (6, True)),
        (code(CMP_STACK, JBE, SUB_RSP, RET), (6, False)),
        (code("4c 8d 64 24 f8", "4d 3b 66 10", "0f 86 00 01 00 00", "55", RET), (15, True)),
    ],
)
def test_go_is_entered_behind_the_check_of_its_stack(text: bytes, expected: tuple[int, bool]) -> None:
    """What stands before it runs once more after the stack has grown."""
    entry = places.go_entry(text)
    assert entry is not None
    assert (entry.at, entry.emulated) == expected


@pytest.mark.parametrize("text", [code("55", RET), code(JBE, "55"), code("90", CMP_STACK), b""])
def test_what_does_not_begin_as_go_does_is_refused(text: bytes) -> None:
    """A wrong table of functions would put a breakpoint into the middle of something."""
    assert places.go_entry(text) is None


def test_returns_of_a_function() -> None:
    """Every RET, and none of the bytes that only look like one."""
    assert places.returns(code("b8 c3 c3 c3 c3", "74 01", RET, RET)) == [7, 8]


@pytest.mark.parametrize(
    "text", [code("ff e0"), code("e9 00 01 00 00", RET), code("eb f0", RET), code(RET, "0f"), code(RET, "06"), code("90")]
)
def test_returns_that_are_not_all_there(text: bytes) -> None:
    """A jump out of the function, through a register, or code that cannot be read: then its RETs are not what ends each call."""
    assert places.returns(text) is None


def test_a_wrapper_passes_its_arguments_on() -> None:
    """The function that it calls in a straight line, and nothing where it changes or chooses."""
    assert places.passed_on(code(SUB_RSP, "e8 10 00 00 00", RET)) == 4 + 5 + 16
    assert places.passed_on(code("55", "48 89 e5", "e8 10 00 00 00", RET)) == 1 + 3 + 5 + 16
    assert places.passed_on(code("31 c9", "e8 10 00 00 00", RET)) is None
    assert places.passed_on(code(TEST_RDI, JE_FORWARD, "e8 10 00 00 00", RET)) is None


def test_returns_on_arm64() -> None:
    """RET through the link register, unless a branch leaves the function."""
    ret, back, away, register = (word.to_bytes(4, "little") for word in (0xD65F03C0, 0x17FFFFFF, 0x14000010, 0xD61F0200))
    assert arm64.returns(ret + back + ret) == [0, 8]
    assert arm64.returns(ret + away) is None
    assert arm64.returns(ret + register) is None
