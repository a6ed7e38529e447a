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
from collections.abc import Sequence

from pipeline.errors import BackOff, BatchError, NotConnected, Reject
from pipeline.model.exchange import Event
from pipeline.sinks.kafka.outcome import REFUSED, cause, in_order, refusal
from pipeline.sinks.kafka.producer import Producer
from pipeline.sinks.kafka.wave import Flight, Route, Slot, encoded, refilled

AGAIN_SECS = 0.1
"""Pause before a write that was interrupted is gone on with: brokers were waited for already."""


BEHIND = NotConnected("an earlier event of its partition was not delivered")


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
            if self._route.topics_vary:
                topics = {self._route.topic(event) for event in self.events[self._next :]}
                await self._producer.look_for(topic for topic in topics if topic is not None)
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
            flights = [refilled(self.events, indices, slot, self._route, self._producer)]
        else:
            wave = await encoded(self.events, self._next, self._route, self._producer, self._spread)
            flights, self._next = wave.flights, wave.next
            self._failures.update(wave.failures)
        for position, flight in enumerate(flights):
            if flight.slot in self._blocked:
                self._failures.update(dict.fromkeys(flight.indices, BEHIND))
                continue
            try:
                flight.future = await self._producer.submit(flight.batch, len(flight.indices), *flight.slot)
            except Exception as error:  # noqa: BLE001  aiokafka's own, or its assertion when a topic was made anew with fewer partitions
                self._failed(flight, error)
            except BaseException:  # cancelled: these were not handed over
                self._split += [(later.slot, later.indices) for later in reversed(flights[position:])]
                raise
            else:
                self._flights.append(flight)

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
            [value] = self._route.encode_each([self.events[indices[0]]])
            size = len(value) + self._route.overhead_bytes
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
