"""The tls source with its decoder, as the engine runs them, and what they gave."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from pipeline.api import Chunk, Context, Event, Exchange, Opened, Record
from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.records import sent_by_observer
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.source import TlsSource

WAIT_SECS = 60


class Taken:
    """Streams by connection and direction, exchanges and counters so far."""

    def __init__(self) -> None:
        self.streams: dict[bytes, bytearray] = {}
        self.pids: dict[bytes, int] = {}
        """Of the observer of each stream, by the direction that it sends."""
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()
        self._news = anyio.Event()

    @property
    def exchanges(self) -> list[Exchange]:
        """Those among the events."""
        return [event for event in self.events if isinstance(event, Exchange)]

    def add(self, records: list[Record], events: Sequence[Event]) -> None:
        """More came."""
        for record in records:
            if isinstance(record, Chunk):
                self.streams.setdefault(record.key, bytearray()).extend(record.payload)
            elif isinstance(record, Opened) and record.process is not None:
                self.pids[sent_by_observer(record.key)] = record.process.pid
        self.events += events
        self._news.set()
        self._news = anyio.Event()

    async def until(self, condition: Callable[["Taken"], bool]) -> None:
        """Wait for it; where it does not come, what came is looked at all the same."""
        with anyio.move_on_after(WAIT_SECS):
            while not condition(self):
                await self._news.wait()


@asynccontextmanager
async def recording(
    config: TlsConfig, *, body_bytes: int = 0, options: DecodeOptions | None = None
) -> AsyncGenerator[Taken, None]:
    """Capturing has begun; at the end everything is in: exchanges that lack a half too."""
    taken, options = Taken(), options or DecodeOptions()
    asked = {"body_bytes": body_bytes, "websockets": options.websocket_messages}
    context = Context(id="tls", count=lambda name, by: taken.counts.update({name: by}), **asked)  # type: ignore[arg-type]
    source = TlsSource(config, context)
    decoder = Decoder(options, source="tls", count=context.count)
    await source.open()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, source, decoder, taken)
            yield taken
            await source.stop()
    finally:
        await source.aclose()
    taken.add([], decoder.finish())


async def _read(source: TlsSource, decoder: Decoder, taken: Taken) -> None:
    async for batch in source.batches():
        records = list(batch.records)
        taken.add(records, decoder.feed(records))
