"""A broker goes away and comes back elsewhere: it is found again, its absence is told, and nothing ends badly meanwhile."""

import asyncio
import json
import logging
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka_cluster import START_SECS, Broker, Cluster, free_ports, make_cluster
from kafka_engine import Collected, Collector, Flow, FlowConfig, FlowSource, engine
from kafka_events import numbered
from kafka_reader import Topics
from test_kafka_workers import HTTPIPE

from pipeline.api import Event, Exchange
from pipeline.codecs.registry import codec
from pipeline.runtime.engine import Engine
from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig
from pipeline.sources.kafka.source import KafkaSource, KafkaSourceConfig
from tests.waiting import until_async

pytestmark = pytest.mark.anyio

LONGEST_SECS = 90


class Wanderer:
    """A cluster of one broker that has two addresses, one at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.addresses = [self.broker.port, *free_ports(1)]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.addresses)

    @property
    def broker(self) -> Broker:
        """The broker."""
        return self._cluster.broker(1)

    async def leave(self) -> None:
        """Kill -9."""
        await asyncio.to_thread(self._cluster.stop)

    async def come_back(self, *, elsewhere: bool) -> None:
        """Start, at the other address or where it was."""
        if elsewhere:
            self.broker.move(next(port for port in self.addresses if port != self.broker.port))
        self._cluster.begin()
        await asyncio.to_thread(self._cluster.ready)


@pytest.fixture
def wanderer(why_no_kafka: str, tmp_path: Path) -> Iterator[Wanderer]:
    """A real broker of the test's own."""
    if why_no_kafka:
        pytest.skip(f"needs Apache Kafka: {why_no_kafka}")
    cluster = make_cluster(tmp_path / "kafka")
    try:
        cluster.start()
        yield Wanderer(cluster)
    finally:
        cluster.stop()


async def fill(wanderer: Wanderer, topic: str, start: int, count: int) -> None:
    """Write numbered exchanges."""
    async with AIOKafkaProducer(bootstrap_servers=wanderer.broker.address, acks="all") as producer:
        encode = codec("json").encode
        futures = [await producer.send(topic, encode(event)) for event in numbered(count, start=start)]
        await asyncio.gather(*futures)


def number_in(event: Event) -> int:
    """The number of a numbered exchange."""
    assert isinstance(event, Exchange)
    assert event.httpipe_sequence is not None
    return event.httpipe_sequence


def complaint(run: Engine, component_id: str) -> str:
    """What `top`, `/health` and `/ready` show of it."""
    return run.snapshot().of(component_id).complaint


async def test_a_source_finds_its_broker_at_the_other_address(wanderer: Wanderer, caplog: pytest.LogCaptureFixture) -> None:
    """500 exchanges before, 500 after it moved: 1000 of 1000; meanwhile the source says since when it has heard of nobody."""
    caplog.set_level(logging.INFO, "httpipe")
    async with Topics(wanderer.broker.address) as topics:
        topic = await topics.make(3)
    await fill(wanderer, topic, 0, 500)
    taken: list[Event] = []
    config = KafkaSourceConfig(
        bootstrap_servers=wanderer.bootstrap, topics=(topic,), group_id="g", session_timeout_secs=3, rebalance_timeout_secs=5
    )
    run = engine((KafkaSource, config), (Collector, Collected(events=taken)))
    await run.open()
    try:
        async with asyncio.timeout(LONGEST_SECS), asyncio.TaskGroup() as group:
            group.create_task(run.run())
            await until_async(lambda: len(taken) >= 500)
            await wanderer.leave()
            await until_async(lambda: complaint(run, "in"), LONGEST_SECS)
            assert complaint(run, "in").startswith("no contact with any broker since 20")
            assert f"broker 127.0.0.1:{wanderer.addresses[1]} refuses connections" in complaint(run, "in")
            assert run.snapshot().of("in").state == "degraded"
            await wanderer.come_back(elsewhere=True)
            await fill(wanderer, topic, 500, 500)
            await until_async(lambda: len({number_in(event) for event in taken}) == 1000, LONGEST_SECS)
            await until_async(lambda: not complaint(run, "in"), LONGEST_SECS)
            run.stop()
    finally:
        await run.aclose()
    assert sorted({number_in(event) for event in taken}) == list(range(1000))
    said = [record.getMessage() for record in caplog.records if record.name.startswith("httpipe")]
    assert sum(line.startswith("no contact with any broker since") for line in said) == 1
    assert sum(line.startswith("recovered") for line in said) == 1


async def test_a_sink_finds_its_broker_at_the_other_address(wanderer: Wanderer) -> None:
    """What was written, was under way and came later arrives once each: the connection's sequence numbers live on."""
    async with Topics(wanderer.broker.address) as topics:
        topic = await topics.make(3)
    flow = Flow(per_sec=500, keys=100, least=3000)
    config = KafkaSinkConfig(bootstrap_servers=wanderer.bootstrap, topic=topic, request_timeout_secs=3)
    run = engine((FlowSource, FlowConfig(flow=flow)), (KafkaSink, config), buffer={"max_events": 1000})
    await run.open()
    try:
        async with asyncio.timeout(LONGEST_SECS), asyncio.TaskGroup() as group:
            group.create_task(run.run())
            await until_async(lambda: flow.acknowledged > 500)
            await wanderer.leave()
            await until_async(lambda: complaint(run, "out"), LONGEST_SECS)
            await wanderer.come_back(elsewhere=True)
            flow.enough.set()
            await until_async(lambda: flow.acknowledged == flow.sent >= 3000, LONGEST_SECS)
            assert not complaint(run, "out")
            run.stop()
    finally:
        await run.aclose()
    async with Topics(wanderer.broker.address) as topics:
        numbers = [json.loads(record.value)["httpipe.sequence"] for record in await topics.read(topic)]
    assert sorted(numbers) == list(range(flow.sent))


class Process:
    """`httpipe run` with a Kafka source and a capture file's worth of nothing beside it."""

    def __init__(self, folder: Path, wanderer: Wanderer, topic: str) -> None:
        self._folder = folder
        self._bus = (
            f'[sources.bus]\ntype = "kafka"\nbootstrap_servers = "{wanderer.bootstrap}"\ntopics = ["{topic}"]\ngroup_id = "g"\n'
            "session_timeout_secs = 3\nrebalance_timeout_secs = 5\n"
        )
        self._config = folder / "p.toml"
        self._log = folder / "log"
        self.write(bus=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [HTTPIPE, "run", self._config],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={"XDG_RUNTIME_DIR": str(folder)},
            )

    def write(self, *, bus: bool) -> None:
        """The pipeline file, with the Kafka source or without."""
        quiet = '[sources.quiet]\ntype = "replay"\npath = "-"\n'
        sink = f'[sinks.out]\ntype = "file"\npath = "{self._folder}/out.jsonl"\ninputs = ["*"]\n'
        self._config.write_text((self._bus if bus else "") + quiet + sink)

    @property
    def log(self) -> str:
        """What it printed."""
        return self._log.read_text()

    def reload(self) -> None:
        """SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Whatever happened."""
        self.process.kill()
        self.process.communicate(timeout=START_SECS)

    async def ended(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 30)


async def test_a_run_ends_well_while_the_broker_is_away(wanderer: Wanderer, tmp_path: Path) -> None:
    """SIGTERM without a broker: the summary and exit code 0. A reload that removes the source says so, and the next one works."""
    async with Topics(wanderer.broker.address) as topics:
        topic = await topics.make(3)
    await fill(wanderer, topic, 0, 100)
    runs = []
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
        runs.append(Process(tmp_path / name, wanderer, topic))  # its standard input stays open: nothing to read, and no end
    stays, leaves, other = runs
    try:
        await until_async(lambda: all("partitions assigned" in run.log for run in runs), LONGEST_SECS)
        await wanderer.leave()
        await until_async(lambda: all("no contact with any broker since" in run.log for run in runs), LONGEST_SECS)
        leaves.write(bus=False)
        leaves.reload()
        await until_async(lambda: leaves.log.count("reloaded") == 1)
        leaves.reload()
        await until_async(lambda: leaves.log.count("reloaded") == 2)
        began = time.monotonic()
        codes = [await run.ended() for run in (stays, leaves, other)]
    finally:
        for run in runs:
            run.kill()
    logs = "\n".join(run.log for run in runs)
    assert codes == [0, 0, 0], logs
    assert "Traceback" not in logs
    assert "Task was destroyed" not in logs
    assert time.monotonic() - began < START_SECS
    for run in runs:
        assert run.log.rstrip().splitlines()[-1].strip(), "a summary"
