"""The ``file`` sink, first form: JSON lines appended to one file."""

import os
from collections.abc import Sequence

import anyio.to_thread

from pipeline.api import Config, Context, Event, Sink
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec


class FileConfig(Config):
    """Options of the `file` sink."""

    path: str
    """File to append to."""
    encoding: EncodingOptions = EncodingOptions()
    """How events are written."""


class FileSink(Sink):
    """Appends to a file."""

    Config = FileConfig

    def __init__(self, config: FileConfig, context: Context) -> None:
        self._path = config.path
        self._codec = codec(config.encoding)
        self._context = context
        self._fd = -1

    async def open(self) -> None:
        """Open for appending."""
        self._fd = await anyio.to_thread.run_sync(
            os.open, self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640
        )

    async def write(self, batch: Sequence[Event]) -> None:
        """Append the batch."""
        await anyio.to_thread.run_sync(self._append, self._codec.encode_batch(batch))

    def _append(self, lines: bytearray) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    async def aclose(self) -> None:
        """Close."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            await anyio.to_thread.run_sync(os.close, fd)
