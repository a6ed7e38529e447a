"""The kafka source on a real broker: what it hands out, what it commits, and how workers share partitions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka_cluster import Cluster
from kafka_events import numbered
from kafka_reader import Topics

from pipeline.api import CaptureError, Context, Event, EventBatch
from pipeline.codecs.registry import codec
from pipeline.sources.kafka.source import KafkaSource, KafkaSourceConfig
from tests.waiting import until_async

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def source(bootstrap: str, topic: str, **options: Any) -> AsyncIterator[KafkaSource]:
    """An open source."""
    settings = {"group_id": f"g-{topic}", "commit_interval_secs": 0.05, "session_timeout_secs": 3, "rebalance_timeout_secs": 6}
    made = KafkaSource(KafkaSourceConfig(bootstrap_servers=bootstrap, topics=[topic], **(settings | options)), Context("bus"))
    await made.open()
    try:
        yield made
    finally:
        await made.aclose()


async def fill(bootstrap: str, topic: str, values: list[bytes | None]) -> None:
    """Write these values, spread over the partitions by a key that counts."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        futures = [await producer.send(topic, value, key=b"%d" % number) for number, value in enumerate(values)]
        await asyncio.gather(*futures)


def encoded(count: int, start: int = 0) -> list[bytes | None]:
    """Numbered exchanges as a sink writes them."""
    return [codec("json").encode(event) for event in numbered(count, start=start)]


async def take(made: KafkaSource, count: int, *, acknowledge: bool = True) -> list[Event]:
    """Events until there are so many."""
    events: list[Event] = []
    async with asyncio.timeout(30):
        async for batch in made.batches():
            assert isinstance(batch, EventBatch)
            events += batch.events
            if acknowledge:
                await made.acknowledge(batch.position)
            if len(events) >= count:
                return events
    raise AssertionError("the source ended")


def numbers(events: list[Event]) -> list[int]:
    """The numbers of numbered exchanges, sorted."""
    return sorted(event.httpipe_sequence for event in events)  # type: ignore[attr-defined]


async def committed(bootstrap: str, topic: str, partitions: int, group: str = "") -> int:
    """The sum of the group's committed offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group or f"g-{topic}", enable_auto_commit=False)
    await consumer.start()
    try:
        return sum([await consumer.committed(TopicPartition(topic, each)) or 0 for each in range(partitions)])
    finally:
        await consumer.stop()


async def test_events_come_as_they_were_sent(bootstrap: str, topics: Topics) -> None:
    """Every record comes out as the event that went in, and what is acknowledged is committed when the source closes."""
    topic = await topics.make(4)
    await fill(bootstrap, topic, encoded(2500))
    async with source(bootstrap, topic) as made:
        events = await take(made, 2500)
    came = [codec("json").encode(event) for event in sorted(events, key=lambda event: event.timestamp_ns)]
    assert came == encoded(2500)
    assert await committed(bootstrap, topic, await topics.partitions(topic)) == 2500


async def test_only_what_is_settled_is_committed(bootstrap: str, topics: Topics) -> None:
    """A worker that goes before its events are acknowledged leaves them to the next one of the group."""
    topic = await topics.make(3)
    await fill(bootstrap, topic, encoded(300))
    async with source(bootstrap, topic, rebalance_timeout_secs=1) as made:
        first = await take(made, 100, acknowledge=False)
    assert await committed(bootstrap, topic, await topics.partitions(topic)) == 0
    async with source(bootstrap, topic) as made:
        second = await take(made, 300)
    assert len(first) >= 100
    assert numbers(second) == list(range(300))
    async with source(bootstrap, topic) as made:
        await fill(bootstrap, topic, encoded(1, start=300))
        assert numbers(await take(made, 1)) == [300]


async def test_latest_begins_at_the_end(bootstrap: str, topics: Topics) -> None:
    """A new group with start = latest sees only what comes after it joined."""
    topic = await topics.make(1)
    await fill(bootstrap, topic, encoded(5))
    async with source(bootstrap, topic, start="latest") as made:
        batches = made.batches()
        async with asyncio.timeout(20):
            assert not (await anext(batches)).events  # the position is taken by the first poll
        await fill(bootstrap, topic, encoded(3, start=5))
        events: list[Event] = []
        async with asyncio.timeout(20):
            while len(events) < 3:
                events += (await anext(batches)).events
    assert numbers(events) == [5, 6, 7]


async def test_what_does_not_decode_is_kept_with_its_bytes(bootstrap: str, topics: Topics) -> None:
    """Records that are not events come out beside the others, with place and bytes, and do not stop anything."""
    topic = await topics.make(1)
    await fill(bootstrap, topic, [b"\xff\xfe", *encoded(2), b'{"timestamp": 7}', None])
    counted: dict[str, int] = {}
    config = KafkaSourceConfig(bootstrap_servers=bootstrap, topics=[topic], group_id=f"g-{topic}")
    made = KafkaSource(config, Context("bus", count=lambda name, by: counted.update({name: counted.get(name, 0) + by})))
    await made.open()
    try:
        batches = made.batches()
        good: list[Event] = []
        bad: list[Any] = []
        async with asyncio.timeout(20):
            while len(good) + len(bad) < 5:
                batch = await anext(batches)
                good += batch.events
                bad += batch.undecodable
    finally:
        await made.aclose()
    assert numbers(good) == [0, 1]
    assert [event.attributes["messaging.kafka.offset"] for event, _ in bad] == [0, 3, 4]
    assert bad[0][0].attributes["httpipe.kafka.value"] == "//4="
    assert bad[0][0].attributes["messaging.destination.name"] == topic
    assert "timestamp" in str(bad[1][1])
    assert json.loads(codec("json").encode(bad[0][0]))["event.name"] == "kafka.undecodable"
    assert counted == {"undecodable_records": 3}


async def test_workers_share_the_partitions_without_loss(cluster: Cluster, topics: Topics) -> None:
    """Two, then three, then one worker of a group: every number comes out, and after an orderly leave none twice."""
    bootstrap = cluster.bootstrap  # the mock cluster's groups do not share anew
    topic = await topics.make(12)
    seen: dict[int, int] = {}
    took: dict[str, int] = {}

    async def work(name: str, stop: asyncio.Event) -> None:
        async with source(bootstrap, topic) as made:
            batches = made.batches()
            while not stop.is_set():
                batch = await anext(batches)
                took[name] = took.get(name, 0) + len(batch.events)
                for event in batch.events:
                    number = event.httpipe_sequence
                    seen[number] = seen.get(number, 0) + 1
                await made.acknowledge(batch.position)

    async def flow(count: int) -> None:
        await fill(bootstrap, topic, encoded(count, start=len(expected)))
        expected.extend(range(len(expected), len(expected) + count))
        await until_async(lambda: len(seen) == len(expected), 40)

    expected: list[int] = []
    stops = {name: asyncio.Event() for name in "abc"}
    async with asyncio.timeout(100), asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(work(name, stops[name])) for name in "ab"}
        await flow(2000)
        tasks["c"] = group.create_task(work("c", stops["c"]))
        while not took.get("c"):
            await flow(600)
        for name in "ab":
            stops[name].set()
        await asyncio.gather(tasks["a"], tasks["b"])
        before = dict(took)
        await flow(1200)
        assert took["c"] - before["c"] == 1200
        stops["c"].set()
    assert sorted(seen) == expected
    assert set(seen.values()) == {1}
    assert await committed(bootstrap, topic, await topics.partitions(topic)) == len(expected)


async def test_while_it_is_held_back_it_stays_in_the_group(
    bootstrap: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the engine does not ask for more, fetching is on hold, no partition is lost, and it goes on where it was."""
    monkeypatch.setattr("pipeline.sources.kafka.source.POLL_SECS", 0.05)
    topic = await topics.make(2)
    await fill(bootstrap, topic, encoded(5000))
    async with source(bootstrap, topic) as made:
        batches = made.batches()
        events: list[Event] = []
        async with asyncio.timeout(30):
            while not events:
                events += (await anext(batches)).events
            kafka = made._consumer._kafka
            assert kafka is not None
            await until_async(lambda: kafka.paused() == kafka.assignment())
            assert kafka._subscription.fetcher_idle_time < 5
            while len(events) < 5000:
                events += (await anext(batches)).events
    assert numbers(events) == list(range(5000))


async def test_a_missing_topic_is_named(bootstrap: str) -> None:
    """Opening says which topic does not exist."""
    with pytest.raises(CaptureError, match='no topic "nowhere" at '):
        async with source(bootstrap, "nowhere", request_timeout_secs=2, rebalance_timeout_secs=1):
            pass


async def test_an_unreachable_broker_is_named() -> None:
    """Opening says which broker cannot be reached."""
    with pytest.raises(CaptureError, match=r"broker 127.0.0.1:1 refuses connections"):
        async with source("127.0.0.1:1", "t"):
            pass
