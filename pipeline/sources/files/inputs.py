"""Where bytes come from: regular files out of the page cache or by way of a thread, pipes when they are readable.

Foreign errors are translated here; nothing is understood here.
"""

import errno
import os
import stat
from collections.abc import AsyncIterator
from glob import glob, has_magic
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.errors import InputError

READ_BYTES = 128 * 1024
"""One read is one batch: some hundred packets, less than a millisecond of work."""
THREAD_READ_BYTES = 8 * READ_BYTES
"""A trip to a thread costs the time of some hundred packets, so one that must be made brings more."""


class Input:
    """One open file or pipe. ``size`` is 0 where it is not known; ``done`` counts the bytes read."""

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self.done = 0
        self._fd = fd
        status = os.fstat(fd)
        self._regular = stat.S_ISREG(status.st_mode)
        self.size = status.st_size if self._regular else 0
        self._begin = os.lseek(fd, 0, os.SEEK_CUR) if self._regular else 0
        self._buffer = bytearray(READ_BYTES)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, promptly as they come, without ever keeping the event loop waiting for a disk or a writer."""
        try:
            while data := await (self._read_file() if self._regular else self._read_pipe()):
                for at in range(0, len(data), READ_BYTES):
                    chunk = data[at : at + READ_BYTES]
                    self.done += len(chunk)
                    yield chunk
        except OSError as error:
            raise InputError(f"cannot read {self.name}: {error.strerror}") from error

    async def _read_file(self) -> bytes:
        """What the page cache holds at once (preadv2(2), RWF_NOWAIT); what it does not, a thread fetches from the disk."""
        offset = self._begin + self.done
        try:
            count = os.preadv(self._fd, [self._buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
                raise
            return await anyio.to_thread.run_sync(os.pread, self._fd, THREAD_READ_BYTES, offset)
        return bytes(memoryview(self._buffer)[:count])  # copied once, not twice

    async def _read_pipe(self) -> bytes:
        """Not read before it has something: a pipe that others share may not be switched to non-blocking."""
        while True:
            try:
                await anyio.wait_readable(self._fd)
            except PermissionError:  # epoll(7) cannot wait for /dev/null and its like, which are always ready
                return os.read(self._fd, READ_BYTES)
            try:
                return os.read(self._fd, READ_BYTES)
            except BlockingIOError:  # another reader of the same pipe was faster
                continue

    def close(self) -> None:
        """Safe twice. Standard input stays open: it is not ours."""
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1


def standard_input() -> Input:
    """Standard input, which must not be a terminal."""
    try:
        if os.isatty(0):
            raise InputError(
                'path = "-" reads a capture from standard input, which is a terminal: '
                "pipe one in, such as tcpdump -U -w - 'tcp port 80' | httpipe run pipeline.toml"
            )
        return Input(0, "standard input")
    except OSError as error:
        raise InputError(f"cannot read standard input: {error.strerror}") from error


def open_input(path: Path) -> Input:
    """A file or named pipe; opening a pipe does not wait for its writer."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot open file {path}: {error.strerror}") from error
    return Input(fd, str(path))


def matching(pattern: str) -> list[Path]:
    """The files that a path or glob names, sorted by name. Of a glob, empty files are left out. Never an empty list."""
    if not has_magic(pattern) or Path(pattern).exists():
        if Path(pattern).is_dir():
            raise InputError(f'{pattern} is a directory: name a file or a glob, such as path = "{Path(pattern) / "*"}"')
        return [Path(pattern)]
    matches = glob(pattern, recursive=True)  # noqa: PTH207  Path.glob takes no absolute patterns
    paths = [path for path in map(Path, sorted(matches)) if path.is_file() and path.stat().st_size]
    if not paths:
        raise InputError(f'no file matches path = "{pattern}"')
    return paths
