"""A file on disk that is whole after every ``append`` that returned. Blocking; called from a thread, one call at a time.

What is appended takes the place of the file's end, and the end is written behind it in the same write. A file that a crash tore
in the middle of a write is mended when it is opened: what stands behind its last whole part goes, which is of a batch that was
not reported as delivered. Subclasses know what the file is made of.
"""

import errno
import fcntl
import mmap
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, NoReturn, TypeVar

from pipeline.sinks.file.rotation import Rotation

Items = TypeVar("Items")


class WholeFile(ABC, Generic[Items]):
    """Appends to ``path``, ``mode`` being the permissions of a new file. Any ``OSError`` names the file and leaves it closed."""

    END: ClassVar[bytes] = b""
    """What the file ends with."""
    KIND: ClassVar[str]
    """What such a file is, with its article."""

    def __init__(self, path: Path, *, mode: int, max_bytes: int, now_ns: Callable[[], int]) -> None:
        self.path = path
        self._mode, self._max_bytes, self._now_ns = mode, max_bytes, now_ns
        self._rotation = Rotation(path, keep=None, compression="none")
        self._fd = -1
        self._empty = True

    @property
    def is_open(self) -> bool:
        """False after an error."""
        return self._fd >= 0

    def open(self) -> None:
        """Make the file, or go on with one that httpipe wrote."""
        try:
            self._open()
        except OSError as error:
            self._give_up(error)

    def append(self, items: Items) -> None:
        """Put all of them in, or none."""
        try:
            if self._moved():
                self.close()
                self._open()
            new = self._text(items)
            if os.fstat(self._fd).st_size + len(new) > self._max_bytes and not self._empty:
                self.close()
                self._rotation.rotate(self._now_ns())
                self._open()
                new = self._text(items)
            if new:
                self._write(new + self.END, os.fstat(self._fd).st_size - len(self.END))
                self._empty = False
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file. Safe twice."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    @abstractmethod
    def _beginning(self) -> bytes:
        """What a new file begins with, its end apart."""

    @abstractmethod
    def _text(self, items: Items) -> bytes:
        """These as they stand in the file, the first of them where it is ``_empty``."""

    @abstractmethod
    def _is_ours(self, content: mmap.mmap) -> bool:
        """Whether httpipe began this file, as far as it is there."""

    @abstractmethod
    def _behind_last_part(self, content: mmap.mmap) -> int:
        """Where the last whole part ends, the beginning where there is none; 0 where not even that is whole.

        Sets ``_empty``.
        """

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
        self._empty = True
        self._write(self._beginning() + self.END, 0)

    def _mend(self, size: int) -> None:
        """Find the last whole part; write the end behind it, where it is not there."""
        with mmap.mmap(self._fd, size, prot=mmap.PROT_READ) as content:
            if not self._is_ours(content):
                raise OSError(errno.EEXIST, f"holds something else than {self.KIND} of httpipe; it was not touched")
            end = self._behind_last_part(content)
            if end and content[end:] == self.END:
                return
        os.ftruncate(self._fd, end)
        if end:
            self._write(self.END, end)
        else:
            self._begin()

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
                os.pwrite(self._fd, self.END, at)
            raise

    def _give_up(self, error: OSError) -> NoReturn:
        self.close()
        raise OSError(error.errno, error.strerror, str(self.path)) from error


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(errno.EBUSY, "another httpipe, or another sink of this one, is writing this file") from error
