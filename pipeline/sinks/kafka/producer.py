"""The producer: aiokafka behind five verbs. Start, build, submit, stop, abandon. One of the two homes of aiokafka.

In: built record batches. Out: one future each. It never retries on its own account; what aiokafka does beneath is this:

* With idempotence a batch is retried for ever under the same producer id and sequence number, so the broker drops repeats. A
  batch that fails for good leaves a gap in the sequence of its partition, and all later ones are refused
  (OutOfOrderSequenceNumber): whoever sees a failure must ``renew``. The same heals aiokafka's sequence numbers, which become
  negative after 2³¹ records of one partition where Kafka's wrap to 0.
* Even so it gives up a batch whose partition has had no leader for its time to live, which is ``request_timeout_ms``, also when
  the batch was sent before and may have been taken. Its time to live is raised to ``delivery_timeout_secs``.
* All record batches that are waiting for one broker are compressed in one go, in the event loop: the caller bounds their sum.
* ``stop`` flushes first, for ever if the broker is away, and a sender that is cancelled waits for its requests: so sends are
  tracked here and ``abandon`` ends them one by one. That, and building a batch of a size of one's own, touches names with an
  underscore; pyproject.toml bounds the version for it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread

from pipeline.errors import NotConnected
from pipeline.kafka.connection import INSTALL, ConnectionOptions
from pipeline.kafka.contact import Contact
from pipeline.kafka.ending import finish, patiently
from pipeline.kafka.findings import quiet, unreachable

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]

FLUSH_SECS, STOP_SECS, CONTACT_SECS = 2.0, 1.0, 0.2
"""How long a stop may flush, then end what is left, then disconnect; the engine leaves a sink behind after 5 s."""

START_SECS = 3.0
"""What a start may take beyond the time-out of its requests: asking for a producer id is tried for ever."""

TOPIC_SECS = 3.0
"""How long to wait for the metadata of a topic that was not seen before."""

ASK_AGAIN_SECS = 0.1

ABSENT_SECS = 10.0
NONEXISTENT_SECS = 60.0
"""For so long a topic that was not found is not looked for again; longer where brokers have said that there is none."""


class RecordBatch:
    """An empty record batch. ``add(offset, time_ms, key, value, headers)``, the offset counted from 0 by the caller.

    ``add`` is the inside of aiokafka's ``BatchBuilder.append``, which costs 0.4 µs a record around it.
    """

    __slots__ = ("add", "built")

    def __init__(self, built: Any) -> None:  # noqa: ANN401  aiokafka's BatchBuilder, which has no types
        self.built = built
        self.add: Callable[[int, int, bytes | None, bytes, list[tuple[str, bytes]]], object] = built._builder.append  # noqa: SLF001


class Producer:
    """A connection to a cluster for writing."""

    def __init__(  # noqa: PLR0913  one for each thing that Kafka lets a producer choose
        self,
        options: ConnectionOptions,
        *,
        acks: int | str,
        enable_idempotence: bool,
        compression: Compression,
        batch_bytes: int,
        delivery_timeout_secs: float,
        tell: Callable[[str], None],
    ) -> None:
        self._options = options
        self._extra = {
            "acks": acks,
            "enable_idempotence": enable_idempotence,
            "compression_type": None if compression == "none" else compression,
            "max_batch_size": batch_bytes,
        }
        self._delivery_timeout_secs = delivery_timeout_secs
        self._tell = tell
        self._absent: dict[str, float] = {}
        self._nonexistent: set[str] = set()
        self._most: dict[str, int] = {}
        self._kafka: AIOKafkaProducer | None = None
        self._sends: set[asyncio.Task[Any]] = set()
        self._contact: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises ``NotConnected`` that names what is wrong with each broker."""
        try:
            from aiokafka import AIOKafkaProducer  # noqa: PLC0415  0.15 s and an optional dependency: only who uses it pays
            from aiokafka.conn import create_conn  # noqa: PLC0415
            from aiokafka.errors import KafkaError  # noqa: PLC0415
        except ImportError as error:
            raise NotConnected(INSTALL) from error
        quiet()
        try:
            arguments = await anyio.to_thread.run_sync(self._options.arguments)
        except (OSError, UnicodeError) as error:
            raise NotConnected(f"cannot read what tls or sasl names: {error}") from error
        kafka = AIOKafkaProducer(**arguments, **self._extra)
        self._track(kafka)
        if self._extra["enable_idempotence"]:
            kafka._message_accumulator._batch_ttl = self._delivery_timeout_secs  # noqa: SLF001  see the module's docstring
        try:
            await patiently(self._started(kafka))
        except (KafkaError, OSError) as error:
            connection = {name: value for name, value in arguments.items() if name in _PROBE_ARGUMENTS}
            found = await unreachable(self._options, create_conn, connection)
            raise NotConnected("; ".join(found) or f"the cluster is not ready: {type(error).__name__} {error}") from error
        else:
            self._kafka = kafka
            if self._most:
                kafka.client.set_topics(self._most)
            self._contact = asyncio.create_task(Contact(kafka.client, self._options, self._tell).keep())
        finally:
            if self._kafka is not kafka:  # also when cancelled: nothing of a half-made connection may stay
                await finish(kafka.stop(), STOP_SECS)

    async def _started(self, kafka: "AIOKafkaProducer") -> None:
        with anyio.fail_after(self._options.request_timeout_secs + START_SECS):
            await kafka.start()

    def _track(self, kafka: "AIOKafkaProducer") -> None:
        """Know the task of each request that is under way."""
        sender = kafka._sender  # noqa: SLF001  see the module's docstring
        send = sender._send_produce_req  # noqa: SLF001

        async def tracked(node: int, batches: Mapping[Any, Any]) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._sends.add(task)
                task.add_done_callback(self._sends.discard)
            await send(node, batches)

        sender._send_produce_req = tracked  # noqa: SLF001

    @property
    def started(self) -> bool:
        """Whether there is a connection."""
        return self._kafka is not None

    def known_partitions(self, topic: str) -> int:
        """How many partitions the topic has, as far as is known; 0 where it is not."""
        return len(self._connected().client.cluster.partitions_for_topic(topic) or ())

    async def look_for(self, topics: Iterable[str]) -> None:
        """Ask for all of these at once; those that do not exist are known not to for some seconds."""
        await asyncio.gather(*(self.partitions(topic) for topic in topics))

    async def partitions(self, topic: str) -> int:
        """How many partitions the topic has, asking the cluster; 0 where it does not exist or may not be seen."""
        known, now = self.known_partitions(topic), time.monotonic()
        if known >= self._most.get(topic, 1):
            if topic not in self._most:  # known from a look at all of them; from now on only what is written to is asked for
                self._connected().client.add_topic(topic)
            self._most[topic] = known
            return known
        # Unknown; or fewer than before: a broker that has not heard yet that the topic has grown. Believing it would send a key
        # back to its old partition.
        if self._absent.get(topic, 0.0) > now:
            return known
        client = self._connected().client
        answered = False
        with contextlib.suppress(Exception), anyio.move_on_after(TOPIC_SECS):  # whatever the reason, it stays unknown
            await client.add_topic(topic)
            while (known := self.known_partitions(topic)) < self._most.get(topic, 1) and not self.denied(topic):
                await asyncio.sleep(ASK_AGAIN_SECS)
                answered = await client.force_metadata_update()
        if known:
            self._most[topic] = known  # recreated with fewer partitions, if they are fewer
            return known
        self._absent = {name: until for name, until in self._absent.items() if until > now}
        self._nonexistent &= self._absent.keys()
        if answered and topic not in self._most:
            self._nonexistent.add(topic)
        self._absent[topic] = now + (NONEXISTENT_SECS if topic in self._nonexistent else ABSENT_SECS)
        return known

    def nonexistent(self, topic: str) -> bool:
        """Whether brokers have said, as long as they may take to make it, that there is no such topic; and we never saw it."""
        return topic in self._nonexistent or self.denied(topic)

    def denied(self, topic: str) -> bool:
        """Whether the cluster said that this user may not see the topic."""
        return topic in self._connected().client.cluster.unauthorized_topics

    def leader(self, topic: str, partition: int) -> str:
        """The broker that leads a partition, for messages."""
        cluster = self._connected().client.cluster
        node = next(
            (node for node in cluster.brokers() if (topic, partition) in (cluster.partitions_for_broker(node.nodeId) or ())), None
        )
        where = f"broker {node.host}:{node.port}" if node is not None else "any broker"
        return f'{where} (topic "{topic}", partition {partition})'

    def record_batch(self) -> RecordBatch:
        """An empty record batch, large enough for a round and one more record."""
        return RecordBatch(self._connected().create_batch())

    async def submit(self, batch: RecordBatch, records: int, topic: str, partition: int) -> "asyncio.Future[object]":
        """Hand a record batch over; the future ends when the brokers have it or never will."""
        batch.built._relative_offset = records  # noqa: SLF001  see RecordBatch
        future: asyncio.Future[object] = await self._connected().send_batch(batch.built, topic, partition=partition)
        future.add_done_callback(_look)
        return future

    async def renew(self) -> None:
        """Connect again, with a new producer id, after a batch failed for good."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """Deliver what is under way, for a moment, then let go. Safe twice; the end is not put off by cancellation."""
        kafka = self._kafka
        if kafka is None:
            return
        self._kafka = None
        contact, self._contact = self._contact, None
        if contact is not None:
            contact.cancel()
        flushed = await finish(kafka.flush(), FLUSH_SECS)
        if not flushed:
            await finish(self._abandon(kafka), STOP_SECS)
        await finish(kafka.stop(), STOP_SECS)
        if contact is not None:  # it had its time meanwhile
            await finish(asyncio.wait([contact]), CONTACT_SECS)

    async def _abandon(self, kafka: "AIOKafkaProducer") -> None:
        """End the sender and its requests without waiting for brokers; what was under way fails."""
        from aiokafka.errors import KafkaConnectionError  # noqa: PLC0415

        sender = kafka._sender  # noqa: SLF001
        tasks = [task for task in (sender.sender_task, *self._sends) if task is not None]
        for task in tasks:
            task.cancel()
        while unfinished := [task for task in tasks if not task.done()]:
            await asyncio.wait(unfinished, timeout=0.1)
            for task in unfinished:
                task.cancel()  # the sender, once cancelled, waits for its requests: insist
        kafka._message_accumulator.fail_all(KafkaConnectionError("abandoned"))  # noqa: SLF001

    def _connected(self) -> "AIOKafkaProducer":
        if self._kafka is None:
            raise NotConnected("not connected to Kafka")
        return self._kafka


_PROBE_ARGUMENTS = frozenset(
    {
        "client_id", "request_timeout_ms", "security_protocol", "ssl_context", "sasl_mechanism", "sasl_plain_username",
        "sasl_plain_password", "sasl_oauth_token_provider",
    }
)  # fmt: skip


def _look(future: "asyncio.Future[Any]") -> None:
    """A failure is always looked at, so that none is reported as forgotten when a write was cancelled."""
    if not future.cancelled():
        future.exception()
