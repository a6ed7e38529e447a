"""The ``kafka`` sink: events to the partitions of a topic, each where Kafka's own clients would put its key.

In: batches of the engine. Out: records, in the order of each key. The engine owns retry; the sink never drops an event: what
it cannot deliver it hands back with the reason.
"""

import itertools
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.api import Context, Event, NotConnected, Sink
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.kafka.connection import ConnectionOptions
from pipeline.sinks.kafka.produce_round import Route
from pipeline.sinks.kafka.producer import Compression, Producer
from pipeline.sinks.kafka.routing import compile_routing, key_field
from pipeline.sinks.kafka.write import Write
from pipeline.sinks.overflow import overflows_counted

SCHEMA_VERSION = b"1"
"""Of the field table: raised when a field changes its meaning or its type."""

ROUND_BYTES = {"none": 1 << 20, "snappy": 1 << 20, "zstd": 1 << 20, "lz4": 192 << 10, "gzip": 64 << 10}
"""How many bytes may be compressed in one go, so that the event loop stands still for less than 5 ms. Measured on HTTP exchanges
of 870 bytes: zstd 2 ms for 1 MiB, lz4 (at the level that aiokafka asks for) 2.6 ms for 192 KiB, gzip 3 ms for 64 KiB."""

UNFINISHED_WRITES = 64
"""As many as ``max_in_flight`` allows."""


class KafkaSinkConfig(ConnectionOptions):
    """Options of the `kafka` sink."""

    topic: Annotated[str, Field(min_length=1)]
    """Topic to write to. A template such as `http-{{server.address}}` makes it depend on the event: it must begin with literal text, and what it inserts is made harmless."""  # noqa: E501  one line of the generated page
    key: str = "httpipe.connection"
    """Field or template that gives the record's key: events of one key keep their order. Empty: no key, spread evenly."""
    encoding: EncodingOptions = EncodingOptions()
    """How events are written."""
    acks: Literal[0, 1, "all"] = "all"
    """Whose word counts as delivered: nobody's, that of the partition's leader, or that of all replicas in sync."""
    enable_idempotence: bool = True
    """Let the brokers drop what a retry sends twice. Needs `acks = "all"`."""
    compression: Compression = "zstd"
    """How record batches are compressed."""
    headers: Annotated[dict[str, str], Field(max_length=32)] = Field(default_factory=dict)
    """Headers added to every record beside `content-type` and `httpipe-schema`."""
    # Kafka's own limit for producers and brokers (max.request.size, message.max.bytes) is 1 MiB.
    max_record_bytes: Annotated[int, Field(ge=1024, le=64 << 20)] = 1 << 20
    """Largest record, key and headers included, before compression; larger ones go to the dead letter."""
    delivery_timeout_secs: Annotated[float, Field(ge=1, le=86_400)] = 120.0
    """How long one connection to the cluster goes on trying to deliver a batch before a new one is made. A new one may deliver twice what the old one had sent without an answer."""  # noqa: E501

    @model_validator(mode="after")
    def _idempotence_needs_all(self) -> Self:
        if self.enable_idempotence and self.acks != "all":
            raise ValueError(
                f'acks = {self.acks} stands against enable_idempotence = true; write enable_idempotence = false, or acks = "all"'
            )
        return self


class KafkaSink(Sink):
    """Writes events to Kafka."""

    api_version = 1
    Config = KafkaSinkConfig
    requires = ("aiokafka",)

    def __init__(self, config: KafkaSinkConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._topic, key = compile_routing(config.topic, config.key, context)
        chosen = codec(config.encoding)
        headers = {"content-type": "application/json" if chosen.text else chosen.content_type, **config.headers}
        round_bytes = ROUND_BYTES[config.compression]
        self._route = Route(
            encode_each=chosen.encode_each,
            key=key,
            key_attribute=field.attribute if (field := key_field(config.key)) is not None else None,
            topic=self._topic.of,
            literal_topic=self._topic.literal,
            headers=[("httpipe-schema", SCHEMA_VERSION), *((name, value.encode()) for name, value in headers.items())],
            round_bytes=round_bytes,
            max_record_bytes=config.max_record_bytes,
            # Long enough for one request to time out and be repeated; below the engine's write_timeout_secs of 30.
            patience_secs=config.request_timeout_secs + 5,
            delivery_timeout_secs=config.delivery_timeout_secs,
            renew_on_failure=config.enable_idempotence,
        )
        self._producer = Producer(
            config,
            acks=config.acks,
            enable_idempotence=config.enable_idempotence,
            compression=config.compression,
            batch_bytes=round_bytes + config.max_record_bytes,
            delivery_timeout_secs=config.delivery_timeout_secs,
            tell=context.trouble,
        )
        self._unfinished: list[Write] = []
        self._count = itertools.count()

    async def open(self) -> None:
        """Connect. Raises ``NotConnected`` that says what is wrong with each broker."""
        await self._producer.start()

    async def healthcheck(self) -> None:
        """Raise when the topic cannot be written to. Topics made by a template are only known when events come."""
        topic = self._topic.literal
        if topic is None or await self._producer.partitions(topic):
            return
        if self._producer.denied(topic):
            raise NotConnected(f'topic "{topic}" may not be seen by this user')
        raise NotConnected(f'topic "{topic}" does not exist at {self._config.bootstrap_servers}')

    async def write(self, batch: Sequence[Event]) -> None:
        """Deliver the batch; the same batch after ``BackOff`` goes on where it was."""
        write = next((each for each in self._unfinished if each.same(batch)), None)
        if write is None:
            write = Write(batch, self._route, self._producer, next(self._count))
        else:
            self._unfinished.remove(write)
        try:
            with overflows_counted(self._context, "topic_overflow_events", self._topic.overflows, batch):
                await write.run()
        finally:
            if write.under_way:
                self._unfinished = [*self._unfinished[-UNFINISHED_WRITES:], write]

    async def aclose(self) -> None:
        """Deliver what is under way, for a moment, and disconnect."""
        self._unfinished = []
        await self._producer.stop()
