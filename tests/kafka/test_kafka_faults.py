"""A cluster of three real brokers is broken while exchanges flow through the real engine: nothing is lost, keys keep their order.

Scaled down in time by default; HTTPIPE_KAFKA_FULL=1 runs the whole length: 100,000 exchanges, 20 s of SIGSTOP, 60 s of darkness.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import ConsumerRecord
from kafka_cluster import START_SECS, Broker, Cluster
from kafka_engine import Collected, Collector, Flow, FlowConfig, FlowSource, engine, first_in_order
from kafka_events import numbered
from kafka_reader import Topics

from pipeline.api import Event, Exchange
from pipeline.codecs.registry import codec
from pipeline.runtime.engine import Engine
from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig
from pipeline.sources.kafka.source import KafkaSource, KafkaSourceConfig
from tests.waiting import until_async

pytestmark = pytest.mark.anyio

FULL = os.environ.get("HTTPIPE_KAFKA_FULL") == "1"
EXCHANGES = 100_000 if FULL else 10_000
PAUSE_SECS = 20 if FULL else 4
DARK_SECS = 60 if FULL else 3
REQUEST_SECS = 15 if FULL else 2
PER_SEC = 4000 if FULL else 1500


def leader_of(out: Engine, cluster: Cluster, topic: str, partition: int) -> Broker:
    """The broker that the sink believes to lead a partition."""
    sink = out.graph.sinks["out"].worker.session._sink
    assert isinstance(sink, KafkaSink)
    where = sink._producer.leader(topic, partition)
    return next(broker for broker in cluster.brokers if f"broker {broker.address} " in where)


class Breaking:
    """What is done to the cluster while a flow runs, and how long delivery stood still each time."""

    def __init__(self, cluster: Cluster, topics: Topics, flow: Flow) -> None:
        self._cluster = cluster
        self._topics = topics
        self._flow = flow
        self.told: list[str] = []

    async def _delivered_since(self, what: str, began: float) -> None:
        mark = self._flow.sent
        await until_async(lambda: self._flow.acknowledged > mark, 90)
        self.told.append(f"{what}: delivering again after {time.monotonic() - began:.1f} s")

    async def kill(self, broker: Broker, topic: str) -> None:
        """Kill -9, and bring it back."""
        began = time.monotonic()
        broker.kill()
        await self._delivered_since("leader killed", began)
        broker.start()
        await asyncio.to_thread(broker.wait, time.monotonic() + START_SECS)
        await asyncio.to_thread(self._cluster.in_sync, topic)
        await self._delivered_since("leader restarted", time.monotonic())

    async def pause(self, broker: Broker) -> None:
        """SIGSTOP: connections stay, nobody answers."""
        began = time.monotonic()
        broker.signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECS)
        broker.signal(signal.SIGCONT)
        await self._delivered_since(f"leader paused for {PAUSE_SECS} s", began)

    async def grow(self, topic: str, partitions: int) -> None:
        """More partitions."""
        await self._topics.grow(topic, partitions)
        await self._delivered_since("partitions grown", time.monotonic())

    async def darken(self) -> None:
        """Kill -9 all brokers, wait, start all."""
        began = time.monotonic()
        await asyncio.to_thread(self._cluster.stop)
        await asyncio.sleep(DARK_SECS)
        self._cluster.begin()
        await asyncio.to_thread(self._cluster.ready)
        await self._delivered_since(f"all brokers down for {DARK_SECS} s and started", began)


async def test_nothing_is_lost_whatever_the_cluster_does(three: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Leader killed, restarted, paused; partitions grow; all brokers down: every number arrives, and the ledger says the same."""
    async with Topics(three.bootstrap) as topics:
        topic = await topics.make(6, 3, min_insync_replicas=2)
        flow = Flow(per_sec=PER_SEC, keys=300, least=EXCHANGES)
        breaking = Breaking(three, topics, flow)
        config = KafkaSinkConfig(
            bootstrap_servers=three.bootstrap, topic=topic, request_timeout_secs=REQUEST_SECS, metadata_max_age_secs=1
        )
        retry = {"initial_backoff_secs": 0.1, "max_backoff_secs": 1}
        run = engine((FlowSource, FlowConfig(flow=flow)), (KafkaSink, config), retry=retry, buffer={"max_events": 2000})
        await run.open()
        try:
            async with asyncio.timeout(280 if FULL else 120), asyncio.TaskGroup() as group:
                group.create_task(run.run())
                await until_async(lambda: flow.acknowledged > 2000)
                await breaking.kill(leader_of(run, three, topic, 0), topic)
                await breaking.pause(leader_of(run, three, topic, 1))
                await breaking.grow(topic, 12)
                await breaking.darken()
                flow.enough.set()
        finally:
            await run.aclose()
        records = [(record.key, record.partition, number_of(record)) for record in await topics.read(topic)]

    ledger = run.graph.sinks["out"].worker.buffer.ledger
    numbers = Counter(number for _, _, number in records)
    repeated = len(records) - len(numbers)
    with capsys.disabled():
        print(f"\n{flow.sent} exchanges, {repeated} repeated; " + "; ".join(breaking.told))  # noqa: T201  a finding to read
    assert sorted(numbers) == list(range(flow.sent))
    assert (ledger.received, ledger.sent, ledger.lost) == (flow.sent, flow.sent, 0)
    assert flow.acknowledged == flow.sent
    assert {partition for _, partition, _ in records} == set(range(12))
    assert not out_of_order(records)
    # A request that was cut off is repeated under its sequence number; only a connection that was given up may repeat events.
    assert not repeated or run.graph.sinks["out"].worker.session.generation > 1


async def test_a_source_goes_on_after_all_brokers_were_away(three: Cluster) -> None:
    """A worker outlives its cluster: what was written before and after the darkness reaches its sink, and is committed."""
    async with Topics(three.bootstrap) as topics:
        topic = await topics.make(6, 3, min_insync_replicas=2)
        await fill(three.bootstrap, topic, 0, 500)
        taken: list[Event] = []
        config = KafkaSourceConfig(
            bootstrap_servers=three.bootstrap,
            topics=(topic,),
            group_id=f"g-{topic}",
            session_timeout_secs=3,
            rebalance_timeout_secs=5,
            request_timeout_secs=3,
            commit_interval_secs=0.1,
        )
        run = engine((KafkaSource, config), (Collector, Collected(events=taken)))
        await run.open()
        try:
            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                group.create_task(run.run())
                await until_async(lambda: len(taken) >= 500)
                await asyncio.to_thread(three.stop)
                await asyncio.sleep(DARK_SECS)
                three.begin()
                await asyncio.to_thread(three.ready)
                await fill(three.bootstrap, topic, 500, 500)
                await until_async(lambda: len({number_in(event) for event in taken}) == 1000, 90)
                run.stop()
        finally:
            await run.aclose()
    assert sorted({number_in(event) for event in taken}) == list(range(1000))


async def fill(bootstrap: str, topic: str, start: int, count: int) -> None:
    """Write numbered exchanges, with patience: the cluster may just have come up."""
    encode = codec("json").encode
    async with asyncio.timeout(60), contextlib.AsyncExitStack() as stack:
        producer = await patient_producer(bootstrap)
        stack.push_async_callback(producer.stop)
        for event in numbered(count, start=start):
            await producer.send(topic, encode(event), key=b"%d" % (event.httpipe_sequence or 0))


async def patient_producer(bootstrap: str) -> AIOKafkaProducer:
    """A started producer, as soon as the brokers take one."""
    while True:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
        try:
            await producer.start()
        except KafkaConnectionError:
            await producer.stop()
            await asyncio.sleep(0.2)
        else:
            return producer


def number_in(event: Event) -> int:
    """The number of a numbered exchange."""
    assert isinstance(event, Exchange)
    assert event.httpipe_sequence is not None
    return event.httpipe_sequence


def number_of(record: ConsumerRecord) -> int:
    """The number of a numbered exchange."""
    number: int = json.loads(record.value)["httpipe.sequence"]
    return number


def out_of_order(records: Sequence[tuple[bytes, int, int]]) -> list[bytes]:
    """Keys whose numbers do not rise, repeats left out. A key moves once, when the partitions grow: then all of them follow."""
    where: dict[bytes, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for key, partition, number in records:
        where[key][partition].append(number)
    wrong = []
    for key, by_partition in where.items():
        spans = sorted((min(part), max(part)) for part in by_partition.values())
        rises = all(first_in_order(part) for part in by_partition.values())
        moved_once = len(spans) <= 2 and all(one[1] < other[0] for one, other in pairwise(spans))
        if not (rises and moved_once):
            wrong.append(key)
    return wrong
