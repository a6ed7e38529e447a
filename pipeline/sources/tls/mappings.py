"""Files that processes have mapped as code: of one process by ``/proc/PID/maps``, and the way to open them.

A mapped file is opened through ``/proc/PID/map_files``, which leads to that file also where it was deleted or replaced since,
or lies in another mount namespace. Where the process is gone already, by its path, if that is still the same inode.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
MAX_MAPS_BYTES = 8 << 20
"""Of one process. Java and browsers have some thousand mappings of a hundred bytes."""


class Inode(NamedTuple):
    """A file as the kernel names it in mappings; ``generation`` tells two apart that had the same number one after the other."""

    major: int
    minor: int
    number: int
    generation: int = 0


class Mapping(NamedTuple):
    """A part of a file that a process may execute."""

    pid: int
    start: int
    end: int
    offset: int
    inode: Inode
    path: str


def of_process(pid: int) -> Iterator[Mapping]:
    """Executable mappings of files, each file once; nothing of a process that is gone or not ours to look at."""
    seen = set()
    for line in _maps(pid).split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) < 6 or b"x" not in fields[1] or fields[4] == b"0":
            continue
        mapping = _mapping(pid, fields)
        if mapping.inode not in seen:
            seen.add(mapping.inode)
            yield mapping


def processes() -> list[int]:
    """Those of this pid namespace, without ourselves."""
    own = os.getpid()
    return [pid for entry in PROC.iterdir() if entry.name.isdigit() and (pid := int(entry.name)) != own]


def executable(pid: int) -> str:
    """The path of its program; empty for kernel threads, and for what is gone or not ours to look at."""
    try:
        return str((PROC / str(pid) / "exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def opened(mapping: Mapping) -> int:
    """A descriptor of the mapped file, for reading. Raises ``OSError`` where there is no way to it."""
    process = PROC / str(mapping.pid)
    for path in (process / f"map_files/{mapping.start:x}-{mapping.end:x}", f"{process}/root{mapping.path}", mapping.path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        status = os.fstat(fd)
        if status.st_ino == mapping.inode.number and stat.S_ISREG(status.st_mode):
            return fd
        os.close(fd)
    raise FileNotFoundError(f"no way to {mapping.path} of process {mapping.pid}")


def _maps(pid: int) -> bytes:
    try:
        with (PROC / str(pid) / "maps").open("rb") as file:
            return file.read(MAX_MAPS_BYTES)
    except OSError:
        return b""


def _mapping(pid: int, fields: list[bytes]) -> Mapping:
    start, end = (int(part, 16) for part in fields[0].split(b"-"))
    major, minor = (int(part, 16) for part in fields[3].split(b":"))
    path = os.fsdecode(fields[5]).removesuffix(" (deleted)")
    return Mapping(pid, start, end, int(fields[2], 16), Inode(major, minor, int(fields[4])), path)
