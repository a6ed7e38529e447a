"""The live source with its decoder, as the engine runs them, and what they gave."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
from live_namespace import Namespace

from pipeline.api import Context, Event, Exchange, Segment
from pipeline.decode import DecodeOptions, Decoder
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.source import BpfSource

WAIT_SECS = 20


class Recording:
    """Segments, exchanges, events of every kind, and counters so far."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.exchanges: list[Exchange] = []
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()
        self._news = anyio.Event()

    def add(self, segments: list[Segment], events: list[Event]) -> None:
        """More came."""
        self.segments += segments
        self.events += events
        self.exchanges += [event for event in events if isinstance(event, Exchange)]
        self._news.set()
        self._news = anyio.Event()

    async def until(self, condition: Callable[["Recording"], bool]) -> None:
        """Wait for it."""
        with anyio.fail_after(WAIT_SECS):
            while not condition(self):
                await self._news.wait()


@asynccontextmanager
async def recording(
    config: BpfConfig, namespace: Namespace | None = None, *, body_bytes: int = 0, options: DecodeOptions | None = None
) -> AsyncGenerator[Recording, None]:
    """Capturing has begun; at the end everything is in: exchanges that lack a half too."""
    taken = Recording()
    options = options or DecodeOptions()
    context = Context(
        id="live",
        count=lambda name, by: taken.counts.update({name: by}),
        body_bytes=body_bytes,
        websockets=options.websocket_messages,
    )
    source = BpfSource(config, context)
    decoder = Decoder(options, source="live", count=context.count)
    await _open(source, namespace)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, source, decoder, taken)
            yield taken
            await source.stop()
    finally:
        await source.aclose()
    taken.add([], decoder.finish())


async def _open(source: BpfSource, namespace: Namespace | None) -> None:
    if namespace is None:
        await source.open()
        return
    with namespace.entered():
        await source.open()


async def _read(source: BpfSource, decoder: Decoder, taken: Recording) -> None:
    async for batch in source.batches():
        segments = [record for record in batch.records if isinstance(record, Segment)]
        taken.add(segments, decoder.feed(batch.records))
