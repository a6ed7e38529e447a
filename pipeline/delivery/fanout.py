"""One output of the graph: hands a run of events to every consumer. Events are shared, never copied; their size is summed once.

Synchronous: it only puts batches into queues. What a full ``block`` queue refuses is collected for the caller, who knows
whether it may wait.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.api import Event
from pipeline.delivery.acknowledgement import Tickets, hold
from pipeline.delivery.batch import Batch
from pipeline.delivery.buffer import Buffer, Offer
from pipeline.delivery.ledger import Reason


class Consumer(Protocol):
    """A transform in the graph."""

    def push(self, events: Sequence[Event], tickets: Tickets, refused: "Refused") -> None:
        """Take the events; hold the tickets where some are kept back."""


class Tap(Protocol):
    """Somebody who looks at what passes (``httpipe tap``)."""

    def show(self, events: Sequence[Event]) -> None:
        """Look at the events. Must be quick, may forget them, never raises."""


Refused = list[Offer]
"""Batches that found no room in a queue with ``when_full = "block"``."""


def drop(refused: Refused, reason: Reason) -> int:
    """Count what still stands before a full queue as dropped there; returns how many events that are."""
    return sum(offer.drop(reason) for offer in refused)


class Fanout:
    """The readers of one output: transforms, queues of sinks, and taps."""

    __slots__ = ("_monotonic", "buffers", "consumers", "taps")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.consumers: tuple[Consumer, ...] = ()
        self.buffers: tuple[Buffer, ...] = ()
        self.taps: tuple[Tap, ...] = ()

    @property
    def read(self) -> bool:
        """Whether anybody but a tap reads this output."""
        return bool(self.consumers or self.buffers)

    def push(self, events: Sequence[Event], size: int, tickets: Tickets, refused: Refused) -> None:
        """Hand the events, ``size`` bytes of memory, to all."""
        for tap in self.taps:
            tap.show(events)
        for consumer in self.consumers:
            consumer.push(events, tickets, refused)
        buffers = self.buffers
        if not buffers:
            return
        batch = Batch(events, size, tickets, self._monotonic())
        if tickets:
            hold(tickets, len(buffers))
        for buffer in buffers:
            rest = buffer.offer_nowait(batch)
            if rest is not None:
                refused.append(Offer(buffer, rest))
