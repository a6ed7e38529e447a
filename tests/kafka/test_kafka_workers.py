"""The second tier as processes: `httpipe run worker.toml`, several of one group, killed with -9 while exchanges flow."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from aiokafka import AIOKafkaProducer
from kafka_cluster import Cluster
from kafka_events import numbered
from kafka_reader import Topics

from pipeline.codecs.registry import codec
from tests.waiting import until_async

pytestmark = pytest.mark.anyio

HTTPIPE = Path(sys.executable).with_name("httpipe")
EXAMPLE = Path(__file__).parents[2] / "examples" / "worker.toml"


class Worker:
    """One process; its sink is a file."""

    def __init__(self, folder: Path, bootstrap: str, topic: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._read = 0
        self._seen: set[int] = set()
        config = EXAMPLE.read_text().replace('"http-exchanges"', f'"{topic}"')
        config = config.replace("[sources.bus]\n", "[sources.bus]\nsession_timeout_secs = 3\ncommit_interval_secs = 0.2\n")
        (folder / "worker.toml").write_text(config)
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [HTTPIPE, "run", folder / "worker.toml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"KAFKA_SERVERS": bootstrap, "HTTPIPE_DATA": str(folder), "XDG_RUNTIME_DIR": str(folder)},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)

    def seen(self) -> set[int]:
        """Numbers that reached its sink."""
        if self.process.returncode not in (None, -9):
            raise AssertionError((self._folder / "log").read_text())
        with contextlib.suppress(FileNotFoundError), (self._folder / "exchanges.jsonl").open("rb") as lines:
            lines.seek(self._read)
            content = lines.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read += len(whole)
            self._seen.update(json.loads(line)["httpipe.sequence"] for line in whole.splitlines())
        return self._seen


@pytest.fixture
def workers(tmp_path: Path) -> Iterator["Workers"]:
    """Makes workers and ends them."""
    with contextlib.ExitStack() as stack:
        yield Workers(tmp_path, stack)


class Workers:
    """All that were started."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.all: list[Worker] = []

    def start(self, bootstrap: str, topic: str) -> Worker:
        """One more."""
        self.all.append(self._stack.enter_context(Worker(self._folder / f"worker-{len(self.all)}", bootstrap, topic)))
        return self.all[-1]

    def seen(self) -> set[int]:
        """Numbers that reached any sink."""
        return set().union(*(worker.seen() for worker in self.all))


async def test_every_number_arrives_although_workers_are_killed(cluster: Cluster, topics: Topics, workers: Workers) -> None:
    """Two workers, then three, then one, the others killed with -9 under load: every number reaches a sink."""
    bootstrap = cluster.bootstrap
    topic = await topics.make(12)
    sent = 0
    encode = codec("json").encode

    async def flow(producer: AIOKafkaProducer) -> None:
        nonlocal sent
        while True:
            for event in numbered(100, keys=500, start=sent):
                await producer.send(topic, encode(event), key=(event.httpipe_connection or "").encode())
            sent += 100
            await asyncio.sleep(0.05)

    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        flowing = asyncio.create_task(flow(producer))
        first, second = workers.start(bootstrap, topic), workers.start(bootstrap, topic)
        await until_async(lambda: len(first.seen()) > 300 and len(second.seen()) > 300, 40)
        third = workers.start(bootstrap, topic)
        await until_async(lambda: len(third.seen()) > 300, 40)
        first.process.kill()
        second.process.kill()
        first.process.wait(10)
        second.process.wait(10)
        mark = sent
        await until_async(lambda: len([number for number in third.seen() if number > mark]) > 300, 40)
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)
        await producer.flush()
    await until_async(lambda: len(workers.seen()) >= sent, 40)
    assert workers.seen() == set(range(sent))
    third.process.terminate()
    assert await asyncio.to_thread(third.process.wait, 20) == 0, "SIGTERM drains, commits and leaves"
