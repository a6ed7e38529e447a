"""The ``clickhouse`` sink: batches as rows of a table, over ClickHouse's HTTP interface.

In: batches of the engine. Out: one ``INSERT … FORMAT JSONEachRow`` for each. The engine owns retry; what was stored without an
answer is recognised by the server when it comes again (``insert_deduplication_token``), where its table's engine does that.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Self
from urllib.parse import urlencode
from uuid import uuid4

import anyio.to_thread
from pydantic import Field, model_validator

from pipeline.api import BackOff, Context, Event, NotConnected, Reject, Sink, SinkDefaults
from pipeline.codecs.options import KindName
from pipeline.codecs.registry import codec
from pipeline.model.effects import Needs, effective
from pipeline.model.events.exchange import EXCHANGE
from pipeline.model.events.kinds import kind_named
from pipeline.sinks.clickhouse.answer import bad_row, fewer_would_do, judge_insert
from pipeline.sinks.clickhouse.statements import TOKEN, Table, known_settings, wanted_settings
from pipeline.sinks.compression import ENCODINGS, Compression, compressed
from pipeline.sinks.http.address import ServerUrl
from pipeline.sinks.http.answer import sentence_of
from pipeline.sinks.http.client import Client, RequestOptions
from pipeline.sinks.http.credentials import AuthOptions
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves

_OWN = frozenset({"query", "user", "password", "database", "compress", "decompress", TOKEN})
LONGEST_LIST = 64 << 10
"""Bytes of an answer that lists names."""


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Type = Annotated[str, Field(min_length=1, max_length=1000)]
SettingName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=200)]


class ClickHouseConfig(RequestOptions):
    """Options of the `clickhouse` sink."""

    url: ServerUrl
    """HTTP interface of the server, such as `http://clickhouse.example:8123` or `https://clickhouse.example:8443`."""
    database: Name = "default"
    """Database of the table."""
    table: Name
    """Table that the rows go to."""
    auth: AuthOptions = AuthOptions()
    """User and password. Default: the server's user `default`."""
    create_table: bool = False
    """Make the table where there is none, and add columns that it lacks; needs the right to do so."""
    kinds: Annotated[tuple[KindName, ...], Field(min_length=1)] = (EXCHANGE.name,)
    """Kinds of events whose fields are columns of a table that is made: docs/fields.md. What has no column is left out."""
    columns: Annotated[Mapping[Name, Type], Field(max_length=1000)] = Field(default_factory=dict)
    """Further columns, such as `"http.request.header.x-id" = "Array(String)"`, or other types for those that there are."""
    engine: Annotated[str, Field(pattern=r"^[A-Za-z]*MergeTree(\([^;]*\))?$", max_length=1000)] = "MergeTree"
    """Engine of a table that is made, such as `ReplicatedMergeTree('/clickhouse/tables/{shard}/http', '{replica}')`."""
    ttl_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days after which rows of a table that is made are deleted. Default: never."""
    compression: Compression = "zstd"
    """Of requests."""
    async_insert: bool = False
    """Let the server put inserts of many senders together: for many hosts that write to one table. It answers when they are stored."""  # noqa: E501  one line of the generated page
    deduplicate: bool = True
    """What is sent again because no answer came is stored once, where the table's engine recognises it; so are the same events of another run."""  # noqa: E501
    settings: Annotated[Mapping[SettingName, str | int | float], Field(max_length=100)] = Field(default_factory=dict)
    """Settings of ClickHouse for each insert, such as `insert_quorum = 2` or `distributed_foreground_insert = 1`."""

    @model_validator(mode="after")
    def _settings_are_not_ours(self) -> Self:
        if ours := sorted(_OWN & self.settings.keys()):
            raise ValueError(f"settings: {ours[0]} has an option of its own, or follows from the request")
        return self

    @model_validator(mode="after")
    def _a_table_is_made(self) -> Self:
        return effective(self, Needs(["columns", "engine", "ttl_days"], "create_table = true", self.create_table))


class ClickHouseSink(Sink):
    """Inserts events into a table."""

    api_version = 1
    Config = ClickHouseConfig
    requires = ("httpx",)
    # an insert is a part on disk that has to be merged: few large ones; 10,000 is half of a sink's queue, and about 8 MB of JSON
    defaults = SinkDefaults(batch_max_events=10_000, batch_max_bytes=16 << 20, batch_timeout_secs=1.0)

    def __init__(self, config: ClickHouseConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._codec = codec("json")
        known = [kind for kind in map(kind_named, config.kinds) if kind is not None]
        self._table = Table(config.database, config.table, known, context.attributes, config.columns)
        self._who = f"{config.url} {self._table.name}"
        self._headers = {"user-agent": "httpipe", **config.auth.fields()}
        self._insert_headers = {**self._headers, **ENCODINGS[config.compression]}
        self._settings: Mapping[str, str] = {}
        self._has_token = False
        self._client = Client(config)

    async def open(self) -> None:
        """Ask what the server knows; make the table where that is wanted, else say which fields have no column."""
        config = self._config
        await self._client.open()
        wanted = wanted_settings(asynchronous=config.async_insert, deduplicate=config.deduplicate)
        known = set((await self._ask(known_settings([*wanted, TOKEN]))).split())
        if config.async_insert and "async_insert" not in known:
            raise NotConnected(f"{config.url}: this version of ClickHouse has no async_insert")
        self._has_token = TOKEN in known
        own = {name: str(value) for name, value in config.settings.items()}
        self._settings = {name: value for name, value in wanted.items() if name in known} | own
        if config.create_table:
            await self._ask(self._table.create(config.engine, config.ttl_days))
        await self._complete()

    async def healthcheck(self) -> None:
        """Raise where the table is not there."""
        if (await self._ask(self._table.exists())).strip() != "1":
            raise NotConnected(f"{self._who}: there is no such table; create it, or write create_table = true")

    async def write(self, batch: Sequence[Event]) -> None:
        """Insert the batch. Raises what is to become of the rows that are not stored."""
        await deliver([Part(False, range(len(batch)))], lambda part: self._insert(batch, part), len(batch))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _insert(self, batch: Sequence[Event], part: Part[bool]) -> Outcome[bool]:
        """What is to become of these rows. A row that the server names as bad is sent alone, and the others without it.

        The part's ``what`` says whether a bad row was found before: then there may be many, and the others are sent in halves.
        """
        events = batch if len(part.places) == len(batch) else [batch[place] for place in part.places]
        query, body = await anyio.to_thread.run_sync(self._request, events)
        try:
            answer = await self._client.send("POST", f"{self._config.url}/?{query}", body, self._insert_headers)
        except NotConnected as error:
            return error
        if len(events) > 1 and fewer_would_do(answer):
            return halves(part)
        outcome = judge_insert(self._who, answer, makes_table=self._config.create_table, now_ns=self._context.now_ns())
        return _without(part, bad_row(answer)) if isinstance(outcome, Reject) and len(events) > 1 else outcome

    def _request(self, events: Sequence[Event]) -> tuple[str, bytes]:
        """The query of the address, and the body."""
        rows = self._codec.encode_batch(events)
        query = {"query": self._table.insert(), **self._settings}
        if self._has_token:
            query[TOKEN] = blake2b(rows, digest_size=16).hexdigest() if self._config.deduplicate else uuid4().hex
        return urlencode(query), compressed(rows, self._config.compression)

    async def _complete(self) -> None:
        """Add the columns that the table lacks, or say which these are."""
        lacks = [name for name in (await self._ask(self._table.missing())).split("\n") if name in self._table.columns]
        if not lacks:
            return
        if self._config.create_table:
            await self._ask(self._table.add(lacks))
            self._context.log.info("columns added", extra={"table": self._table.name, "columns": _listed(lacks)})
        elif len(lacks) < len(self._table.columns):
            self._context.log.info(
                "fields without a column are left out", extra={"table": self._table.name, "fields": _listed(lacks)}
            )

    async def _ask(self, statement: str) -> str:
        """What the server says to a statement. Raises ``NotConnected`` or ``BackOff`` with its words where it does not do it."""
        answer = await self._client.send("POST", f"{self._config.url}/", statement.encode(), self._headers, keep=LONGEST_LIST)
        if answer.status == 200:
            return answer.body.decode(errors="replace")
        raise BackOff(message=sentence_of(self._who, answer.status, answer.said))


def _without(part: Part[bool], row: int | None) -> list[Part[bool]]:
    """The part without a row that is bad, which goes alone; halves where none is named."""
    places = part.places
    if row is None or not 0 <= row < len(places):
        return halves(part)
    others = Part(True, [*places[:row], *places[row + 1 :]])
    return [Part(True, [places[row]]), *(halves(others) if part.what and len(others.places) > 1 else [others])]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
