"""The shipped contracts, run on the Kafka sink and the Kafka source with a real broker."""

import asyncio
import json
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka_cluster import Cluster
from kafka_events import numbered
from kafka_reader import Topics

from pipeline.api import Context
from pipeline.codecs.registry import codec
from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig
from pipeline.sources.kafka.source import KafkaSource, KafkaSourceConfig
from pipeline.testing.sink_contract import sink_contract
from pipeline.testing.source_contract import source_contract

BROKER: list[Cluster] = []
"""The broker of these tests: the contracts hand a folder only."""


@pytest.fixture(scope="module", autouse=True)
def broker(cluster: Cluster) -> Iterator[None]:
    """Let ``make`` and its like know the broker."""
    BROKER[:] = [cluster]
    yield
    BROKER.clear()


def elsewhere(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end in a loop of its own: the contracts call plain functions inside theirs."""
    thread = threading.Thread(target=asyncio.run, args=(work,))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def topic_of(folder: Path) -> str:
    """The folder's own topic, made when it is first asked for."""
    note = folder / "topic"
    if not note.exists():
        elsewhere(_make_topic(note))
    return note.read_text()


async def _make_topic(note: Path) -> None:
    async with Topics(BROKER[0].bootstrap) as topics:
        # One of the contract's events is of the year 2116: by its own time it would be refused.
        note.write_text(await topics.make(1, message_timestamp_type="LogAppendTime"))  # noqa: ASYNC240  nothing else runs in this loop


def make_sink(folder: Path) -> KafkaSink:
    """A sink for the folder's topic."""
    options = {"bootstrap_servers": BROKER[0].bootstrap, "topic": topic_of(folder), "request_timeout_secs": 1, "key": ""}
    options["max_record_bytes"] = 64 << 20  # the contract's huge events are megabytes of one letter: the broker sees kilobytes
    return KafkaSink(KafkaSinkConfig.model_validate(options), Context("contract"))


def received(folder: Path) -> list[int]:
    """Numbers in the folder's topic, in its order."""
    command = ["kcat", "-C", "-b", BROKER[0].bootstrap, "-t", topic_of(folder), "-e", "-q"]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout.splitlines()
    return [json.loads(line)["httpipe.sequence"] for line in lines]


@asynccontextmanager
async def down(folder: Path) -> AsyncIterator[None]:
    """The broker answers nobody."""
    topic_of(folder)
    BROKER[0].broker(1).signal(signal.SIGSTOP)
    try:
        yield
    finally:
        BROKER[0].broker(1).signal(signal.SIGCONT)


def prepare(folder: Path) -> None:
    """Something to read."""
    elsewhere(_fill(topic_of(folder)))


async def _fill(topic: str) -> None:
    encode = codec("json").encode
    async with AIOKafkaProducer(bootstrap_servers=BROKER[0].bootstrap) as producer:
        for event in numbered(3000):
            await producer.send(topic, encode(event))


def make_source(folder: Path) -> KafkaSource:
    """A source that reads it, in a group of its own each time, so that it never waits for one before that died."""
    group = f"{folder.name}-{next(_groups)}"
    options = {"bootstrap_servers": BROKER[0].bootstrap, "topics": [topic_of(folder)], "group_id": group}
    return KafkaSource(KafkaSourceConfig.model_validate(options), Context("contract"))


_groups = iter(range(1_000_000))

TestKafkaSink = sink_contract(make_sink, received=received, down=down)
TestKafkaSource = source_contract(make_source, prepare=prepare)
