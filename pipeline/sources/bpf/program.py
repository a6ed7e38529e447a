"""A loaded program, whichever loader loaded it: file descriptors, and a way to let go of them."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from pipeline.sources.bpf import kernel, rights
from pipeline.sources.bpf.syscall import Map

SOURCE = Path(__file__).parents[2] / "bpf" / "http_trace.bpf.c"
OBJECT = SOURCE.with_suffix(".o")

ENTRY, PROGRAM, FRAMES = "http_entry", "http_trace", "http_frames"
"""The entry is attached, and jumps to the second one, which jumps to the third where frames are followed."""

SOCKETS, SOCKETS_FRAMES = "http_sockets", "http_sockets_frames"
"""In place of these where packets are seen at sockets: the first is attached, and jumps to the other."""

At = Literal["interfaces", "sockets"]
"""Where packets are seen."""

ATTACHED: Mapping[At, str] = {"interfaces": ENTRY, "sockets": SOCKETS}
STAGES: Mapping[At, Mapping[str, int]] = {"interfaces": {PROGRAM: 0, FRAMES: 1}, "sockets": {SOCKETS_FRAMES: 1}}
"""Which programs are jumped to there, and their place in the map ``stages``."""

FOLLOWING = (FRAMES, SOCKETS_FRAMES)
"""Without CAP_PERFMON the verifier also looks at what processors may do by mistake, and on Linux 5.10 and 6.1 gives these up
after 1,000,000 instructions. They are left out then, and the packet program copies whole what it cannot jump on with."""

OLDEST_KERNEL = (5, 10)
"""The oldest that tests/kernels runs it on, and that docs/capture.md promises. Ring buffers and CAP_BPF came with 5.8."""

PLACES: Mapping[At, int] = {"interfaces": 1, "sockets": 3}
"""Packets that one CPU may have in hand at once, for which the map ``scratch`` has room."""

MAPS = ("events", "connections", "openings", "waiting", "settings", "counters", "scratch", "stages", "owners", "frames")


def prepare() -> None:
    """Before either loader: refuse a kernel that is too old, allow ourselves the memory that programs and maps take."""
    kernel.refuse_older(PROGRAM, OLDEST_KERNEL)
    rights.raise_locked_memory()


def stages(at: At) -> Mapping[str, int]:
    """What this process can load of ``STAGES``."""
    traces = rights.may_trace()
    return {name: place for name, place in STAGES[at].items() if traces or name not in FOLLOWING}


def link(maps: Mapping[str, int], at: At, program_fd: Callable[[str], int]) -> None:
    """Tell programs where they jump to. Without that the entry sees nothing, silently."""
    jumps = Map(maps["stages"], 4, 4)
    for name, place in stages(at).items():
        jumps.update(place.to_bytes(4, sys.byteorder), program_fd(name).to_bytes(4, sys.byteorder))


class Sizes(msgspec.Struct, frozen=True):
    """What the loader decides: bytes of the ring, places in the table of connections and in that of waiting owners."""

    ring_bytes: int
    max_connections: int
    owners: int = 1


class Program(msgspec.Struct, frozen=True):
    """The program's file descriptor and those of its maps. ``keep`` holds what must live as long."""

    loader: str
    fd: int
    maps: Mapping[str, int]
    close: Callable[[], None]
    keep: object = None
