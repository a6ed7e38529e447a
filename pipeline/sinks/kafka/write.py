"""One write: a batch on its way into the topic's partitions, round by round. It can be interrupted and continued.

In: the events of one batch. Out: nothing when the brokers have all of them, else what the engine is to do. A *produce round* is
as much as may be encoded, compressed and sent without holding up the event loop; it has one record batch for each partition. A
round starts when the one before has been acknowledged, so a key's events keep their order, whatever fails: once a batch of a
partition has failed, no later event of that partition is sent in this write.

While brokers are away aiokafka goes on trying under the same sequence numbers, which is what keeps duplicates out. So a write
that has waited long enough says ``BackOff`` and is kept by the sink; when the engine hands in the same batch again it goes on
where it was, instead of sending anything twice.
"""

import asyncio
import time
from collections.abc import Sequence

from pipeline.errors import BackOff, BatchError, NotConnected, Reject
from pipeline.model.events.event import Event
from pipeline.sinks.kafka.outcome import REFUSED, cause, in_order, refusal
from pipeline.sinks.kafka.produce_round import PartitionBatch, Route, Slot, encoded, refilled
from pipeline.sinks.kafka.producer import Producer

AGAIN_SECS = 0.1
"""Pause before a write that was interrupted is continued: brokers were waited for already."""


BEHIND = NotConnected("an earlier event of its partition was not delivered")


class Write:
    """One batch of the engine."""

    def __init__(self, events: Sequence[Event], route: Route, producer: Producer, spread: int) -> None:
        self.events = events
        self._route = route
        self._producer = producer
        self._spread = spread
        self._next = 0
        self._in_flight: list[PartitionBatch] = []
        self._split: list[tuple[Slot, list[int]]] = []
        self._failures: dict[int, Exception] = {}
        self._blocked: set[Slot] = set()
        self._renew = False
        self._began = time.monotonic()

    @property
    def under_way(self) -> bool:
        """Whether part of it was handed to the producer and has not come back."""
        return bool(self._in_flight or self._split)

    def same(self, events: Sequence[Event]) -> bool:
        """Whether these are the events of this write."""
        return len(events) == len(self.events) and all(mine is other for mine, other in zip(self.events, events, strict=True))

    async def run(self) -> None:
        """Deliver, or go on delivering. Raises ``BackOff`` when it takes too long, to be run again."""
        until = time.monotonic() + self._route.patience_secs
        try:
            await self._collect(until)
            if self._route.topics_vary:
                topics = {self._route.topic(event) for event in self.events[self._next :]}
                await self._producer.look_for(topic for topic in topics if topic is not None)
            while self._split or self._next < len(self.events):
                await self._send_round()
                await self._collect(until)
        except NotConnected as error:  # the connection could not be re-established: what was acknowledged stays delivered
            self._give_up(error)
        self._report()

    # ---- out ---------------------------------------------------------------------------------------------------------------

    async def _send_round(self) -> None:
        """Send the next round; what a broker refused is sent in halves first, each alone."""
        if self._renew:
            self._renew = False
            await self._producer.renew()
        if self._split:
            slot, indices = self._split.pop()
            batches = [refilled(self.events, indices, slot, self._route, self._producer)]
        else:
            produced = await encoded(self.events, self._next, self._route, self._producer, self._spread)
            batches, self._next = produced.batches, produced.next
            self._failures.update(produced.failures)
        for position, batch in enumerate(batches):
            if batch.slot in self._blocked:
                self._failures.update(dict.fromkeys(batch.indices, BEHIND))
                continue
            try:
                batch.future = await self._producer.submit(batch.records, len(batch.indices), *batch.slot)
            except Exception as error:  # noqa: BLE001  aiokafka's own, or its assertion when a topic was recreated with fewer partitions
                self._failed(batch, error)
            except BaseException:  # cancelled: these were not handed over
                self._split += [(later.slot, later.indices) for later in reversed(batches[position:])]
                raise
            else:
                self._in_flight.append(batch)

    # ---- back --------------------------------------------------------------------------------------------------------------

    async def _collect(self, until: float) -> None:
        """Wait for the batches in flight. Those without an answer when time is up stay, and ``BackOff`` says so."""
        waiting = [batch.future for batch in self._in_flight if batch.future is not None]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=max(0.0, until - time.monotonic()))
        batches, self._in_flight = self._in_flight, []
        for batch in batches:
            future = batch.future
            if future is None or not future.done():
                self._in_flight.append(batch)
            elif future.cancelled():
                self._failed(batch, NotConnected("the producer was closed"))
            elif (error := future.exception()) is not None:
                self._failed(batch, error)
        if self._in_flight:
            self._overdue()

    def _overdue(self) -> None:
        """Some have waited too long: have the engine come back, or give up this connection."""
        waited = time.monotonic() - self._began
        message = f"no answer from {self._producer.leader(*self._in_flight[0].slot)} for {waited:.0f} s"
        if waited < self._route.delivery_timeout_secs:
            raise BackOff(AGAIN_SECS, f"{message}; still trying")
        raise NotConnected(message)

    def _failed(self, batch: PartitionBatch, error: BaseException) -> None:
        """Decide what becomes of a partition's events."""
        name, indices, topic = type(error).__name__, batch.indices, batch.slot[0]
        self._renew = self._route.renew_on_failure
        if name not in REFUSED:
            self._blocked.add(batch.slot)
            self._failures.update(dict.fromkeys(indices, cause(error, topic, self._producer.leader(*batch.slot))))
        elif len(indices) > 1:
            half = len(indices) // 2
            self._split += [(batch.slot, indices[half:]), (batch.slot, indices[:half])]
        else:
            [value] = self._route.encode_each([self.events[indices[0]]])
            size = len(value) + self._route.overhead_bytes
            self._failures[indices[0]] = refusal(name, size, topic)

    def _give_up(self, error: NotConnected) -> None:
        """Everything that was not acknowledged is to be written again."""
        again = [index for batch in self._in_flight for index in batch.indices]
        again += [index for _, indices in self._split for index in indices]
        again += range(self._next, len(self.events))
        self._failures.update(dict.fromkeys(again, error))
        self._in_flight, self._split, self._next = [], [], len(self.events)

    def _report(self) -> None:
        """Say what was not delivered."""
        if not self._failures:
            return
        failures = in_order(self._failures)
        first = next(iter(failures.values()))
        if len(failures) == len(self.events) and not any(isinstance(each, Reject) for each in failures.values()):
            raise first
        raise BatchError(failures)
