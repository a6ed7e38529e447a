"""Where the bytes of captures come from: regular files by way of a thread, pipes when they are readable.

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
from pipeline.sources.pcap.reader import READ_BYTES, CaptureReader

THREAD_READ_BYTES = 8 * READ_BYTES
"""A trip to a thread costs the time of some hundred packets, so one that must be made brings more."""
PROBE_BYTES = 4 * 1024 * 1024
"""How far to look for the first packet when files are put in order; what has none until there goes by its name."""


class CaptureInput:
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
        return bytes(self._buffer[:count])

    async def _read_pipe(self) -> bytes:
        """Not read before it has something: a pipe that others share may not be switched to non-blocking."""
        while True:
            await anyio.wait_readable(self._fd)
            try:
                return os.read(self._fd, READ_BYTES)
            except BlockingIOError:  # another reader of the same pipe was faster
                continue

    def close(self) -> None:
        """Safe twice. Standard input stays open: it is not ours."""
        if self._fd > 2:
            os.close(self._fd)
        self._fd = -1


def standard_input() -> CaptureInput:
    """Standard input, which must not be a terminal."""
    try:
        if os.isatty(0):
            raise InputError(
                'path = "-" reads a capture from standard input, which is a terminal: '
                "pipe one in, such as tcpdump -U -w - 'tcp port 80' | httpipe run pipeline.toml"
            )
        return CaptureInput(0, "standard input")
    except OSError as error:
        raise InputError(f"cannot read standard input: {error.strerror}") from error


def open_capture(path: Path) -> CaptureInput:
    """A file or named pipe; opening a pipe does not wait for its writer."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot open capture file {path}: {error.strerror}") from error
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(f'{path} is a directory: name a file or a glob, such as "{path}/*.pcap"')
    return CaptureInput(fd, str(path))


def find(pattern: str) -> list[tuple[Path, int]]:
    """The captures that a path or glob names, each with the time of its first packet, in order of that time.

    Raises ``InputError`` for the first that is no capture, so that this is known before anything starts. Of a glob, files
    without a packet are left out: a rotating tcpdump has just begun them.
    """
    if not has_magic(pattern) or Path(pattern).exists():
        return [(Path(pattern), first_packet_ns(Path(pattern)) or 0)]
    matches = glob(pattern, recursive=True)  # noqa: PTH207  Path.glob takes no absolute patterns
    paths = [path for path in map(Path, sorted(matches)) if path.is_file() and path.stat().st_size]
    if not paths:
        raise InputError(f'no capture file matches path = "{pattern}"')
    begins = [(path, first_packet_ns(path)) for path in paths]
    return sorted(((path, first) for path, first in begins if first is not None), key=lambda found: found[1])


def first_packet_ns(path: Path) -> int | None:
    """The time of the first packet; None for a capture without packets, and for a pipe, which cannot be looked into."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        reader = CaptureReader()
        with path.open("rb") as file:
            while reader.first_ns is None and not reader.damage and file.tell() < PROBE_BYTES:
                data = file.read(READ_BYTES)
                if not data:
                    reader.finish()
                    break
                for _ in reader.frames(data):
                    pass
    except OSError as error:
        raise InputError(f"cannot read capture file {path}: {error.strerror}") from error
    if reader.damage and not reader.begun:
        raise InputError(f"{path}: {reader.damage}")
    return reader.first_ns
