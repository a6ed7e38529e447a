"""A real engine around a Kafka sink or source, for tests that break the cluster under it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka_events import numbered
from pydantic import BaseModel

from pipeline.api import Config, Context, Event, EventBatch, Sink, Source
from pipeline.config.options import ProcessOptions, SinkOptions, TelemetryOptions
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.topology.plan import Plan, SinkSpec, SourceSpec


@dataclass
class Flow:
    """Numbered exchanges at a steady rate until told that it is enough."""

    per_sec: int = 4000
    keys: int = 200
    least: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    acknowledged: int = 0


class FlowConfig(Config):
    """Carries the flow."""

    flow: Any


class FlowSource(Source):
    """Brings a flow's exchanges."""

    Config = FlowConfig

    def __init__(self, config: FlowConfig, context: Context) -> None:
        del context
        self._flow: Flow = config.flow

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Batches of 20 ms, until it is enough."""
        flow = self._flow
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not (flow.enough.is_set() and flow.sent >= flow.least):
            count = flow.per_sec // 50
            yield EventBatch(numbered(count, keys=flow.keys, start=flow.sent), flow.sent + count)
            flow.sent += count
            due = max(due + 0.02, loop.time() - 0.2)  # after a long wait it goes on, without hurrying to catch up
            await asyncio.sleep(due - loop.time())

    async def acknowledge(self, position: object) -> None:
        """Note it."""
        assert isinstance(position, int)
        self._flow.acknowledged = position


def engine(source: tuple[type[Source], BaseModel], sink: tuple[type[Sink], BaseModel], **options: Any) -> Engine:
    """One source, one sink."""
    return Engine(
        Plan(
            file="test",
            sources={"in": SourceSpec("in", "in", *source, decode=None, record=None, keep_heads=False, reload_key="")},
            transforms={},
            sinks={
                "out": SinkSpec(
                    "out",
                    "out",
                    *sink,
                    options=SinkOptions.model_validate(options),
                    when_full="block",
                    inputs=("in",),
                    reload_key="",
                    attributes={},
                )
            },
            consumers={"in": ("out",)},
            process=ProcessOptions(),
            telemetry=TelemetryOptions(),
        ),
        RunOptions(handle_signals=False, configure_logs=False),
    )


def first_in_order(numbers: Sequence[int]) -> bool:
    """Whether numbers come in order, repeats left out."""
    seen: dict[int, None] = dict.fromkeys(numbers)
    return list(seen) == sorted(seen)


class Collected(Config):
    """Where a collector keeps what it is given."""

    events: Any


class Collector(Sink):
    """Keeps what it is given."""

    Config = Collected

    def __init__(self, config: Collected, context: Context) -> None:
        del context
        self._events: list[Event] = config.events

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep."""
        self._events += batch
