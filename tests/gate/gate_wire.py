"""Other programs at an interface: one that loses packets, one that ends the row, one that only looks."""

import os
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from live_namespace import Namespace

import hatch_build
from pipeline.sources.bpf import tcx
from pipeline.sources.bpf.libbpf_loader import Object
from pipeline.sources.bpf.syscall import Map

SOURCE = Path(__file__).with_name("gate_wire.bpf.c")


@contextmanager
def other_program(namespace: Namespace, name: str, place: int, *, first: bool, per_mille: int = 0) -> Generator[Map, None, None]:
    """One of them, in front of others or behind them; its map of losses."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "wire.bpf.o"
        command = ["clang", "-target", "bpf", "-O2", "-g", *hatch_build.includes(), "-c", str(SOURCE), "-o", str(path)]
        subprocess.run(command, check=True)
        loaded = Object(path)
        loaded.load()
    losses = Map(loaded.map_fd("losses"), 4, 8)
    losses.update(bytes(4), per_mille.to_bytes(8, "little"))
    with namespace.entered():
        link = tcx.attach(loaded.program_fd(name), socket.if_nametoindex("wire"), place, first=first)
    try:
        yield losses
    finally:
        os.close(link)
        loaded.close()


def lost(losses: Map) -> int:
    """Packets so far."""
    return int.from_bytes(losses.lookup((1).to_bytes(4, "little")) or b"", "little")
