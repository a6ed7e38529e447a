"""Reads the files that transforms name (lookup tables) on their behalf: transforms do no I/O. One bound holds for all that do.

One reader per transform object of a run: it gives a file when asked the first time and again whenever it has changed.
"""

import errno
import os
from pathlib import Path
from typing import BinaryIO

MAX_TABLE_BYTES = 256 << 20
"""A lookup table is read whole and kept in memory; a list of 100,000 URLs has about 10 MB."""


def read_table(path: str) -> bytes:
    """The file, whole. Raises ``OSError``, also where it is longer than ``MAX_TABLE_BYTES``."""
    with _opened(path) as file:
        return _bounded(file, path)


class FileReader:
    """``reader(path)`` gives the bytes the first time and after every change, else None."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, int]] = {}

    def __call__(self, path: str) -> bytes | None:
        """Raises ``OSError`` as ``read_table``. A file is the same as long as its inode, size and time of change are."""
        with _opened(path) as file:
            stat = os.fstat(file.fileno())
            identity = stat.st_ino, stat.st_size, stat.st_mtime_ns
            if self._seen.get(path) == identity:
                return None
            data = _bounded(file, path)
        self._seen[path] = identity
        return data


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
