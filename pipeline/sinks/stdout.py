"""The ``stdout`` sink: events as readable lines, as heads like ``tcpdump -A`` shows them, or as JSON lines.

It never blocks the event loop, however slow the terminal is, and it ends the run quietly when the reader of the pipe is gone.
No control character from the wire reaches a terminal in any format, and no credential unless ``show_secrets`` says so.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import anyio
from pydantic import BaseModel, Field, model_validator

from pipeline.api import Config, Context, Event, Sink
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.errors import Finished, NotConnected
from pipeline.sinks.lines import LineFormat
from pipeline.sinks.printer import Printer
from pipeline.sinks.raw import RawFormat

_READER_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF})
"""EIO: the terminal was hung up (termios(3)). EBADF: somebody closed the descriptor."""


class StdoutConfig(Config):
    """Options of the `stdout` sink."""

    format: Literal["line", "raw", "json"] = "line"
    """`line`: one readable line an exchange; `raw`: the heads as they were captured; `json`: as `encoding` says."""
    show_secrets: bool = False
    """With `raw`: show credentials, cookies and secret query values as they were captured."""
    encoding: EncodingOptions = EncodingOptions()
    """With `json`: how events are written."""

    stop_after_events: Annotated[int, Field(ge=1)] | None = None
    """Print so many events and end; the run ends when all its sinks have."""

    @model_validator(mode="after")
    def _encoding_needs_json(self) -> "StdoutConfig":
        if self.format != "json" and self.encoding != EncodingOptions():
            raise ValueError(f'encoding has no effect with format = "{self.format}"; say format = "json"')
        if self.format != "raw" and self.show_secrets:
            raise ValueError(f'show_secrets has no effect with format = "{self.format}"; say format = "raw"')
        return self


class StdoutSink(Sink):
    """Prints events: as readable lines, as the captured heads, or as JSON."""

    api_version = 1
    Config = StdoutConfig

    def __init__(self, config: StdoutConfig, context: Context) -> None:
        self._context = context
        self.needs_heads = self.wants_heads(config)
        self._printer = Printer(_STDOUT)
        self._unfinished: Sequence[Event] | None = None
        self._render = _renderer(config)
        self._left = config.stop_after_events
        self._lock = anyio.Lock()  # one batch at a time, whatever max_in_flight says

    @classmethod
    def wants_heads(cls, config: BaseModel) -> bool:
        """Only ``raw`` shows heads."""
        return isinstance(config, StdoutConfig) and config.format == "raw"

    async def open(self) -> None:
        """Standard output may have been closed by whoever started us; then descriptor 1 is anybody's."""
        if sys.__stdout__ is None:
            raise Finished("standard output is closed")

    async def write(self, batch: Sequence[Event]) -> None:
        """Print the batch whole. A batch whose write was cancelled or failed goes on where it stopped when it comes again."""
        try:
            async with self._lock:
                await self._print_up_to_the_last(batch)
        except OSError as error:
            if error.errno in _READER_GONE:
                raise Finished("nobody reads standard output any more") from error
            # Not a fault of ours: the engine keeps this object, and with it what is still to be written of the batch.
            raise NotConnected(f"standard output: {error.strerror}") from error

    async def _print_up_to_the_last(self, batch: Sequence[Event]) -> None:
        """Raises ``Finished`` with the last event that was asked for."""
        if self._left is None or self._left > len(batch):
            await self._print(batch)
            self._left = None if self._left is None else self._left - len(batch)
            return
        last = self._left
        await self._print(batch[:last])
        self._left = 0
        raise Finished("as many events as were asked for are printed", delivered=last)

    async def _print(self, batch: Sequence[Event]) -> None:
        if self._unfinished is not None:
            await self._printer.finish()
            again = _same(self._unfinished, batch)
            self._unfinished = None
            if again:
                return
        self._printer.begin(self._render(batch))
        self._unfinished = batch
        await self._printer.finish()
        self._unfinished = None

    async def aclose(self) -> None:
        """Let the thread go; the descriptor stays open, it is not ours."""
        self._printer.stop()


_STDOUT = 1


def _renderer(config: StdoutConfig) -> Callable[[Sequence[Event]], bytes | bytearray]:
    match config.format:
        case "line":
            return LineFormat(_STDOUT, os.environ).render
        case "raw":
            return RawFormat(show_secrets=config.show_secrets).render
        case "json":
            return codec(config.encoding).encode_batch


def _same(one: Sequence[Event], other: Sequence[Event]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
