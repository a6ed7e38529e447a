"""The ``s3`` sink: each batch of the engine becomes one object of a bucket, or one for each folder that its events go to.

In: batches of the engine. Out: objects of JSON lines, Protobuf or Parquet. Nothing is held here: a batch waits in the engine's
queue, in memory or on disk, until it is large or old enough, and is acknowledged when its objects are stored.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

import anyio.to_thread
from pydantic import AfterValidator, Field, model_validator

from pipeline.api import ConfigError, Context, Event, Reject, Sink, SinkDefaults
from pipeline.codecs.options import EncodingOptions, KindName
from pipeline.codecs.registry import codec
from pipeline.codecs.schema import table_fields
from pipeline.errors import SinkSignal
from pipeline.expressions.errors import ExpressionError
from pipeline.model.effects import Needs, effective
from pipeline.model.events.exchange import EXCHANGE
from pipeline.model.events.fields import FieldType
from pipeline.model.events.kinds import kind_named
from pipeline.sinks.compression import SUFFIXES, Compression, compressed
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves
from pipeline.sinks.overflow import overflows_counted
from pipeline.sinks.s3 import parquet
from pipeline.sinks.s3.bucket import Bucket, BucketOptions
from pipeline.sinks.s3.objects import LONGEST_KEY, Keys, name_of, wrong_prefix

PREFIX = "http/year=%Y/month=%m/day=%d/hour=%H"
"""Partitions as Hive has them: Athena, Spark, Trino, DuckDB and ClickHouse find them by themselves."""


def _good_prefix(text: str) -> str:
    if (wrong := wrong_prefix(text)) is not None:
        raise ValueError(wrong)
    return text


ColumnName = Annotated[str, Field(min_length=1, max_length=200)]


class S3Config(BucketOptions):
    """Options of the `s3` sink."""

    prefix: Annotated[str, AfterValidator(_good_prefix)] = PREFIX
    """Beginning of keys, as the `path` of the `file` sink: time tokens take the event's own time in UTC, `{{server.address}}` a value made harmless."""  # noqa: E501  one line of the generated page
    format: Literal["lines", "parquet"] = "lines"
    """`lines`: events as `encoding` says; `parquet`: a file of columns."""
    encoding: EncodingOptions = EncodingOptions()
    """How events are written as `lines`."""
    compression: Compression = "gzip"
    """Of objects; of the columns of a Parquet file."""
    kinds: Annotated[tuple[KindName, ...], Field(min_length=1)] = (EXCHANGE.name,)
    """With `parquet`: kinds of events whose fields are columns. What has no column is left out."""
    columns: Annotated[Mapping[ColumnName, FieldType], Field(max_length=1000)] = Field(default_factory=dict)
    """With `parquet`: further columns, such as `"http.request.header.x-id" = "string[]"`; `string`, `int`, `float`, `bool` or `string[]`."""  # noqa: E501

    @model_validator(mode="after")
    def _format_fits(self) -> Self:
        return effective(
            self,
            Needs(["encoding"], 'format = "lines"', self.format == "lines"),
            Needs(["kinds", "columns"], 'format = "parquet"', self.format == "parquet"),
        )


class S3Sink(Sink):
    """Stores events as objects."""

    api_version = 1
    Config = S3Config
    requires = ("obstore",)
    # 10,000 events are half of a queue in memory and 8 MB of JSON, as others make their objects; after five minutes a small one
    defaults = SinkDefaults(batch_max_events=10_000, batch_max_bytes=16 << 20, batch_timeout_secs=300.0, write_timeout_secs=120.0)

    def __init__(self, config: S3Config, context: Context) -> None:
        self._config = config
        self._context = context
        self._codec = codec(config.encoding)
        try:
            self._keys = Keys(config.prefix, context.attributes)
        except ExpressionError as error:
            raise ConfigError(error.at("prefix")) from error
        self._parquet: parquet.ParquetWriter | None = None
        self._bucket = Bucket(config)

    async def open(self) -> None:
        """Read certificates and credentials; connections are made as they are needed."""
        config = self._config
        if config.format == "parquet":
            known = [kind for kind in map(kind_named, config.kinds) if kind is not None]
            columns = {**table_fields(known, self._context.attributes), **config.columns}
            self._parquet = parquet.ParquetWriter(columns, config.compression)
        await self._bucket.open()

    async def healthcheck(self) -> None:
        """Raise where the bucket is not there, or the credentials are wrong."""
        await self._bucket.check()

    async def write(self, batch: Sequence[Event]) -> None:
        """Store the batch. Raises what is to become of the events that are not in an object."""
        folders = await anyio.to_thread.run_sync(self._keys.by_folder, batch)
        parts = [Part(folder, places) for folder, places in folders.items()]
        with overflows_counted(self._context, "path_overflow_events", self._keys.overflows, batch):
            await deliver(parts, lambda part: self._stored(batch, part), len(batch))

    async def aclose(self) -> None:
        """Let go of all connections."""
        self._bucket.close()

    async def _stored(self, batch: Sequence[Event], part: Part[str]) -> Outcome[str]:
        """What is to become of the events of this folder; None where they are stored."""
        events = batch if len(part.places) == len(batch) else [batch[place] for place in part.places]
        try:
            name, body = await anyio.to_thread.run_sync(self._object, events)
        except ValueError as error:  # one of them is not as its column; found by halving
            return halves(part) if len(events) > 1 else Reject(f"does not fit into the columns: {error}")
        key = f"{part.what}/{name}"
        if len(key.encode()) > LONGEST_KEY:
            return Reject(f"{key}: the key is too long: {LONGEST_KEY} bytes are possible")
        try:
            await self._bucket.put(key, body, self._content_type)
        except Reject as error:  # it is too large
            return halves(part) if len(events) > 1 else error
        except SinkSignal as error:
            return error
        return None

    def _object(self, events: Sequence[Event]) -> tuple[str, bytes]:
        """Name and content of an object. The same events always make the same ones."""
        lines = self._codec.encode_batch(events)
        name = name_of(events[0], lines)
        if self._parquet is not None:
            return f"{name}{parquet.SUFFIX}", self._parquet.file(lines)
        how = self._config.compression
        return f"{name}{self._codec.suffix}{SUFFIXES[how]}", compressed(lines, how)

    @property
    def _content_type(self) -> str:
        match self._config.format, self._config.compression:
            case "parquet", _:
                return parquet.CONTENT_TYPE
            case _, "none":
                return self._codec.content_type
            case _, how:
                return f"application/{how}"
