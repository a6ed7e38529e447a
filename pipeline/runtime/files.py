"""Reads the files that transforms name (lookup tables) on their behalf: transforms do no I/O.

One reader per transform object. It gives a file when asked the first time and again whenever it has changed.
"""

import os

MAX_BYTES = 64 << 20
"""A lookup table is read whole and kept in memory; this is far beyond a useful one."""


class FileReader:
    """``reader(path)`` gives the bytes the first time and after every change, else None."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int, int]] = {}

    def __call__(self, path: str) -> bytes | None:
        """Raises ``OSError``. A file is the same as long as its inode, size and time of change are."""
        stat = os.stat(path)  # noqa: PTH116  the same call as below, on a descriptor
        if self._seen.get(path) == (stat.st_ino, stat.st_size, stat.st_mtime_ns):
            return None
        with open(path, "rb") as file:  # noqa: PTH123
            stat = os.fstat(file.fileno())
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError(f"{path} is larger than {MAX_BYTES >> 20} MiB")
        self._seen[path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return data
