"""Go's crypto/tls, with symbols or stripped: by the table of functions that every Go program carries.

Never uretprobes: Go moves its stacks, and a return address that is not Go's ends the program. ``Read`` is left at its RETs.
"""

from pipeline.sources.tls.elf import golang, places
from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.symbols import Function
from pipeline.sources.tls.probe import Call, Probe, Program
from pipeline.sources.tls.targets.code import Code, Found, Unsupported

LIBRARY = "go"

_READ, _WRITE, _CLOSE = (f"crypto/tls.(*Conn).{name}" for name in ("Read", "Write", "Close"))
_PADDING = b"\xcc"


def find(code: Code) -> Found | Unsupported | None:
    """Where Go built it and crypto/tls was linked in."""
    version = golang.version(code.elf)
    if version is None:
        return None
    version = version.removeprefix("go")
    if not code.x86:
        return Unsupported(LIBRARY, version, "Go is captured on x86-64 only")
    try:
        functions = golang.functions(code.elf, (_READ, _WRITE, _CLOSE))
        if not functions.keys() >= {_READ, _WRITE}:
            return None  # no TLS in it
        return Found(LIBRARY, version, tuple(_probes(code, functions)))
    except ElfError as error:
        return Unsupported(LIBRARY, version, str(error))


def _probes(code: Code, functions: dict[str, Function]) -> list[Probe]:
    probes = []
    for name, program, call in (
        (_READ, Program.GO_ENTER, Call.GO_READ),
        (_WRITE, Program.GO_ENTER, Call.GO_WRITE),
        (_CLOSE, Program.GO_FREE, Call.FREE),
    ):
        if name in functions:
            at = code.elf.offset_of(functions[name].address)
            probes.append(Probe(program, at + _entry(code, functions[name]), call, function=name))
    at = code.elf.offset_of(functions[_READ].address)
    ends = places.returns(_text(code, functions[_READ]))
    if ends is None:
        raise ElfError(f"the returns of {_READ} cannot be found")
    return [*probes, *(Probe(Program.GO_LEAVE, at + end, Call.GO_READ, function=_READ) for end in ends)]


def _entry(code: Code, function: Function) -> int:
    entry = places.go_entry(_text(code, function))
    if entry is None:
        raise ElfError(f"{function.name} is not where its table of functions says")
    return entry.at


def _text(code: Code, function: Function) -> bytes:
    return code.text(function).rstrip(_PADDING)
