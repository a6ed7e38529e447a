"""A loaded program, whichever loader loaded it: file descriptors, and a way to let go of them."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.sources.bpf import kernel, rights
from pipeline.sources.bpf.syscall import Map

SOURCE = Path(__file__).parents[2] / "bpf" / "http_trace.bpf.c"
OBJECT = SOURCE.with_suffix(".o")

ENTRY, PROGRAM = "http_entry", "http_trace"
"""The entry is attached, and jumps to the other."""

SOCKETS = "http_sockets"
"""In place of both where packets are seen at sockets."""

At = Literal["interfaces", "sockets"]
"""Where packets are seen."""

OLDEST_KERNEL = (5, 10)
"""The oldest that tests/kernels runs it on, and that docs/capture.md promises. Ring buffers and CAP_BPF came with 5.8."""

MAPS = ("events", "connections", "openings", "waiting", "settings", "counters", "scratch", "stages", "owners")


def prepare() -> None:
    """Before either loader: refuse a kernel that is too old, allow ourselves the memory that programs and maps take."""
    kernel.refuse_older(PROGRAM, OLDEST_KERNEL)
    rights.raise_locked_memory()


def link(maps: Mapping[str, int], program_fd: int) -> None:
    """Tell the entry where it jumps to. Without that it sees nothing, silently."""
    Map(maps["stages"], 4, 4).update(bytes(4), program_fd.to_bytes(4, sys.byteorder))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the loader decides: bytes of the ring, places in the table of connections and in that of waiting owners."""

    ring_bytes: int
    max_connections: int
    owners: int = 1


@dataclass(frozen=True, slots=True)
class Program:
    """The program's file descriptor and those of its maps. ``keep`` holds what must live as long."""

    loader: str
    fd: int
    maps: Mapping[str, int]
    close: Callable[[], None]
    keep: object = field(default=None, repr=False)
