"""What the worker of a sink and its writers share: its queue, its connection, its options, and how delivery goes."""

import secrets
from collections.abc import Callable, Iterator
from itertools import count

import anyio
import msgspec

from pipeline.api import Finished
from pipeline.config.options import SinkOptions
from pipeline.delivery.buffer import Buffer
from pipeline.delivery.clock import Clock
from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.health import Health, Logger, describe
from pipeline.delivery.ledger import Reason
from pipeline.delivery.session import Session
from pipeline.delivery.signal import Signal
from pipeline.model.histogram import Histogram
from pipeline.model.snapshot import State

OPENING = ""
"""The part of its ``Health`` that ails while a sink could not be opened at the start and nothing was written."""


def _batch_ids() -> Iterator[str]:
    """Unique among all runs of all hosts."""
    run = secrets.token_hex(8)
    return (f"{run}-{number}" for number in count(1))


class Shared(msgspec.Struct):
    """Of one sink. ``dead_letter`` is set after all sinks are made, for they may refer to each other."""

    id: str
    buffer: Buffer
    session: Session
    options: SinkOptions
    health: Health
    log: Logger
    clock: Clock = msgspec.field(default_factory=Clock)
    dead_letter: DeadLetter | None = None
    latency: Histogram = msgspec.field(default_factory=Histogram)
    finished: Callable[[], None] = lambda: None
    draining: anyio.Event = msgspec.field(default_factory=anyio.Event)
    batch_ids: Iterator[str] = msgspec.field(default_factory=_batch_ids)
    last_delivery: float = 0.0
    failing: set[str] = msgspec.field(default_factory=set)
    failed_attempts: int = 0
    retiring: bool = False
    idle: Signal = msgspec.field(default_factory=Signal)

    def end(self, error: Finished) -> None:
        """The sink accepts no more events."""
        self.buffer.refuse(Reason.SINK_FINISHED)
        self.health.state = State.FINISHED
        self.log.debug("the other end accepts no more events", extra={"reason": str(error)})
        self.finished()

    def failed(self, error: Exception, attempt: int, part: str) -> None:
        """Report once that it does not work; the retries that follow are only counted."""
        level = self.log.debug if self.failing else self.log.warning
        level("cannot deliver", extra={"error": describe(error), "attempt": attempt})
        self.health.trouble(error, part=part)
        self.failing.add(part)
        self.failed_attempts += 1

    def works(self, part: str) -> None:
        """A write without any failure: report it when no other writer fails any more."""
        for well in (OPENING, part):
            self.health.ok(well)
            self.failing.discard(well)
        if self.failed_attempts and not self.failing:
            self.log.info("delivering again", extra={"failed_attempts": self.failed_attempts})
            self.failed_attempts = 0
