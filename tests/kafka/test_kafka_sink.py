"""The kafka sink on a real broker: what arrives, where, and what is said when it cannot."""

import asyncio
import json
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kafka_cluster import Cluster
from kafka_events import numbered
from kafka_reader import Topics

from pipeline.api import BackOff, BatchError, Context, NotConnected, Reject
from pipeline.sinks.kafka.producer import TOPIC_SECS
from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def sink(bootstrap: str, topic: str, **options: Any) -> AsyncIterator[KafkaSink]:
    """An open sink."""
    made = KafkaSink(KafkaSinkConfig(bootstrap_servers=bootstrap, topic=topic, **options), Context("bus"))
    await made.open()
    try:
        yield made
    finally:
        await made.aclose()


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_event_arrives_whole(bootstrap: str, topics: Topics, compression: str) -> None:
    """Each event is one record with its JSON, its key, its time and its headers, in the order of its key."""
    topic = await topics.make(4)
    events = numbered(3000, keys=50)
    async with sink(bootstrap, topic, compression=compression, headers={"team": "sre"}) as out:
        await out.healthcheck()
        await out.write(events[:10])
        await out.write(events[10:])
    records = await topics.read(topic)
    assert sorted(json.loads(record.value)["httpipe.sequence"] for record in records) == list(range(3000))
    by_key = defaultdict(list)
    for record in records:
        value = json.loads(record.value)
        assert record.key.decode() == value["httpipe.connection"]
        assert dict(record.headers) == {"httpipe-schema": b"1", "content-type": b"application/json", "team": b"sre"}
        assert record.timestamp == events[value["httpipe.sequence"]].timestamp_ns // 1_000_000
        by_key[record.key].append(value["httpipe.sequence"])
    assert len(by_key) == 50
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_partitions_agree_with_kafkas_own_producer(cluster: Cluster, topics: Topics) -> None:
    """A key lands in the partition where Kafka's console producer puts it."""
    ours, theirs = await topics.make(12), await topics.make(12)
    events = numbered(400, keys=400)
    async with sink(cluster.bootstrap, ours) as out:
        await out.write(events)
    lines = "".join(f"{event.httpipe_connection}|x\n" for event in events)
    cluster.tool(
        "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", cluster.bootstrap, "--topic", theirs,
        "--property", "parse.key=true", "--property", "key.separator=|", stdin=lines.encode(),
    )  # fmt: skip
    where = [{record.key: record.partition for record in await topics.read(topic)} for topic in (ours, theirs)]
    assert len(where[0]) == 400
    assert len(set(where[0].values())) == 12
    assert where[0] == where[1]


async def test_kcat_and_the_console_consumer_read_it(cluster: Cluster, topics: Topics) -> None:
    """Consumers that are not ours read keys and values."""
    topic = await topics.make(3)
    async with sink(cluster.bootstrap, topic) as out:
        await out.write(numbered(50, keys=7))
    read = subprocess.run(  # noqa: ASYNC221  nothing else runs in this loop
        ["kcat", "-C", "-b", cluster.bootstrap, "-t", topic, "-e", "-q", "-f", "%k %s\n"],
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    console = cluster.tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", cluster.bootstrap, "--topic", topic,
        "--from-beginning", "--max-messages", "50", "--property", "print.key=true", "--property", "key.separator= ",
    )  # fmt: skip
    for output in (read, console):
        found = {}
        for line in output.decode().splitlines():
            key, _, value = line.partition(" ")
            found[json.loads(value)["httpipe.sequence"]] = key
        assert found == {event.httpipe_sequence: event.httpipe_connection for event in numbered(50, keys=7)}


async def test_no_key_spreads_over_the_partitions(bootstrap: str, topics: Topics) -> None:
    """Without a key writes take the partitions in turn."""
    topic = await topics.make(4)
    async with sink(bootstrap, topic, key="") as out:
        for _ in range(8):
            await out.write(numbered(5))
    records = await topics.read(topic)
    assert {record.partition for record in records} == {0, 1, 2, 3}
    assert all(record.key is None for record in records)


async def test_too_large_for_the_option(bootstrap: str, topics: Topics) -> None:
    """A record above max_record_bytes is rejected with its size and the limit; the rest arrives."""
    topic = await topics.make(2)
    events = numbered(20)
    events[7] = events[7].replace(url_path="/" + "x" * 5000)
    async with sink(bootstrap, topic, max_record_bytes=4096) as out:
        with pytest.raises(BatchError) as raised:
            await out.write(events)
    assert list(raised.value.failures) == [7]
    assert isinstance(raised.value.failures[7], Reject)
    assert "max_record_bytes = 4096" in str(raised.value.failures[7])
    assert "record of 5" in str(raised.value.failures[7])
    assert len(await topics.read(topic)) == 19


@pytest.mark.parametrize("idempotent", [True, False])
async def test_too_large_for_the_topic(cluster: Cluster, topics: Topics, idempotent: bool) -> None:  # noqa: FBT001
    """What only the broker knows to be too large is found by halving: exactly those records are rejected, order is kept."""
    topic = await topics.make(2, max_message_bytes=3000)
    events = numbered(40, keys=3)
    for index in (0, 13, 39):
        events[index] = events[index].replace(url_path="/" + "x" * 5000)
    options = {} if idempotent else {"enable_idempotence": False, "acks": 1}
    async with sink(cluster.bootstrap, topic, compression="none", **options) as out:
        with pytest.raises(BatchError) as raised:
            await out.write(events)
        await out.write(numbered(40, keys=3, start=40))
    assert sorted(raised.value.failures) == [0, 13, 39]
    assert all(isinstance(each, Reject) and "max.message.bytes" in str(each) for each in raised.value.failures.values())
    by_key = defaultdict(list)
    for record in await topics.read(topic):
        by_key[record.key].append(json.loads(record.value)["httpipe.sequence"])
    assert sorted(number for numbers in by_key.values() for number in numbers) == [n for n in range(80) if n not in (0, 13, 39)]
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def test_a_missing_topic_is_named(cluster: Cluster) -> None:
    """Health check and write say which topic is missing; the write is to be tried again."""
    async with sink(cluster.bootstrap, "no-such-topic") as out:
        with pytest.raises(NotConnected, match='topic "no-such-topic" does not exist at 127'):
            await out.healthcheck()
        with pytest.raises(BackOff, match='topic "no-such-topic" does not exist'):
            await out.write(numbered(3))


async def test_topics_that_are_missing_hold_up_nobody(cluster: Cluster, topics: Topics) -> None:
    """Of the topics of a template those that exist get their events; the rest is rejected by name, the next time at once."""
    topic = await topics.make(2)
    hosts = ["a", *(f"missing-{number}" for number in range(20))]
    events = [event.replace(server_address=hosts[number % 21]) for number, event in enumerate(numbered(42))]
    async with sink(cluster.bootstrap, topic[:-1] + "{{server.address}}") as out:
        events = [event.replace(server_address=topic[-1]) if event.server_address == "a" else event for event in events]
        async with asyncio.timeout(10):
            with pytest.raises(BatchError) as raised:
                await out.write(events)
        assert sorted(raised.value.failures) == [number for number in range(42) if number % 21]
        assert all(isinstance(each, Reject) for each in raised.value.failures.values())
        async with asyncio.timeout(TOPIC_SECS / 2):
            with pytest.raises(BatchError):
                await out.write(events[1:3])
    assert "missing-0" in str(raised.value.failures[1])
    assert len(await topics.read(topic)) == 2


async def test_an_unreachable_broker_is_named() -> None:
    """Each broker that cannot be reached stands in the error."""
    out = KafkaSink(KafkaSinkConfig(bootstrap_servers="127.0.0.1:1,localhost.invalid:9092", topic="t"), Context("bus"))
    with pytest.raises(NotConnected) as raised:
        await out.open()
    assert "broker 127.0.0.1:1 refuses connections" in str(raised.value)
    assert "broker localhost.invalid:9092 is unknown" in str(raised.value)
    await out.aclose()
    await out.aclose()


async def test_partitions_that_grow_are_used(cluster: Cluster, topics: Topics) -> None:
    """After the topic has grown, keys go where other clients put them now, and nothing is lost."""
    topic = await topics.make(2)
    async with sink(cluster.bootstrap, topic, metadata_max_age_secs=1) as out:
        await out.write(numbered(100, keys=50))
        await topics.grow(topic, 6)
        sent = 100
        while out._producer.known_partitions(topic) < 6:
            await out.write(numbered(10, keys=50, start=sent))
            sent += 10
        await out.write(numbered(100, keys=50, start=sent))
    records = await topics.read(topic)
    assert {record.partition for record in records} == set(range(6))
    assert sorted(json.loads(record.value)["httpipe.sequence"] for record in records) == list(range(sent + 100))
