"""Numbered events, a clock that never sleeps, and sinks that do what a script says."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import anyio.lowlevel

from pipeline.api import Event, Exchange, Sink
from pipeline.config.options import SinkOptions, WhenFull
from pipeline.delivery.acknowledgement import Tickets
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.buffer import Bounds, Buffer
from pipeline.delivery.clock import Clock
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.memory import MemoryBuffer
from pipeline.delivery.session import Session
from pipeline.delivery.worker import Worker
from pipeline.telemetry.logs import ComponentLog


def events(first: int, last: int, memory_bytes: int = 100) -> list[Event]:
    """Exchanges numbered from ``first`` up to, not including, ``last``."""
    return [Exchange(timestamp_ns=number, httpipe_sequence=number, memory_bytes=memory_bytes) for number in range(first, last)]


def batch_of(first: int, last: int, memory_bytes: int = 100, tickets: Tickets = ()) -> Batch:
    """A chunk of numbered events."""
    made = events(first, last, memory_bytes)
    return Batch(made, size_of(made), tickets, 0.0)


def numbers(batch: Sequence[Event]) -> list[int]:
    """The numbers of events."""
    return [event.httpipe_sequence for event in batch if isinstance(event, Exchange) and event.httpipe_sequence is not None]


def in_order(got: Sequence[int]) -> bool:
    """Whether each number is larger than the one before."""
    return all(before < after for before, after in pairwise(got))


class FakeClock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self, random: float = 1.0) -> Clock:
        """A clock whose dice always show ``random``."""
        return Clock(monotonic=lambda: self.now, now_ns=lambda: int(self.now * 1e9), sleep=self.sleep, random=lambda: random)

    async def sleep(self, secs: float) -> None:
        """Let others run, and the time pass."""
        self.slept.append(secs)
        self.now += secs
        await anyio.lowlevel.checkpoint()


class Script:
    """What a sink does, step by step: each write takes the next step; after the last one every write succeeds.

    A step is an exception to raise, or a function of the batch.
    """

    def __init__(self, *steps: Exception | Callable[[Sequence[Event]], None]) -> None:
        self.steps = list(steps)
        self.written: list[list[int]] = []
        self.attempts = 0
        self.opened = 0
        self.closed = 0
        self.made = 0
        self.open_errors: list[Exception] = []

    @property
    def got(self) -> list[int]:
        """All numbers that were delivered."""
        return [number for batch in self.written for number in batch]

    def make(self) -> Sink:
        """A sink that follows the script."""
        self.made += 1
        return _Scripted(self)


class _Scripted(Sink):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def open(self) -> None:
        self.script.opened += 1
        if self.script.open_errors:
            raise self.script.open_errors.pop(0)

    async def write(self, batch: Sequence[Event]) -> None:
        self.script.attempts += 1
        if self.script.steps:
            step = self.script.steps.pop(0)
            if isinstance(step, Exception):
                raise step
            step(batch)
        self.script.written.append(numbers(batch))

    async def aclose(self) -> None:
        self.script.closed += 1


def bounds(
    max_events: int = 1000, max_bytes: int = 1 << 20, when_full: WhenFull = "block", timeout: float | None = None
) -> Bounds:
    """Bounds of a queue."""
    return Bounds(max_events, max_bytes, when_full, timeout)


def worker(script: Script, clock: Clock, options: SinkOptions | None = None, buffer: Buffer | None = None) -> Worker:
    """A worker for a scripted sink."""
    log = ComponentLog("scripted")
    health = Health(log)
    options = options or SinkOptions()
    return Worker(
        id="scripted",
        buffer=buffer or MemoryBuffer(bounds(), Ledger()),
        session=Session(script.make, health, options.write_timeout_secs),
        options=options,
        health=health,
        log=log,
        clock=clock,
    )
