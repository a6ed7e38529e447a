"""A loaded program, whichever loader loaded it: file descriptors, and a way to let go of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "bpf" / "http_trace.bpf.c"
OBJECT = SOURCE.with_suffix(".o")

PROGRAM = "http_trace"
MAPS = ("events", "connections", "openings", "waiting", "settings", "counters", "scratch")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the loader decides: bytes of the ring, places in the table of connections."""

    ring_bytes: int
    max_connections: int


@dataclass(frozen=True, slots=True)
class Program:
    """The program's file descriptor and those of its maps. ``keep`` holds what must live as long."""

    loader: str
    fd: int
    maps: Mapping[str, int]
    close: Callable[[], None]
    keep: object = field(default=None, repr=False)
