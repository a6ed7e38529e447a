"""A produce round: the next events of a batch, encoded into one record batch for each partition.

In: events, from some index on. Out: batches ready to be sent, what cannot be sent and why, and the index where the next round
begins. Bounded by what may be encoded, compressed and sent without holding up the event loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pipeline import native
from pipeline.errors import Reject
from pipeline.kafka.partition import keyed
from pipeline.model.events.event import Event
from pipeline.sinks.kafka.outcome import without_topic
from pipeline.sinks.kafka.producer import Producer, RecordBatch

RECORD_OVERHEAD_BYTES = 100
"""Header of a record batch (61 bytes) and what surrounds key and value of its only record."""

TURN_BYTES = 128 << 10
"""After so many encoded bytes the loop gets its turn: about 150 exchanges, below 1 ms."""

ENCODED_AT_ONCE = 64
"""Events that are encoded with one call: that is cheaper, and what a round has no room for is encoded again."""

Slot = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a sink's options make of an event: its bytes, its key, its topic; and the limits.

    ``key_attribute`` is the attribute of an exchange that is the key as it is, if one is; ``literal_topic`` is set where the
    topic is the same for all.
    """

    encode_each: Callable[[Sequence[Event]], list[bytes]]
    key: Callable[[Event], str | None]
    key_attribute: str | None
    topic: Callable[[Event], str | None]
    literal_topic: str | None
    headers: list[tuple[str, bytes]]
    round_bytes: int
    max_record_bytes: int
    patience_secs: float
    delivery_timeout_secs: float
    renew_on_failure: bool

    @property
    def topics_vary(self) -> bool:
        """Whether the topic depends on the event."""
        return self.literal_topic is None

    @property
    def overhead_bytes(self) -> int:
        """What every record needs beside key and value."""
        return RECORD_OVERHEAD_BYTES + sum(len(name) + len(value) + 4 for name, value in self.headers)


@dataclass(slots=True)
class PartitionBatch:
    """The events of one round for one partition."""

    slot: Slot
    records: RecordBatch
    indices: list[int] = field(default_factory=list)
    future: "asyncio.Future[object] | None" = None


@dataclass(slots=True)
class ProduceRound:
    """``next`` is the index of the first event that is in none of the batches nor among the failures."""

    next: int
    batches: list[PartitionBatch] = field(default_factory=list)
    failures: dict[int, Exception] = field(default_factory=dict)


Slots = dict[str | None, list[PartitionBatch | None]]


async def encoded(events: Sequence[Event], begin: int, route: Route, producer: Producer, spread: int) -> ProduceRound:
    """The round that begins at this index."""
    produced = ProduceRound(begin)
    headers, limit, overhead, most = route.headers, route.max_record_bytes, route.overhead_bytes, route.round_bytes
    total, turn = 0, TURN_BYTES
    slots: Slots = {}
    for first in range(begin, len(events), ENCODED_AT_ONCE):
        block = events[first : first + ENCODED_AT_ONCE]
        index = first - 1
        for (topic, key, time_ns), value in zip(_routed(block, route), route.encode_each(block), strict=True):
            index += 1
            row = slots.get(topic)
            if row is None:
                row = slots[topic] = await _row(topic, producer)
            if not row:
                produced.failures[index] = _nowhere(topic, route, producer)
                continue
            if key is None:
                data, partition = None, spread % len(row)
                size = len(value) + overhead
            else:
                data, hashed = keyed(key)
                partition = hashed % len(row)
                size = len(value) + len(data) + overhead
            if size > limit:
                produced.failures[index] = Reject(f"record of {size} bytes, more than max_record_bytes = {limit}")
                continue
            total += size
            if total > most and total > size:
                produced.next = index
                return produced
            batch = row[partition]
            if batch is None:
                batch = row[partition] = PartitionBatch((topic or "", partition), producer.record_batch())
                produced.batches.append(batch)
            indices = batch.indices
            batch.records.add(len(indices), time_ns // 1_000_000, data, value, headers)
            indices.append(index)
        if total > turn:
            turn = total + TURN_BYTES
            await asyncio.sleep(0)
    produced.next = len(events)
    return produced


def _nowhere(topic: str | None, route: Route, producer: Producer) -> Exception:
    denied = topic is not None and producer.denied(topic)
    hopeless = topic is not None and route.topics_vary and producer.nonexistent(topic)
    return without_topic(topic, denied=denied, hopeless=hopeless)


def _routed(block: Sequence[Event], route: Route) -> Iterable[tuple[str | None, str | None, int]]:
    """Topic, key and time of each, without an object of what lies in native memory where that will do."""
    topic = route.literal_topic
    if route.key_attribute is not None and topic is not None and isinstance(block, native.EVENTS):
        rows = block.columns([route.key_attribute, "timestamp_ns"])
        if rows is not None:
            return [(topic, key, time_ns) for key, time_ns in rows]
    return ((route.topic(event), route.key(event), event.timestamp_ns) for event in block)


async def _row(topic: str | None, producer: Producer) -> list[PartitionBatch | None]:
    return [None] * (0 if topic is None else await producer.partitions(topic))


def refilled(events: Sequence[Event], indices: list[int], slot: Slot, route: Route, producer: Producer) -> PartitionBatch:
    """A batch of these events only, to the partition that was chosen for them before."""
    batch = PartitionBatch(slot, producer.record_batch(), indices)
    chosen = [events[index] for index in indices]
    for offset, (event, value) in enumerate(zip(chosen, route.encode_each(chosen), strict=True)):
        key = route.key(event)
        data = None if key is None else keyed(key)[0]
        batch.records.add(offset, event.timestamp_ns // 1_000_000, data, value, route.headers)
    return batch
