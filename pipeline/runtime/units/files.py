"""Reads the files that transforms name (lookup tables) on their behalf: transforms do no I/O. One bound holds for all that do.

One reader per transform object of a run: it gives a file when asked the first time and again whenever it has changed.
"""

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")

MAX_TABLE_BYTES = 256 << 20
"""A lookup table is read whole and kept in memory; a list of 100,000 URLs has about 10 MB."""


def read_table(path: str) -> bytes:
    """The file, whole. Raises ``OSError``, also where it is longer than ``MAX_TABLE_BYTES``."""
    with _opened(path) as file:
        return _bounded(file, path)


def map_table(path: str) -> mmap.mmap:
    """The file as a read-only memory map, however large. Raises ``OSError``, also where it is empty."""
    with _opened(path) as file:
        return _mapped(file, path)


class FileReader:
    """``read(path)`` and ``map(path)`` give a file the first time and after every change, else None."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, int]] = {}

    def read(self, path: str) -> bytes | None:
        """Raises ``OSError`` as ``read_table``. A file is the same as long as its inode, size and time of change are."""
        return self._if_changed(path, _bounded)

    def map(self, path: str) -> mmap.mmap | None:
        """Raises ``OSError`` as ``map_table``."""
        return self._if_changed(path, _mapped)

    def _if_changed(self, path: str, take: Callable[[BinaryIO, str], T]) -> T | None:
        with _opened(path) as file:
            stat = os.fstat(file.fileno())
            identity = stat.st_ino, stat.st_size, stat.st_mtime_ns
            if self._seen.get(path) == identity:
                return None
            taken = take(file, path)
        self._seen[path] = identity
        return taken


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        where = "" if Path(path).is_absolute() else f" in {Path.cwd()}, where httpipe was started"
        raise FileNotFoundError(errno.ENOENT, f"{error.strerror}{where}", path) from error


def _bounded(file: BinaryIO, path: str) -> bytes:
    data = file.read(MAX_TABLE_BYTES + 1)
    if len(data) > MAX_TABLE_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_TABLE_BYTES >> 20} MiB", path)
    return data


def _mapped(file: BinaryIO, path: str) -> mmap.mmap:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # mmap(2) has no empty maps
        raise OSError(errno.EINVAL, "is empty", path) from error
