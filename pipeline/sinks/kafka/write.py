"""One write: a batch on its way into the topic's partitions, wave by wave. It can be interrupted and gone on with.

In: the events of one batch. Out: nothing when the brokers have all of them, else what the engine is to do. A *wave* is as much
as may be encoded, compressed and sent without holding up the event loop; in it each partition has one record batch (a
*flight*). A wave starts when the one before has landed, so a key's events keep their order, whatever fails: once a flight of
a partition has failed, no later event of that partition is sent in this write.

While brokers are away aiokafka goes on trying under the same sequence numbers, which is what keeps duplicates out. So a write
that has waited long enough says ``BackOff`` and is kept by the sink; when the engine hands in the same batch again it goes on
where it was, instead of sending anything twice.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.errors import BackOff, BatchError, NotConnected, Reject
from pipeline.kafka.partition import keyed
from pipeline.model.exchange import Event
from pipeline.sinks.kafka.outcome import REFUSED, cause, in_order, refusal, without_topic
from pipeline.sinks.kafka.producer import Producer, RecordBatch

RECORD_OVERHEAD_BYTES = 100
"""Header of a record batch (61 bytes) and what surrounds key and value of its only record."""

AGAIN_SECS = 0.1
"""Pause before a write that was interrupted is gone on with: brokers were waited for already."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a sink's options make of an event: its bytes, its key, its topic; and the limits."""

    encode: Callable[[Event], bytes]
    key: Callable[[Event], str | None]
    topic: Callable[[Event], str | None]
    headers: list[tuple[str, bytes]]
    wave_bytes: int
    max_record_bytes: int
    patience_secs: float
    delivery_timeout_secs: float
    renew_on_failure: bool

    @property
    def header_bytes(self) -> int:
        """What the headers add to every record."""
        return sum(len(name) + len(value) + 4 for name, value in self.headers)


BEHIND = NotConnected("an earlier event of its partition was not delivered")

Slot = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Flight:
    """The events of one wave for one partition."""

    slot: Slot
    batch: RecordBatch
    indices: list[int] = field(default_factory=list)
    future: "asyncio.Future[object] | None" = None


class Write:
    """One batch of the engine."""

    def __init__(self, events: Sequence[Event], route: Route, producer: Producer, spread: int) -> None:
        self.events = events
        self._route = route
        self._producer = producer
        self._spread = spread
        self._next = 0
        self._flights: list[Flight] = []
        self._split: list[tuple[Slot, list[int]]] = []
        self._failures: dict[int, Exception] = {}
        self._blocked: set[Slot] = set()
        self._partitions: dict[str | None, int] = {}
        self._renew = False
        self._began = time.monotonic()

    @property
    def under_way(self) -> bool:
        """Whether part of it was handed to the producer and has not come back."""
        return bool(self._flights or self._split)

    def same(self, events: Sequence[Event]) -> bool:
        """Whether these are the events of this write."""
        return len(events) == len(self.events) and all(mine is other for mine, other in zip(self.events, events, strict=True))

    async def run(self) -> None:
        """Deliver, or go on delivering. Raises ``BackOff`` when it takes too long, to be run again."""
        until = time.monotonic() + self._route.patience_secs
        try:
            await self._land(until)
            while self._split or self._next < len(self.events):
                await self._launch()
                await self._land(until)
        except NotConnected as error:  # the connection could not be made anew: what has landed stays delivered
            self._give_up(error)
        self._report()

    # ---- out ---------------------------------------------------------------------------------------------------------------

    async def _launch(self) -> None:
        """Send the next wave; what a broker refused is sent in halves first, each alone."""
        if self._renew:
            self._renew = False
            await self._producer.renew()
        if self._split:
            slot, indices = self._split.pop()
            flights = [self._filled(slot, indices)]
        else:
            flights = await self._wave()
        for position, flight in enumerate(flights):
            if flight.slot in self._blocked:
                self._failures.update(dict.fromkeys(flight.indices, BEHIND))
                continue
            try:
                flight.future = await self._producer.submit(flight.batch, *flight.slot)
            except Exception as error:  # noqa: BLE001  aiokafka's own, or its assertion when a topic was made anew with fewer partitions
                self._failed(flight, error)
            except BaseException:  # cancelled: these were not handed over
                self._split += [(later.slot, later.indices) for later in reversed(flights[position:])]
                raise
            else:
                self._flights.append(flight)

    async def _wave(self) -> list[Flight]:
        """Encode from the next event on, for as much as one wave may hold."""
        route, events = self._route, self.events
        flights: dict[Slot, Flight] = {}
        encode, key_of, topic_of, headers, limit = route.encode, route.key, route.topic, route.headers, route.max_record_bytes
        overhead = RECORD_OVERHEAD_BYTES + route.header_bytes
        total = 0
        for index in range(self._next, len(events)):
            event = events[index]
            topic = topic_of(event)
            partitions = self._partitions.get(topic)
            if partitions is None:
                partitions = await self._partitions_of(topic)
            if not partitions or topic is None:
                self._failures[index] = without_topic(topic, denied=topic is not None and self._producer.denied(topic))
                continue
            value = encode(event)
            key = key_of(event)
            if key is None:
                data, partition = None, self._spread % partitions
                size = len(value) + overhead
            else:
                data, hashed = keyed(key)
                partition = hashed % partitions
                size = len(value) + len(data) + overhead
            if size > limit:
                self._failures[index] = Reject(f"record of {size} bytes, more than max_record_bytes = {limit}")
                continue
            if total and total + size > route.wave_bytes:
                self._next = index
                return list(flights.values())
            slot = (topic, partition)
            flight = flights.get(slot)
            if flight is None:
                flight = flights[slot] = Flight(slot, self._producer.record_batch())
            flight.batch.append(timestamp=event.timestamp_ns // 1_000_000, key=data, value=value, headers=headers)
            flight.indices.append(index)
            total += size
        self._next = len(events)
        return list(flights.values())

    def _filled(self, slot: Slot, indices: list[int]) -> Flight:
        """A flight of these events only."""
        route = self._route
        flight = Flight(slot, self._producer.record_batch(), indices)
        for event in (self.events[index] for index in indices):
            key = route.key(event)
            data = None if key is None else keyed(key)[0]
            flight.batch.append(
                timestamp=event.timestamp_ns // 1_000_000, key=data, value=route.encode(event), headers=route.headers
            )
        return flight

    async def _partitions_of(self, topic: str | None) -> int:
        found = self._partitions[topic] = 0 if topic is None else await self._producer.partitions(topic)
        return found

    # ---- back --------------------------------------------------------------------------------------------------------------

    async def _land(self, until: float) -> None:
        """Wait for the flights. Those that are still out when time is up stay, and ``BackOff`` says so."""
        waiting = [flight.future for flight in self._flights if flight.future is not None]
        if not waiting:
            return
        await asyncio.wait(waiting, timeout=max(0.0, until - time.monotonic()))
        flights, self._flights = self._flights, []
        for flight in flights:
            future = flight.future
            if future is None or not future.done():
                self._flights.append(flight)
            elif future.cancelled():
                self._failed(flight, NotConnected("the producer was closed"))
            elif (error := future.exception()) is not None:
                self._failed(flight, error)
        if self._flights:
            self._overdue()

    def _overdue(self) -> None:
        """Some have waited too long: have the engine come back, or give up this connection."""
        waited = time.monotonic() - self._began
        message = f"no answer from {self._producer.leader(*self._flights[0].slot)} for {waited:.0f} s"
        if waited < self._route.delivery_timeout_secs:
            raise BackOff(AGAIN_SECS, f"{message}; still trying")
        raise NotConnected(message)

    def _failed(self, flight: Flight, error: BaseException) -> None:
        """Decide what becomes of a flight's events."""
        name, indices, topic = type(error).__name__, flight.indices, flight.slot[0]
        self._renew = self._route.renew_on_failure
        if name not in REFUSED:
            self._blocked.add(flight.slot)
            self._failures.update(dict.fromkeys(indices, cause(error, topic, self._producer.leader(*flight.slot))))
        elif len(indices) > 1:
            half = len(indices) // 2
            self._split += [(flight.slot, indices[half:]), (flight.slot, indices[:half])]
        else:
            size = len(self._route.encode(self.events[indices[0]])) + RECORD_OVERHEAD_BYTES + self._route.header_bytes
            self._failures[indices[0]] = refusal(name, size, topic)

    def _give_up(self, error: NotConnected) -> None:
        """Everything that has not landed is to be written again."""
        again = [index for flight in self._flights for index in flight.indices]
        again += [index for _, indices in self._split for index in indices]
        again += range(self._next, len(self.events))
        self._failures.update(dict.fromkeys(again, error))
        self._flights, self._split, self._next = [], [], len(self.events)

    def _report(self) -> None:
        """Say what was not delivered."""
        if not self._failures:
            return
        failures = in_order(self._failures)
        first = next(iter(failures.values()))
        if len(failures) == len(self.events) and not any(isinstance(each, Reject) for each in failures.values()):
            raise first
        raise BatchError(failures)
