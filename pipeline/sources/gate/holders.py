"""Whose a firewall at an interface is: which programs there are the gate's, and which process holds them.

Comes in: ids of programs. Goes out: ids of processes. What a killed httpipe left behind, or was pinned, has no holder. Raises
nothing: what cannot be looked at is not there.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.sources.bpf import tcx

JUDGES = frozenset(("gate_ingress", "gate_egress"))
"""Names of its programs that refuse."""

PROC = Path("/proc")


def another(programs: Iterable[int]) -> int | None:
    """The first process beside this one that holds a firewall among these programs."""
    return next((pid for program in programs if is_gate(program) for pid in holders(program) if pid != os.getpid()), None)


def is_gate(program: int) -> bool:
    """Whether it is a firewall's."""
    with suppress(OSError):
        return tcx.program_name(program) in JUDGES
    return False


def holders(program: int, proc: Path = PROC) -> Iterator[int]:
    """Processes with a file descriptor of the program."""
    wanted = f"prog_id:\t{program}\n"
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is not ours to look at
            if any(_holds(each, wanted) for each in (process / "fd").iterdir()):
                yield int(process.name)


def _holds(descriptor: Path, wanted: str) -> bool:
    if not str(descriptor.readlink()).startswith("anon_inode:bpf"):
        return False
    return wanted in (descriptor.parents[1] / "fdinfo" / descriptor.name).read_text()
