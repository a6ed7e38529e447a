"""Brokers for the tests here: Apache Kafka itself; where Java or Maven is missing, librdkafka's mock cluster, saying so.

With CI=true the stand-in is a failure. What only a real broker can show asks for ``cluster`` and is skipped without one.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from kafka_cluster import Cluster, make_cluster
from kafka_distribution import NotAvailable, jars
from kafka_reader import Topics

MOCK = Path(__file__).with_name("kafka_mock.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a broker."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def why_no_kafka() -> str:
    """Why Apache Kafka cannot be had here; empty where it can."""
    try:
        jars()
    except NotAvailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must use the real broker: {reason}")
        return str(reason)
    return ""


@pytest.fixture(scope="session")
def cluster(why_no_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One real broker with every kind of listener."""
    if why_no_kafka:
        pytest.skip(f"needs Apache Kafka: {why_no_kafka}")
    made = make_cluster(tmp_path_factory.mktemp("kafka"), secure=True)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def three(why_no_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three real brokers."""
    if why_no_kafka:
        pytest.skip(f"needs Apache Kafka: {why_no_kafka}")
    made = make_cluster(tmp_path_factory.mktemp("kafka-three"), 3)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def bootstrap(why_no_kafka: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Addresses of a broker: the real one, else the mock."""
    if not why_no_kafka:
        yield request.getfixturevalue("cluster").bootstrap
        return
    pytest.importorskip("confluent_kafka", reason=f"no Apache Kafka ({why_no_kafka}) and no mock either")
    sys.stderr.write(f"\nKafka tests run on librdkafka's mock cluster: {why_no_kafka}\n")
    with subprocess.Popen([sys.executable, str(MOCK), "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
async def topics(bootstrap: str, why_no_kafka: str) -> AsyncIterator[Topics]:
    """Makes topics and reads them whole."""
    async with Topics(bootstrap, mock=bool(why_no_kafka)) as made:
        yield made
