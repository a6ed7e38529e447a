"""What the queue in front of a sink is, in memory (``memory``) or on disk (``disk``), and what is offered to a full one.

It is bounded in events and bytes, and ``when_full`` decides what gives way. It holds batches, never single events: a queue
operation costs the same for 1 event as for 1000. Everything happens in one loop and is synchronous, but for ``offer`` (waits for
room) and ``take`` (waits for events).
"""

from abc import ABC, abstractmethod

import anyio
import msgspec

from pipeline.config.options import WhenFull
from pipeline.delivery.batch import Batch
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason


class Bounds(msgspec.Struct, frozen=True):
    """How much may wait, and what gives way."""

    max_events: int
    max_bytes: int
    when_full: WhenFull
    block_timeout_secs: float | None = None


class Buffer(ABC):
    """What the fan-out offers to and the worker takes from."""

    bounds: Bounds
    ledger: Ledger

    @abstractmethod
    def offer_nowait(self, batch: Batch) -> Batch | None:
        """Take the batch. With ``block``, returns the part that found no room; its tickets stay held by the caller."""

    @abstractmethod
    async def room(self) -> None:
        """Wait until something was taken."""

    async def offer(self, batch: Batch) -> None:
        """Take the batch, waiting for room if need be."""
        rest = self.offer_nowait(batch)
        if rest is not None:
            await Offer(self, rest).wait()

    @abstractmethod
    def drop_offered(self, batch: Batch, reason: Reason = Reason.QUEUE_FULL) -> None:
        """Count a batch, or what is left of one, as received and dropped."""

    @abstractmethod
    async def take(self, max_events: int, max_bytes: int, timeout_secs: float) -> Batch | None:
        """The next batch; None when the queue is closed and empty. What is taken is in flight until ``done``."""

    @abstractmethod
    def done(self, batch: Batch) -> None:
        """Every event of this batch is delivered or accounted for."""

    @abstractmethod
    def put_back(self, batch: Batch) -> None:
        """The batch was not delivered: it comes first again."""

    @abstractmethod
    def close(self) -> None:
        """No more will be offered; ``take`` drains what is left."""

    @abstractmethod
    def refuse(self, reason: Reason) -> int:
        """Discard what waits and all that is offered from now on, counted for ``reason``; returns how many events waited."""

    async def run(self) -> None:  # noqa: B027  a queue in memory has nothing to do by itself
        """What the queue does by itself, until it is closed and empty."""

    async def abandon(self, reason: Reason) -> int:
        """The shutdown deadline has passed. Returns how many events are lost by that; a disk queue keeps them."""
        return self.refuse(reason)

    @property
    @abstractmethod
    def events(self) -> int:
        """Events that wait."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Bytes that wait."""

    @property
    @abstractmethod
    def oldest_since(self) -> float | None:
        """Monotonic second at which the oldest waiting event was offered."""

    @abstractmethod
    def rebound(self, bounds: Bounds) -> None:
        """Other bounds from now on; what waits stays."""

    def report_to(self, health: Health) -> None:  # noqa: B027  a queue in memory has no trouble of its own
        """Whose health shows trouble of the queue from now on: a reload gives it another sink."""

    async def open(self) -> None:  # noqa: B027  a queue in memory has nothing to open
        """Open files. Raises ``ConfigError`` when they cannot be used."""

    async def aclose(self) -> None:  # noqa: B027  a queue in memory has nothing to let go
        """Let go of files."""


class Offer:
    """Events that stand before a full queue. When a wait is cancelled, ``rest`` is what is still outside."""

    __slots__ = ("buffer", "rest")

    def __init__(self, buffer: Buffer, rest: Batch) -> None:
        self.buffer = buffer
        self.rest: Batch | None = rest

    async def wait(self) -> None:
        """Wait for room as long as the options allow, then drop what is still outside."""
        with anyio.move_on_after(self.buffer.bounds.block_timeout_secs):
            while self.rest is not None:
                self.rest = self.buffer.offer_nowait(self.rest)  # first: room may have come while nobody waited for it
                if self.rest is not None:
                    await self.buffer.room()
        self.drop(Reason.QUEUE_FULL)

    def drop(self, reason: Reason) -> int:
        """Count what is still outside as dropped by the queue; returns how many events that were."""
        rest, self.rest = self.rest, None
        if rest is None:
            return 0
        self.buffer.drop_offered(rest, reason)
        return len(rest.events)
