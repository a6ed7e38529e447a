"""Topics for tests: made with a name of their own, and read whole by a consumer that is not httpipe's source."""

import asyncio
import itertools
import os
from typing import Any, Self

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.structs import ConsumerRecord

_number = itertools.count()

MOCK_PARTITIONS = 4


class Topics:
    """Makes topics and reads them."""

    def __init__(self, bootstrap: str, *, mock: bool = False) -> None:
        self._bootstrap = bootstrap
        self._mock = mock
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()

    async def make(self, partitions: int = 4, replicas: int = 1, **configs: Any) -> str:
        """A new topic; it has a leader for each partition when this returns."""
        name = f"t{os.getpid()}-{next(_number)}"
        if self._mock:
            if partitions == 1 or configs:
                pytest.skip("the mock cluster's topics have four partitions and no options")
            await self._led(name, MOCK_PARTITIONS)  # asking for it makes it
            return name
        settings = {key.replace("_", "."): str(value) for key, value in configs.items()}
        new = NewTopic(name, partitions, replicas, topic_configs=settings)
        made = await self._admin.create_topics([new], timeout_ms=10_000)
        assert not any(code for _, code, *_ in made.topic_errors), made
        await self._led(name, partitions)
        return name

    async def grow(self, topic: str, partitions: int) -> None:
        """More partitions."""
        await self._admin.create_partitions({topic: NewPartitions(partitions)})
        await self._led(topic, partitions)

    async def partitions(self, topic: str) -> int:
        """How many the topic has."""
        (described,) = await self._admin.describe_topics([topic])
        return len(described["partitions"])

    async def _led(self, topic: str, partitions: int) -> None:
        async with asyncio.timeout(20):
            while True:
                (described,) = await self._admin.describe_topics([topic])
                leaders = [one for one in described["partitions"] if one["leader"] >= 0]
                if len(leaders) == partitions:
                    return
                await asyncio.sleep(0.05)

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """All records, each partition in its order."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False, request_timeout_ms=10_000)
        await consumer.start()
        try:
            (described,) = await self._admin.describe_topics([topic])
            partitions = [TopicPartition(topic, one["partition"]) for one in described["partitions"]]
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            records: list[ConsumerRecord] = []
            async with asyncio.timeout(60):
                while any([await consumer.position(each) < ends[each] for each in partitions]):
                    for found in (await consumer.getmany(timeout_ms=500, max_records=50_000)).values():
                        records += found
            return records
        finally:
            await consumer.stop()
