"""One HTTP Archive on disk. Blocking; called from a thread, one call at a time.

Kept after every ``append`` that returned: the file is a whole JSON document. New entries take the place of its end, and the end
is written behind them in the same write. One that a crash tore, in the middle of a write, is mended when the file is opened:
what stands behind the last whole entry goes, which is of a batch that was not reported as delivered.

::

    {"log":{"version":"1.2","creator":{…},"entries":[        the beginning
    {"startedDateTime":…},                                   an entry a line
    {"startedDateTime":…}
    ]}}                                                      the end
"""

import errno
import fcntl
import json
import mmap
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from pipeline.api import Event
from pipeline.codecs import har
from pipeline.sinks.rotation import Rotation


class Archive:
    """Appends to ``path``, ``mode`` being the permissions of a new file. Any ``OSError`` names the file and leaves it closed."""

    def __init__(self, path: Path, *, mode: int, max_bytes: int, show_secrets: bool, now_ns: Callable[[], int]) -> None:
        self.path = path
        self._mode, self._max_bytes, self._show_secrets, self._now_ns = mode, max_bytes, show_secrets, now_ns
        self._rotation = Rotation(path, keep=None, compression="none")
        self._fd = -1
        self._empty = True

    def open(self) -> None:
        """Make the file, or go on with one that httpipe wrote."""
        try:
            self._open()
        except OSError as error:
            self._give_up(error)

    def append(self, events: Sequence[Event]) -> None:
        """Put the entries of all of them in, or none."""
        try:
            if self._moved():
                self.close()
                self._open()
            new = self._entries(events)
            if os.fstat(self._fd).st_size + len(new) > self._max_bytes and not self._empty:
                self.close()
                self._rotation.rotate(self._now_ns())
                self._open()
                new = self._entries(events)
            if new:
                self._write(new + har.END, os.fstat(self._fd).st_size - len(har.END))
                self._empty = False
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file. Safe twice."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _entries(self, events: Sequence[Event]) -> bytes:
        return har.entries(events, first=self._empty, show_secrets=self._show_secrets)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # O_NONBLOCK: a device that waits for its other end must not hold the thread.
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, self._mode)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        _lock(self._fd)
        if status.st_size:
            self._mend(status.st_size)
        else:
            os.fchmod(self._fd, self._mode)  # the mode was asked for, so the umask has no say
            self._begin()

    def _begin(self) -> None:
        self._write(har.beginning(version("httpipe")) + har.END, 0)
        self._empty = True

    def _moved(self) -> bool:
        """Whether the path no longer leads to what is open, or nothing is."""
        if self._fd < 0:
            return True
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        here = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _mend(self, size: int) -> None:
        """Find the last whole entry; write the end behind it, where it is not there."""
        with mmap.mmap(self._fd, size, prot=mmap.PROT_READ) as content:
            if content[: len(har.OURS)] != har.OURS[:size]:
                raise OSError(errno.EEXIST, "holds something else than an archive of httpipe; it was not touched")
            whole = content[-len(har.END) :] == har.END
            end = size - len(har.END) if whole else _behind_last_entry(content)
            self._empty = content[end - 1 : end] == b"["
        if whole:
            return
        os.ftruncate(self._fd, end)
        if end:
            self._write(har.END, end)
        else:
            self._begin()

    def _write(self, data: bytes, at: int) -> None:
        """All of it; where there is no room, what was there before."""
        before = os.fstat(self._fd).st_size
        rest, place = memoryview(data), at
        try:
            while rest:
                written = os.pwrite(self._fd, rest, place)
                rest, place = rest[written:], place + written
        except OSError:
            if before:
                os.ftruncate(self._fd, at)
                os.pwrite(self._fd, har.END, at)
            raise

    def _give_up(self, error: OSError) -> NoReturn:
        self.close()
        raise OSError(error.errno, error.strerror, str(self.path)) from error


def _behind_last_entry(content: mmap.mmap) -> int:
    """Where the last line ends that is a whole entry, or else the beginning; 0 where not even that is whole."""
    end = len(content)
    while (before := content.rfind(b"\n", 0, end)) >= 0:
        line = content[before + 1 : end].rstrip(b",\n")
        with suppress(json.JSONDecodeError):
            if isinstance(json.loads(line), dict):
                return before + 1 + len(line)
        end = before
    return end if content[end - 1 : end] == b"[" else 0


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(errno.EBUSY, "another httpipe, or another sink of this one, is writing this file") from error
