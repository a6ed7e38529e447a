"""The ``stdout`` sink: events as readable lines, heads like ``tcpdump -A`` shows them, JSON lines, or what other tools open.

It never blocks the event loop, however slow the terminal is, and it ends the run quietly when the reader of the pipe is gone.
No control character from the wire reaches a terminal in any format, and no credential unless ``show_secrets`` says so.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated, Literal, Self

import anyio
import anyio.to_thread
from pydantic import BaseModel, Field, model_validator

from pipeline.api import Config, Context, Event, Sink
from pipeline.codecs import har, pcapng
from pipeline.codecs.curl import commands
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.errors import Finished, NotConnected
from pipeline.model.effects import Needs, effective
from pipeline.sinks.pcapng.packets_of_events import KEEP_BYTES, PacketsOfEvents
from pipeline.sinks.stdout.lines import LineFormat
from pipeline.sinks.stdout.printer import Printer
from pipeline.sinks.stdout.raw import RawFormat

_READER_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF})
"""EIO: the terminal was hung up (termios(3)). EBADF: somebody closed the descriptor."""


WITH_HEADS = ("raw", "har", "curl")
"""Formats that show heads as they were captured."""
WITH_SECRETS = ("raw", "har")
"""Those of them that show credentials where ``show_secrets`` says so."""


class StdoutConfig(Config):
    """Options of the `stdout` sink."""

    format: Literal["line", "raw", "json", "har", "curl", "pcapng"] = "line"
    """`line`: one readable line an exchange; `raw`: the heads as they were captured; `json`: as `encoding` says; `har`: one HTTP Archive, which browsers open; `curl`: a command that sends the request again; `pcapng`: the packets of the connections, for a file or a pipe."""  # noqa: E501  one line of the generated page
    show_secrets: bool = False
    """With `raw` and `har`: show credentials, cookies and secret query values as they were captured."""
    encoding: EncodingOptions = EncodingOptions()
    """With `json`: how events are written."""
    keep_bytes: Annotated[int, Field(ge=1 << 16, le=1 << 34)] = KEEP_BYTES
    """With `pcapng`: how much of the newest packets is kept in memory to choose from."""

    stop_after_events: Annotated[int, Field(ge=1)] | None = None
    """Print so many events and end; the run ends when all its sinks have."""

    @model_validator(mode="after")
    def _format_fits(self) -> Self:
        return effective(
            self,
            Needs(["encoding"], 'format = "json"', self.format == "json"),
            Needs(["show_secrets"], 'format = "raw" or "har"', self.format in WITH_SECRETS),
            Needs(["keep_bytes"], 'format = "pcapng"', self.format == "pcapng"),
        )


class StdoutSink(Sink):
    """Prints events: as readable lines, as the captured heads, as JSON, as an HTTP Archive, as curl commands, or as packets."""

    api_version = 1
    Config = StdoutConfig

    def __init__(self, config: StdoutConfig, context: Context) -> None:
        self._context = context
        self.needs_heads = self.wants_heads(config)
        self._printer = Printer(_STDOUT)
        self._unfinished: Sequence[Event] | None = None
        self._document: HarFormat | PcapngFormat | None = None
        if config.format == "har":
            self._document = HarFormat(show_secrets=config.show_secrets)
        elif config.format == "pcapng":
            self._document = PcapngFormat(PacketsOfEvents(context))
        self._slow = config.format == "pcapng"
        """Looking for packets takes milliseconds: not in the event loop."""
        self._render = self._document.render if self._document else _renderer(config)
        self._left = config.stop_after_events
        self._lock = anyio.Lock()  # one batch at a time, whatever max_in_flight says

    @classmethod
    def wants_heads(cls, config: BaseModel) -> bool:
        """Where the format shows heads."""
        return isinstance(config, StdoutConfig) and config.format in WITH_HEADS

    @classmethod
    def wants_packets(cls, config: BaseModel) -> int:
        """Where packets are what is printed."""
        return config.keep_bytes if isinstance(config, StdoutConfig) and config.format == "pcapng" else 0

    async def open(self) -> None:
        """Standard output may have been closed by whoever started us; then descriptor 1 is anybody's."""
        if sys.__stdout__ is None:
            raise Finished("standard output is closed")
        if isinstance(self._document, PcapngFormat) and os.isatty(_STDOUT):
            raise Finished("packets are for a file or a pipe, and standard output is a terminal")

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
        self._printer.begin(await self._made(self._render, batch))
        self._unfinished = batch
        await self._printer.finish()
        self._unfinished = None

    async def _made(self, make: Callable[..., bytes | bytearray], *arguments: object) -> bytes | bytearray:
        """Never abandoned: packets are taken once."""
        return await anyio.to_thread.run_sync(make, *arguments) if self._slow else make(*arguments)

    async def aclose(self) -> None:
        """Print what ends a document, and let the thread go; the descriptor stays open, it is not ours."""
        try:
            document, self._document = self._document, None
            if document is not None:
                await self._print_last(await self._made(document.end))
        finally:
            self._printer.stop()

    async def _print_last(self, text: bytes | bytearray) -> None:
        with suppress(OSError):  # nobody reads it any more
            if self._unfinished is not None:
                await self._printer.finish()
            self._printer.begin(text)
            await self._printer.finish()


class HarFormat:
    """One HTTP Archive, batch by batch."""

    def __init__(self, *, show_secrets: bool) -> None:
        self._show_secrets = show_secrets
        self._begun = self._entered = False

    def render(self, batch: Sequence[Event]) -> bytes:
        """The batch as the archive goes on with it."""
        new = har.entries(batch, first=not self._entered, show_secrets=self._show_secrets)
        self._entered |= bool(new)
        return self._beginning() + new

    def end(self) -> bytes:
        """What makes a whole document of it, also where nothing came."""
        return self._beginning() + har.END

    def _beginning(self) -> bytes:
        begun, self._begun = self._begun, True
        return b"" if begun else har.beginning(version("httpipe"))


class PcapngFormat:
    """One pcapng section, batch by batch."""

    def __init__(self, packets: PacketsOfEvents) -> None:
        self._packets = packets
        self._section = pcapng.Section()
        self._begun = False

    def render(self, batch: Sequence[Event]) -> bytes:
        """The packets that the batch asks for."""
        return self._beginning() + self._section.packets(self._packets.take(batch))

    def end(self) -> bytes:
        """What followed on the connections; a whole file also where nothing came."""
        return self._beginning() + self._section.packets(self._packets.rest())

    def _beginning(self) -> bytes:
        begun, self._begun = self._begun, True
        return b"" if begun else self._section.beginning(version("httpipe"))


_STDOUT = 1


def _renderer(config: StdoutConfig) -> Callable[[Sequence[Event]], bytes | bytearray]:
    """Of the formats that keep nothing from batch to batch."""
    if config.format == "line":
        return LineFormat(_STDOUT, os.environ).render
    if config.format == "curl":
        return commands
    if config.format == "raw":
        return RawFormat(show_secrets=config.show_secrets).render
    return codec(config.encoding).encode_batch


def _same(one: Sequence[Event], other: Sequence[Event]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
