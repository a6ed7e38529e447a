"""The engine alone: events/s per core to null sinks, cost of a further sink, disk queues, and what a bad sink does to a good one.

CPU time of this process is what counts ("per core"), so other programs on the machine change the numbers little. Each number is
the best of several runs: the engine's own cost, not the neighbours'.
"""
# ruff: noqa: ANN401, ARG002  made-up components have the whole interface

import itertools
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, ClassVar

import anyio

from pipeline.api import Context, Event, EventBatch, Exchange, NotConnected, Sink, Source
from pipeline.config.options import BufferOptions, ProcessOptions, SinkOptions
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.buffer import Bounds
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.plans import Part, plan
from pipeline.topology.plan import Plan

BATCH = 64
EVENTS = 1_280_000
DISK_EVENTS = 200_000
RUNS = 3


def exchange(number: int) -> Exchange:
    """One as a live capture gives it: 26 fields set."""
    return Exchange(
        timestamp_ns=time.time_ns(),
        http_request_method="GET",
        url_scheme="http",
        url_path=f"/api/v1/things/{number}",
        url_query="a=1&b=2",
        server_address="example.com",
        server_port=80,
        client_address="10.0.0.1",
        client_port=51234,
        network_local_address="10.0.0.2",
        network_local_port=80,
        network_type="ipv4",
        network_protocol_name="http",
        network_protocol_version="1.1",
        http_response_status_code=200,
        http_request_body_size=0,
        http_response_body_size=5120,
        http_request_size=430,
        http_response_size=5500,
        user_agent_original="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        httpipe_duration_ms=1.5,
        httpipe_ttfb_ms=1.1,
        httpipe_request_target=f"/api/v1/things/{number}?a=1&b=2",
        httpipe_source="http",
        httpipe_connection="10.0.0.1:51234-10.0.0.2:80",
        httpipe_sequence=number,
    )


class Generator(Source):
    """The same batch again and again."""

    def __init__(self, config: Any, context: Context) -> None:
        """Make the events before the clock starts."""
        self.events = [exchange(number) for number in range(BATCH)]

    async def batches(self) -> AsyncIterator[EventBatch]:
        """As fast as the engine takes them."""
        for _ in range(EVENTS // BATCH):
            yield EventBatch(self.events)


class Null(Sink):
    """Takes everything."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Delivered."""


def to_null_sinks(sinks: int) -> float:
    """CPU seconds per event."""
    made = plan(g=Part(Generator), **{f"s{number}": Part(Null, ["g"]) for number in range(sinks)})

    def once() -> float:
        began = time.process_time()
        summary = anyio.run(partial(_run, made))
        spent = time.process_time() - began
        assert all(summary.of(f"s{number}").sent == EVENTS for number in range(sinks))
        return spent / EVENTS

    return min(once() for _ in range(RUNS))


async def _run(made: Plan, **options: Any) -> Any:
    return await run(made, options=RunOptions(configure_logs=False, control=False, handle_signals=False, **options))


async def through_disk(folder: str) -> tuple[float, float]:
    """Wall and CPU seconds per event: written, synced, read and deleted."""
    log = ComponentLog("bench")
    bounds = Bounds(1_000_000, 1 << 30, "block")
    buffer = DiskBuffer(folder, bounds, Ledger(), log=log, health=Health(log), clock=Clock())
    events = [exchange(number) for number in range(BATCH)]
    batch = Batch(events, size_of(events), (), 0.0)
    await buffer.open()
    began, began_cpu = time.perf_counter(), time.process_time()

    async def deliver() -> None:
        while (batch := await buffer.take(1000, 4 << 20, 0)) is not None:
            buffer.done(batch)

    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        group.start_soon(deliver)
        for _ in range(DISK_EVENTS // BATCH):
            await buffer.offer(batch)
            await anyio.lowlevel.checkpoint()
        buffer.close()
    spent = time.perf_counter() - began, time.process_time() - began_cpu
    await buffer.aclose()
    return spent[0] / DISK_EVENTS, spent[1] / DISK_EVENTS


class Live(Generator):
    """A batch each millisecond, stamped when it is made: 64,000 events a second."""

    can_wait = False

    async def batches(self) -> AsyncIterator[EventBatch]:
        """For three seconds."""
        for _ in range(1500):
            now = time.time_ns()
            yield EventBatch([event.replace(timestamp_ns=now) for event in self.events[:16]])
            await anyio.sleep(0.002)
        await anyio.sleep_forever()


class Healthy(Null):
    """Notes how old each batch is."""

    delays_ms: ClassVar[list[float]] = []

    async def write(self, batch: Sequence[Event]) -> None:
        """Note."""
        now = time.time_ns()
        self.delays_ms.extend((now - event.timestamp_ns) / 1e6 for event in batch)


class Hangs(Null):
    """For ever."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Never comes back."""
        await anyio.sleep_forever()


class FailsHalf(Null):
    """Each second write."""

    calls: ClassVar[Any] = itertools.count()

    async def write(self, batch: Sequence[Event]) -> None:
        """Or not."""
        if next(self.calls) % 2:
            raise NotConnected("gone")


class TakesASecond(Null):
    """A slow other end."""

    async def write(self, batch: Sequence[Event]) -> None:
        """In the end."""
        await anyio.sleep(1)


def p99_of_the_healthy_one(*others: type[Sink]) -> tuple[float, bool]:
    """Its p99 delay in ms, and whether every ledger balanced to the unit."""
    Healthy.delays_ms.clear()
    small = SinkOptions(buffer=BufferOptions(max_events=2000))
    parts = {f"bad{number}": Part(other, ["g"], options=small, when_full="drop_oldest") for number, other in enumerate(others)}
    made = plan(
        ProcessOptions(shutdown_timeout_secs=0.5), g=Part(Live), ok=Part(Healthy, ["g"], when_full="drop_oldest"), **parts
    )
    summary = anyio.run(partial(_run, made, for_secs=4))
    balanced = all(each.difference == 0 and each.in_flight == 0 for each in summary.components)
    assert summary.of("ok").sent == summary.of("g").sent
    delays = sorted(Healthy.delays_ms)
    return delays[int(len(delays) * 0.99)], balanced


def row(what: str, measured: str, wanted: str = "") -> None:
    """One line."""
    print(f"{what:<62} {measured:>20}   {wanted}")


def main() -> None:
    """All of it."""
    logging.getLogger("httpipe").setLevel(logging.CRITICAL)  # the bad sinks would fill the screen
    costs = {sinks: to_null_sinks(sinks) for sinks in (1, 2, 4, 8)}
    row("to one null sink, batches of 64", f"{1 / costs[1]:,.0f} events/s", "wanted >= 2,000,000")
    row("to four null sinks", f"{1 / costs[4]:,.0f} events/s", "wanted >= 1,000,000")
    row("a further sink, from 1 to 4", f"{(costs[4] - costs[1]) / 3 * 1e6:.3f} µs/event", "wanted <= 0.1")
    row("a further sink, from 4 to 8", f"{(costs[8] - costs[4]) / 4 * 1e6:.3f} µs/event", "wanted <= 0.1")
    with tempfile.TemporaryDirectory() as folder:
        walls = [anyio.run(through_disk, f"{folder}/{number}") for number in range(RUNS)]
    row(
        "disk queue, written, synced, read, deleted: wall",
        f"{1 / min(wall for wall, _ in walls):,.0f} events/s",
        "wanted >= 60,000",
    )
    row("disk queue: per CPU second", f"{1 / min(cpu for _, cpu in walls):,.0f} events/s", "wanted >= 60,000")
    alone, _ = p99_of_the_healthy_one()
    beside, balanced = p99_of_the_healthy_one(Hangs, FailsHalf, TakesASecond)
    row("p99 delay of a healthy sink, alone", f"{alone:.2f} ms")
    row("beside one that hangs, one that fails, one that is slow", f"{beside:.2f} ms", "wanted within 10 % or 5 ms")
    row("all ledgers balance to the unit", "yes" if balanced else "NO", "wanted: yes")


if __name__ == "__main__":
    main()
