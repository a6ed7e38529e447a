"""The queue in front of one sink, in memory: what is in it when the process ends is lost."""

from collections import deque

import anyio
from msgspec.structs import replace

from pipeline.delivery.acknowledgement import release
from pipeline.delivery.batch import Batch, merge
from pipeline.delivery.buffer import Bounds, Buffer
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.signal import Signal


class MemoryBuffer(Buffer):
    """A bounded queue of batches."""

    def __init__(self, bounds: Bounds, ledger: Ledger) -> None:
        self.bounds = bounds
        self.ledger = ledger
        self.largest_event = bounds.max_bytes
        """Bytes beyond which an event can never be taken. The front of a disk queue has less room than that for a while."""
        self.closed = False
        self._pressed = False
        self._refusing: Reason | None = None
        self._batches: deque[Batch] = deque()
        self._events = 0
        self._bytes = 0
        self._filled = Signal()
        self._room = Signal()

    @property
    def events(self) -> int:
        """Events that wait."""
        return self._events

    @property
    def bytes(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def oldest_since(self) -> float | None:
        """Monotonic second at which the oldest waiting event was offered."""
        return self._batches[0].since if self._batches else None

    @property
    def crowded(self) -> bool:
        """Whether nothing should wait for company: half of the room is taken, or something found none since the last ``take``."""
        return self._pressed or 2 * self._events >= self.bounds.max_events or 2 * self._bytes >= self.bounds.max_bytes

    def offer_nowait(self, batch: Batch) -> Batch | None:
        """Take the batch. With ``block``, returns the part that found no room."""
        count = len(batch.events)
        events = self._events + count
        size = self._bytes + batch.size
        if events > self.bounds.max_events or size > self.bounds.max_bytes:
            return self._full(batch)
        self._batches.append(batch)
        self._events = events
        self._bytes = size
        self.ledger.received += count
        self._filled.set()
        return None

    async def room(self) -> None:
        """Wait until something was taken."""
        await self._room.wait()

    def drop_offered(self, batch: Batch, reason: Reason = Reason.QUEUE_FULL) -> None:
        """Count a batch, or what is left of one, as received and dropped."""
        self.ledger.received += len(batch.events)
        self._drop(batch, reason)

    async def take(self, max_events: int, max_bytes: int, timeout_secs: float) -> Batch | None:
        """The next batch; None when the queue is closed and empty."""
        while True:
            while not self._batches:
                if self.closed:
                    return None
                await self._filled.wait()
            if timeout_secs and not self.closed:
                await self._linger(max_events, max_bytes, timeout_secs)
            batch = self.take_nowait(max_events, max_bytes)
            if batch is not None:
                return batch

    def take_nowait(self, max_events: int, max_bytes: int) -> Batch | None:
        """The next batch, if anything waits."""
        if not self._batches:
            return None
        self._pressed = False
        first = self._batches[0]
        if len(self._batches) == 1 and len(first.events) <= max_events and first.size <= max_bytes:
            batch = self._pop()
        else:
            batch = merge(self._gather(max_events, max_bytes))
        self._room.set()
        return batch

    def done(self, batch: Batch) -> None:
        """Every event of this batch is delivered or accounted for."""
        if batch.tickets:
            release(batch.tickets)

    def put_back(self, batch: Batch) -> None:
        """The batch comes first again; it was inside the bounds before, so it is enqueued whatever came meanwhile."""
        self._push_front(batch)
        self._filled.set()

    def rebound(self, bounds: Bounds) -> None:
        """Other bounds from now on; what waits stays, and gives way with the next offer."""
        self.largest_event = bounds.max_bytes
        self.rebound_for_now(bounds)

    def rebound_for_now(self, bounds: Bounds) -> None:
        """As ``rebound``, but what does not fit into these bounds will once there is more room."""
        self.bounds = bounds if self._refusing is None else replace(bounds, max_events=-1)
        self._room.set()

    def close(self) -> None:
        """No more will be offered."""
        self.closed = True
        self._filled.set()

    def refuse(self, reason: Reason) -> int:
        """Discard what waits and all that is offered from now on."""
        events = self._events
        while self._batches:
            self._drop(self._pop(), reason)
        self._refusing = reason
        self.bounds = replace(self.bounds, max_events=-1)  # so that every offer takes the slow path, and only then
        self.close()
        self._room.set()
        return events

    async def _linger(self, max_events: int, max_bytes: int, timeout_secs: float) -> None:
        """Wait a little for a fuller batch, but not in a crowded queue. What is dropped meanwhile may leave nothing to take."""
        with anyio.move_on_after(timeout_secs):
            while self._events < max_events and self._bytes < max_bytes and not (self.closed or self.crowded):
                await self._filled.wait()

    def _gather(self, max_events: int, max_bytes: int) -> list[Batch]:
        """Whole batches as long as they fit; the first one is split where even it does not (one event always goes)."""
        batches = [self._pop_part(max_events, max_bytes)]
        events, size = len(batches[0].events), batches[0].size
        while self._batches:
            following = self._batches[0]
            events += len(following.events)
            size += following.size
            if events > max_events or size > max_bytes:
                break
            batches.append(self._pop())
        return batches

    def _pop_part(self, max_events: int, max_bytes: int) -> Batch:
        batch = self._pop()
        fitting = max(1, batch.count_within(max_events, max_bytes))
        if fitting == len(batch.events):
            return batch
        part, rest = batch.split(fitting)
        self._push_front(rest)
        return part

    def _full(self, batch: Batch) -> Batch | None:
        if self._refusing is not None:
            self.drop_offered(batch, self._refusing)
            return None
        self._pressed = True
        self._filled.set()
        match self.bounds.when_full:
            case "drop_oldest":
                self._drop_oldest(batch)
            case "drop_newest":
                self._drop_newest(batch)
            case "block":
                return self._fill_up(batch)
        return None

    def _fill_up(self, batch: Batch) -> Batch | None:
        """Enqueue what fits; the rest is the caller's again."""
        batch = self._without_oversized(batch)
        room = self._room_for(batch)
        if room == len(batch.events):
            self._enqueue(batch)
            return None
        if room:
            part, batch = batch.split(room)
            self.offer_nowait(part)
        return batch

    def _drop_newest(self, batch: Batch) -> None:
        """Enqueue what fits and drop the rest."""
        rest = self._fill_up(batch)
        if rest is not None:
            self.drop_offered(rest)

    def _drop_oldest(self, batch: Batch) -> None:
        """Drop from the front until the batch fits; of a batch larger than the whole queue, its own oldest events too."""
        batch = self._without_oversized(batch)
        surplus = batch.count_freeing(len(batch.events) - self.bounds.max_events, batch.size - self.bounds.max_bytes)
        if surplus > 0:
            oldest, batch = batch.split(surplus)
            self.drop_offered(oldest)
        while self._batches:
            events = self._events + len(batch.events) - self.bounds.max_events
            size = self._bytes + batch.size - self.bounds.max_bytes
            if events <= 0 and size <= 0:
                break
            self._drop_front(events, size)
        self._enqueue(batch)

    def _drop_front(self, events: int, size: int) -> None:
        oldest = self._pop()
        surplus = oldest.count_freeing(events, size)
        if surplus < len(oldest.events):
            oldest, rest = oldest.split(surplus)
            self._push_front(rest)
        self._drop(oldest, Reason.QUEUE_FULL)

    def _without_oversized(self, batch: Batch) -> Batch:
        """The batch without events that would not fit into an empty queue."""
        limit = self.largest_event
        if batch.size <= limit:
            return batch
        kept = [event for event in batch.events if event.memory_bytes <= limit]
        oversized = [event for event in batch.events if event.memory_bytes > limit]
        if not oversized:
            return batch
        oversized_size = sum(event.memory_bytes for event in oversized)
        self.drop_offered(Batch(oversized, oversized_size, (), batch.since), Reason.TOO_LARGE)
        return Batch(kept, batch.size - oversized_size, batch.tickets, batch.since)

    def _room_for(self, batch: Batch) -> int:
        return batch.count_within(max(0, self.bounds.max_events - self._events), max(0, self.bounds.max_bytes - self._bytes))

    def _enqueue(self, batch: Batch) -> None:
        """A batch that fits now; of an empty one only the tickets are left to release."""
        if batch.events:
            self.offer_nowait(batch)
        else:
            release(batch.tickets)

    def _drop(self, batch: Batch, reason: Reason) -> None:
        self.ledger.discard(reason, len(batch.events))
        release(batch.tickets)

    def _pop(self) -> Batch:
        batch = self._batches.popleft()
        self._events -= len(batch.events)
        self._bytes -= batch.size
        return batch

    def _push_front(self, batch: Batch) -> None:
        self._batches.appendleft(batch)
        self._events += len(batch.events)
        self._bytes += batch.size
