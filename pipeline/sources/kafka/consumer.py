"""The consumer: aiokafka behind a few verbs. Start, poll, hold, commit, stop. One of the two homes of aiokafka.

In: options, and whom to notify when the group gives or takes partitions. Out: records by partition. It never commits by itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from pipeline.errors import CaptureError, NotConnected
from pipeline.kafka.connection import INSTALL, ConnectionOptions
from pipeline.kafka.contact import Contact
from pipeline.kafka.ending import finish, patiently
from pipeline.kafka.findings import DENIED, LOGIN_ERRORS, quiet, unreachable
from pipeline.sources.kafka.offsets import Partition
from pipeline.sources.kafka.records import Record

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

STOP_SECS, ABANDON_SECS = 2.5, 0.2
"""Leaving the group takes one request; the engine leaves a source behind after 5 s."""


class Group(Protocol):
    """Who is notified about partitions."""

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """These are taken away when this returns."""

    async def assigned(self, partitions: Collection[Partition]) -> None:
        """These are ours."""


class CommitFailed(Exception):  # noqa: N818  says what happened
    """The offsets were not taken. ``lost``: the group has moved on, so they never will be."""

    def __init__(self, message: str, *, lost: bool) -> None:
        self.lost = lost
        super().__init__(message)


class Consumer:
    """A member of a consumer group."""

    def __init__(self, options: ConnectionOptions, topics: Sequence[str], extra: Mapping[str, Any], group: Group) -> None:
        self._options = options
        self._topics = tuple(topics)
        self._extra = dict(extra)
        self._group = group
        self._kafka: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Join the group. Raises ``CaptureError`` that says which broker, login or topic is at fault."""
        try:
            from aiokafka import AIOKafkaConsumer  # noqa: PLC0415  0.15 s and an optional dependency: only who uses it pays
            from aiokafka.conn import create_conn  # noqa: PLC0415
            from aiokafka.errors import KafkaError  # noqa: PLC0415
        except ImportError as error:
            raise CaptureError("aiokafka is not installed", remedy=INSTALL) from error
        quiet()
        try:
            arguments = await anyio.to_thread.run_sync(self._options.arguments)
        except (OSError, UnicodeError) as error:
            raise CaptureError(f"cannot read what tls or sasl names: {error}") from error
        await self._look_for_topics(arguments)
        kafka = AIOKafkaConsumer(enable_auto_commit=False, **(arguments | self._extra))
        kafka.subscribe(self._topics, listener=_listener(self._group))
        try:
            await patiently(self._started(kafka))
        except (KafkaError, OSError) as error:
            found = await unreachable(self._options, create_conn, arguments)
            raise self._refusal(error, found) from error
        else:
            self._kafka = kafka
        finally:
            if self._kafka is not kafka:
                await _stopped(kafka)

    async def _started(self, kafka: "AIOKafkaConsumer") -> None:
        with anyio.fail_after(self._options.request_timeout_secs + STOP_SECS):
            await kafka.start()

    async def _look_for_topics(self, arguments: Mapping[str, Any]) -> None:
        """A consumer waits long for a topic that does not exist, and asking for it may create it: look first."""
        from aiokafka.client import AIOKafkaClient  # noqa: PLC0415
        from aiokafka.conn import create_conn  # noqa: PLC0415
        from aiokafka.errors import KafkaError  # noqa: PLC0415

        client = AIOKafkaClient(**arguments)
        existing: set[str] = set()

        async def ask() -> None:
            with anyio.fail_after(self._options.request_timeout_secs + STOP_SECS):
                await client.bootstrap()
                existing.update((await client.fetch_all_metadata()).topics())

        try:
            await patiently(ask())
        except (KafkaError, OSError) as error:
            raise self._refusal(error, await unreachable(self._options, create_conn, arguments)) from error
        finally:
            await finish(client.close(), STOP_SECS)
        missing = ", ".join(f'"{topic}"' for topic in self._topics if topic not in existing)
        if missing:
            where = self._options.bootstrap_servers
            raise CaptureError(
                f"no topic {missing} at {where}, or none that this user may see", remedy="create it, or correct `topics`"
            )

    def _refusal(self, error: Exception, found: Sequence[str]) -> CaptureError:
        name = type(error).__name__
        topics = ", ".join(f'"{topic}"' for topic in self._topics)
        if found:
            return CaptureError("; ".join(found), denied=any("refused by broker" in each and "login" in each for each in found))
        if name in DENIED or name in LOGIN_ERRORS:
            return CaptureError(f"not allowed to read {topics}: {error}", denied=True)
        return CaptureError(f"cannot join the consumer group: {name} {error}".rstrip())

    async def poll(self, most: int, secs: float) -> dict[Partition, list[Record]]:
        """The next records, waiting so long for the first. Raises what cannot be got over."""
        kafka = self._kafka
        if kafka is None:
            raise NotConnected("not connected to Kafka")  # after a restart that failed: the engine tries again, with backoff
        found: dict[Partition, list[Record]] = await kafka.getmany(timeout_ms=int(secs * 1000), max_records=most)
        return found

    def hold(self) -> None:
        """Fetch no more for now."""
        if self._kafka is not None:
            self._kafka.pause(*self._kafka.assignment())

    def go_on(self) -> None:
        """Fetch again."""
        if self._kafka is not None:
            self._kafka.resume(*(self._kafka.paused() & self._kafka.assignment()))

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Tell the group how far we are; raises ``CommitFailed``."""
        if self._kafka is None:
            raise CommitFailed("not connected", lost=True)
        from aiokafka import TopicPartition  # noqa: PLC0415
        from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError  # noqa: PLC0415

        try:
            await self._kafka.commit({TopicPartition(*each): offset for each, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError) as error:
            raise CommitFailed(f"{type(error).__name__}", lost=True) from error
        except KafkaError as error:
            raise CommitFailed(f"{type(error).__name__} {error}".rstrip(), lost=False) from error

    async def keep_contact(self, tell: Callable[[str], None]) -> None:
        """Look for the cluster when no broker answers any more, and tell; for ever."""
        if self._kafka is not None:
            await Contact(self._kafka._client, self._options, tell).keep()  # noqa: SLF001  see contact

    async def stop(self) -> None:
        """Leave the group. Safe twice; the end is not put off by cancellation."""
        kafka, self._kafka = self._kafka, None
        if kafka is not None:
            await _stopped(kafka)


async def _stopped(kafka: "AIOKafkaConsumer") -> None:
    """Leave the group. Where no broker answers, end without: what is left behind would go on, and join the group once it can."""
    if await finish(kafka.stop(), STOP_SECS):
        return
    coordinator, fetcher = kafka._coordinator, kafka._fetcher  # noqa: SLF001  there is no other way to end them
    if coordinator is not None:
        coordinator._coordination_task.cancel()  # noqa: SLF001
        await finish(coordinator._stop_heartbeat_task(), ABANDON_SECS)  # noqa: SLF001
        await finish(coordinator._stop_commit_offsets_refresh_task(), ABANDON_SECS)  # noqa: SLF001
    if fetcher is not None:
        await finish(fetcher.close(), ABANDON_SECS)
    await finish(kafka._client.close(), ABANDON_SECS)  # noqa: SLF001


def _listener(group: Group) -> Any:  # noqa: ANN401  aiokafka's type
    from aiokafka.abc import ConsumerRebalanceListener  # noqa: PLC0415

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
            await group.revoked([Partition(*each) for each in revoked])

        async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
            await group.assigned([Partition(*each) for each in assigned])

    return Listener()
