"""The ``kafka`` source: a consumer group's share of some topics, as events. At least once, end to end.

In: records. Out: batches of events. An offset is committed only when everything before it is acknowledged: delivered, dead-
lettered or discarded on purpose by the pipeline. While the engine holds the source back nothing is fetched, and the group is
told that we live. When the group takes partitions away, what is under way is waited for and committed first, for a bounded
time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from functools import partial
from typing import Annotated, Literal

import anyio
from pydantic import Field

from pipeline.api import Context, EventBatch, Source
from pipeline.cancellation import guarded
from pipeline.codecs.options import DecodingOptions
from pipeline.codecs.registry import decoder
from pipeline.kafka.connection import ConnectionOptions
from pipeline.kafka.ending import finish
from pipeline.sources.kafka.consumer import CommitFailed, Consumer
from pipeline.sources.kafka.offsets import Offsets, Partition
from pipeline.sources.kafka.records import Record, decoded

POLL_SECS = 1.0
"""How long one poll waits for records; then an empty batch lets the engine look at its timers."""

MOST_RECORDS = 500
"""Records of one batch: decoding them keeps the loop for about 2 ms."""

REVOKE_SHARE = 0.5
"""Part of the rebalance timeout for which we wait until what is under way is acknowledged."""

LAST_COMMIT_SECS, TASKS_SECS = 1.5, 0.2
"""At the end; the engine leaves a source behind after 5 s."""


class KafkaSourceConfig(ConnectionOptions):
    """Options of the `kafka` source."""

    topics: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=249)], ...], Field(min_length=1)]
    """Topics to read."""
    group_id: Annotated[str, Field(min_length=1)]
    """Consumer group: all workers of one group share the partitions, each record goes to one of them."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a group begins that has not committed anything yet."""
    decoding: DecodingOptions = DecodingOptions()
    """How records were written."""
    commit_interval_secs: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """How often acknowledged offsets are committed. What was not committed is delivered again after a crash."""
    session_timeout_secs: Annotated[float, Field(ge=1, le=1800)] = 10.0
    """How soon the group gives away the partitions of a worker that died."""
    rebalance_timeout_secs: Annotated[float, Field(ge=1, le=3600)] = 20.0
    """How long the group waits for its members when partitions are rebalanced."""
    # One fetch per partition waits in memory; 100 partitions are 25 MiB.
    max_partition_fetch_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 256 << 10
    """Most bytes of one partition that are fetched ahead; a larger record is fetched alone."""


class KafkaSource(Source):
    """Reads events from Kafka as a member of a consumer group."""

    api_version = 1
    of_this_host = False
    Config = KafkaSourceConfig

    def __init__(self, config: KafkaSourceConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._decode = decoder(config.decoding).decode
        self._offsets = Offsets()
        self._consumer = Consumer(config, config.topics, _arguments(config), self)
        self._polling = asyncio.Lock()
        self._ahead: list[dict[Partition, list[Record]]] = []
        self._waiting = True
        self._on_hold = False
        self._failure: Exception | None = None
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Join the group."""
        await self._consumer.start()
        keep_contact = partial(self._consumer.keep_contact, self._context.trouble)
        background = (self._stay_alive, self._commit_now_and_then, keep_contact)
        self._tasks = [asyncio.create_task(self._watched(work)) for work in background]

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Events as they come; an empty batch now and then when none do."""
        while True:
            if self._failure is not None:
                raise self._failure
            async with self._polling:
                found = self._ahead.pop(0) if self._ahead else await self._consumer.poll(MOST_RECORDS, POLL_SECS)
            batch = self._batch(found)
            self._waiting = False
            yield batch
            self._waiting = True
            if self._on_hold:
                self._on_hold = False
                self._consumer.go_on()

    async def acknowledge(self, position: object) -> None:
        """Everything up to this batch is acknowledged: its offsets are committed soon."""
        if isinstance(position, int):
            self._offsets.acknowledge(position)
            self._moved.set()

    async def aclose(self) -> None:
        """Commit what is acknowledged and leave the group."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            with anyio.move_on_after(LAST_COMMIT_SECS, shield=True):
                await self._commit()
        await self._consumer.stop()
        if tasks:  # they had their time meanwhile
            await finish(asyncio.wait(tasks), TASKS_SECS)

    # ---- the group's side --------------------------------------------------------------------------------------------------

    async def assigned(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours now."""
        self._offsets.assign(partitions)
        self._context.log.info("partitions assigned", extra={"partitions": _names(partitions)})

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """These partitions are taken away: wait for what is under way, for a bounded time, and commit it."""
        self._ahead.clear()  # not handed out yet: their next owner reads them
        with anyio.move_on_after(self._config.rebalance_timeout_secs * REVOKE_SHARE) as waited:
            while self._offsets.unacknowledged(partitions):
                self._moved.clear()
                await self._moved.wait()
        if waited.cancelled_caught:
            self._context.log.warning(
                "partitions were revoked before their events were acknowledged; those events will be delivered again"
            )
        await self._commit()
        self._offsets.revoke(partitions)
        if partitions:
            self._context.log.info("partitions revoked", extra={"partitions": _names(partitions)})

    # ---- inside ------------------------------------------------------------------------------------------------------------

    def _batch(self, found: dict[Partition, list[Record]]) -> EventBatch:
        ours = {Partition(*each): records for each, records in found.items() if self._offsets.owns(Partition(*each))}
        records = [record for part in ours.values() for record in part]
        events, bad = decoded(records, self._decode)
        if bad:
            self._context.count("undecodable_records", len(bad))
        number = self._offsets.hand_out({each: part[-1].offset + 1 for each, part in ours.items()})
        return EventBatch(events, number, bad)

    async def _watched(self, work: Callable[[], Awaitable[None]]) -> None:
        """What goes wrong in the background goes wrong in ``batches``, when it is asked again."""
        try:
            await guarded(work())
        except Exception as error:  # noqa: BLE001  whatever it is
            self._failure = error

    async def _stay_alive(self) -> None:
        """While the engine holds us back: stop fetching, but poll, or the group thinks that we are stuck."""
        while True:
            await asyncio.sleep(POLL_SECS)
            if self._waiting:  # batches() polls itself
                continue
            async with self._polling:
                if not self._waiting:
                    self._on_hold = True
                    self._consumer.hold()
                    found = await self._consumer.poll(1, 0)
                    if found:  # of a partition that was assigned a moment ago
                        self._ahead.append(found)

    async def _commit_now_and_then(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            await self._commit()
            await asyncio.sleep(self._config.commit_interval_secs)

    async def _commit(self) -> None:
        offsets = self._offsets.to_commit()
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except CommitFailed as error:
            self._context.count("failed_commits", 1)
            if error.lost:
                self._offsets.committed(offsets)
            else:
                self._context.log.warning("offsets were not committed and are tried again", extra={"error": str(error)})
                self._moved.set()
        else:
            self._offsets.committed(offsets)


def _arguments(config: KafkaSourceConfig) -> dict[str, object]:
    """What only a consumer has. The answer to a request to join comes when all members have joined: allow for that."""
    joining_secs = config.rebalance_timeout_secs + 5
    return {
        "request_timeout_ms": int(max(config.request_timeout_secs, joining_secs) * 1000),
        "group_id": config.group_id,
        "auto_offset_reset": config.start,
        "session_timeout_ms": int(config.session_timeout_secs * 1000),
        "heartbeat_interval_ms": int(config.session_timeout_secs * 1000 / 3),
        "rebalance_timeout_ms": int(config.rebalance_timeout_secs * 1000),
        "max_partition_fetch_bytes": config.max_partition_fetch_bytes,
        "isolation_level": "read_committed",
    }


def _names(partitions: Collection[Partition]) -> str:
    return ", ".join(f"{each.topic}/{each.partition}" for each in sorted(partitions))
