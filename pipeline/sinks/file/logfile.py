"""One file that whole batches are appended to. Blocking; called from a thread, one call at a time.

Kept at any moment and after any crash: the file holds whole events only, those of every batch for which ``append`` returned.
A batch that does not fit (full disk, quota) leaves nothing behind. A file that was moved or deleted is made again.
"""

import errno
import fcntl
import mmap
import os
import stat
import time
from pathlib import Path
from typing import Literal, NoReturn

import msgspec

from pipeline.api import Context
from pipeline.codecs.registry import Codec
from pipeline.sinks.file.rotation import Compression, Rotation

_FOLDER_MODE = 0o750

Fsync = Literal["never", "batch", "interval"]


class Habits(msgspec.Struct, frozen=True):
    """How every file of a sink is treated. Sizes in bytes, times in seconds."""

    mode: int
    fsync: Fsync
    fsync_interval_secs: float
    max_bytes: int | None
    interval_secs: int | None
    keep: int | None
    compression: Compression


class LogFile:
    """Appends to ``path``. Any ``OSError`` names the file and leaves it closed; the next ``append`` opens it again."""

    def __init__(self, path: str, habits: Habits, codec: Codec, context: Context) -> None:
        self.path = Path(path)
        self.rotation = Rotation(self.path, keep=habits.keep, compression=habits.compression)
        self._habits = habits
        self._codec = codec
        self._log = context.log
        self._now_ns = context.now_ns
        self._fd = -1
        self._synced_at = 0.0
        self._unsynced = False

    def open(self) -> None:
        """Open or make the file and mend its end."""
        try:
            self._open()
        except OSError as error:
            self._give_up(error)

    def room(self) -> int | None:
        """Bytes until the file is as large as it may be; None where there is no such bound."""
        if self._habits.max_bytes is None:
            return None
        try:
            self._follow()
            return max(0, self._habits.max_bytes - os.fstat(self._fd).st_size)
        except OSError as error:
            self._give_up(error)

    def append(self, data: bytes | bytearray) -> None:
        """Write all of it, or none of it and raise ``OSError``."""
        try:
            self._follow()
            if self._rotation_due(len(data)):
                self._rotate()
            self._write(data)
            self._sync_if_due()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Sync where asked for, and close. Safe twice."""
        try:
            if self._fd >= 0 and self._unsynced and self._habits.fsync != "never":
                self._sync()
        finally:
            self._close()

    def wait(self) -> None:
        """Wait for the compression of rotated files."""
        try:
            self.rotation.wait()
        except OSError as error:
            self._tell(error)

    # ---- opening -----------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        _make_folder(self.path.parent)
        self._fd = self._opened()
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file; the stdout and null sinks are there for other purposes")
        self._lock()
        if status.st_size:
            self._mend()
        elif self._habits.fsync != "never":
            _sync_folder(self.path.parent)

    def _opened(self) -> int:
        # O_NONBLOCK: a device that waits for its other end must not hold the thread; regular files do not know the flag.
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:
            fd = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(self.path, flags)
        os.fchmod(fd, self._habits.mode)  # the mode was asked for, so the umask has no say
        return fd

    def _lock(self) -> None:
        """Two writers of one file would rotate and mend it under each other's hands."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(errno.EBUSY, "another httpipe, or another sink of this one, is writing this file") from error
        except OSError:  # a file system without locks: go on without
            self._log.debug("no lock on %s: its file system has none", self.path)

    def _mend(self) -> None:
        """Cut off what a crash left of an event; what httpipe has not written is ended by a newline instead."""
        size = os.fstat(self._fd).st_size
        with mmap.mmap(self._fd, size, prot=mmap.PROT_READ) as content:
            whole = self._codec.whole_length(content)
            ours = self._codec.may_begin(content[whole : whole + 64])
        if whole == size:
            return
        if not ours and not self._codec.text:
            raise OSError(errno.EINVAL, "holds something else than events of this codec; it was not touched")
        if not ours:
            os.write(self._fd, b"\n")
            self._log.warning("%s did not end in a newline and was not written by httpipe: added one", self.path)
            return
        os.ftruncate(self._fd, whole)
        self._log.warning("%s ended in a torn event: cut off its last %d bytes, kept %d", self.path, size - whole, whole)

    def _follow(self) -> None:
        """Have open what the path leads to."""
        if self._moved():
            self._close()
            self._open()

    def _moved(self) -> bool:
        """Whether the path no longer leads to what is open: logrotate(8) moved it, somebody deleted it."""
        if self._fd < 0:
            return True
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        here = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    # ---- writing -----------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes | bytearray) -> None:
        before = os.fstat(self._fd).st_size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            os.ftruncate(self._fd, before)
            raise
        self._unsynced = True

    def _sync_if_due(self) -> None:
        match self._habits.fsync:
            case "batch":
                self._sync()
            case "interval" if time.monotonic() - self._synced_at >= self._habits.fsync_interval_secs:
                self._sync()

    def _sync(self) -> None:
        os.fdatasync(self._fd)
        self._unsynced = False
        self._synced_at = time.monotonic()

    # ---- rotation ----------------------------------------------------------------------------------------------------------

    def _rotation_due(self, coming: int) -> bool:
        status = os.fstat(self._fd)
        if not status.st_size:
            return False
        habits = self._habits
        if habits.max_bytes is not None and status.st_size + coming > habits.max_bytes:
            return True
        # The last write tells the period: it survives a restart, and a file nobody writes to needs no rotation.
        return habits.interval_secs is not None and (
            int(status.st_mtime) // habits.interval_secs < self._now_ns() // 1_000_000_000 // habits.interval_secs
        )

    def _rotate(self) -> None:
        self.close()
        target = self.rotation.rotate(self._now_ns())
        self._log.info("rotated %s to %s", self.path, target)
        self._open()
        self.rotation.tidy_soon(self._tell)

    def _tell(self, error: OSError) -> None:
        self._log.warning("%s: tidying rotated files failed: %s", self.path, error.strerror)

    # ---- closing -----------------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _give_up(self, error: OSError) -> NoReturn:
        self._close()
        raise OSError(error.errno, error.strerror, str(self.path)) from error


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, readable for the group like the files."""
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(_FOLDER_MODE)


def _sync_folder(folder: Path) -> None:
    """A new file is safe only when its name is (fsync(2))."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
