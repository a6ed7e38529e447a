"""One file as the modules of this folder see it: its functions, and probes placed in them.

Whether a return is caught by a uretprobe or on each RET is decided here, once: uretprobes put a return address of their own on
the stack, which C++ exceptions and, on some kernels, seccomp do not survive; RETs miss what a function hands on by a jump.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pipeline.sources.tls.elf import arm64, places, symbols
from pipeline.sources.tls.elf.file import ElfFile, Machine
from pipeline.sources.tls.elf.symbols import Function
from pipeline.sources.tls.probe import Call, Probe, Program
from pipeline.sources.tls.targets import traces

MAX_FUNCTION_BYTES = 64 << 10
UNKNOWN_SIZE_BYTES = 512
"""Looked at where the linker does not say how long a function is: enough for where it begins."""

ONLY_BY_RETURN_PROBES = "its functions end in jumps, so that only return probes see what they return"


@dataclass(frozen=True, slots=True)
class Found:
    """A library that can be probed."""

    library: str
    version: str
    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A library that is there and cannot be probed; ``why`` continues "… is not captured: "."""

    library: str
    version: str
    why: str


class Code:
    """A file, and by which means returns are caught in it."""

    def __init__(self, elf: ElfFile, *, uretprobes: bool) -> None:
        self.elf = elf
        self.uretprobes = uretprobes
        self.x86 = elf.machine == Machine.X86_64

    @cached_property
    def traces(self) -> traces.Traces:
        """What its constants tell."""
        return traces.of(self.elf)

    def functions(self, names: Iterable[str]) -> dict[str, Function]:
        """Those of these names that are defined here."""
        return symbols.functions(self.elf, names)

    def text(self, function: Function) -> bytes:
        """Its instructions."""
        return self.elf.at(function.address, min(function.size or UNKNOWN_SIZE_BYTES, MAX_FUNCTION_BYTES))

    def call(self, function: Function, call: Call, enter: Program = Program.ENTER) -> list[Probe]:
        """Probes where a C function begins and returns; none where its returns cannot be caught."""
        at = self.elf.offset_of(function.address)
        entry = self.entry(function)
        start = Probe(enter, at + entry.at, call, function=function.name)
        leave = Program.RUST_LEAVE if enter is Program.RUST_ENTER else Program.LEAVE
        if self.uretprobes:
            visible = entry.at if entry.returns_visible else 0
            return [start, Probe(leave, at + visible, call, at_return=True, function=function.name)]
        ends = self.returns(function)
        return [start, *(Probe(leave, at + end, call, function=function.name) for end in ends)] if ends else []

    def at_entry(self, function: Function, call: Call, program: Program) -> Probe:
        """A probe that wants no return."""
        entry = self.entry(function)
        return Probe(program, self.elf.offset_of(function.address) + entry.at, call, function=function.name)

    def entry(self, function: Function) -> places.Entry:
        """Where it is entered. On other processors than x86-64 at its first instruction."""
        return places.entry(self.text(function)) if self.x86 else places.FIRST

    def returns(self, function: Function) -> list[int]:
        """Offsets of its RETs; none where some of its calls end elsewhere."""
        code = self.text(function) if function.size else b""
        return (places.returns(code) if self.x86 else arm64.returns(code)) or []
