"""The sink `postgres` against a real server."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from httpipe_postgres import Postgres, PostgresConfig
from postgres_server import PostgresServer
from psycopg import errors, sql
from pydantic import ValidationError

from httpipe import BatchError, ConfigError, Context, Event, Exchange, FieldType, NotConnected, Reject
from httpipe.testing import odd_events, sink_contract

DSN = "user=test dbname=postgres"
PLACE: dict[str, PostgresServer] = {}


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _place(server: PostgresServer) -> None:
    PLACE["server"] = server


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table's name, new for each test."""
    return table_of(tmp_path)


def table_of(folder: Path) -> str:
    """The table that belongs to a test's folder."""
    return f"t_{hashlib.sha256(bytes(folder)).hexdigest()[:20]}"


def make(table: str, attributes: Mapping[str, FieldType] | None = None, **options: Any) -> Postgres:
    """The sink, as the engine makes it."""
    config = PostgresConfig.model_validate({"dsn": DSN, "table": table, **options})
    return Postgres(config, Context("db", attributes=attributes or {}))


def query(text: LiteralString, table: str) -> list[tuple[Any, ...]]:
    """What the server has."""
    with psycopg.connect(DSN, autocommit=True) as connection:
        cursor = connection.execute(sql.SQL(text).format(sql.Identifier(table)))
        return cursor.fetchall() if cursor.description else []


def numbers(folder: Path) -> Sequence[int]:
    """Which exchanges have arrived, in their order in the table."""
    return [number for (number,) in query("SELECT httpipe_sequence FROM {} ORDER BY ctid", table_of(folder))]


@asynccontextmanager
async def away(_folder: Path) -> AsyncIterator[None]:
    """No server meanwhile."""
    with PLACE["server"].away():
        yield


TestContract = sink_contract(lambda folder: make(table_of(folder)), received=numbers, down=away)


async def written(sink: Postgres, events: Sequence[Event]) -> None:
    """Open, write, close."""
    try:
        await sink.open()
        await sink.write(events)
    finally:
        await sink.aclose()


@pytest.mark.anyio
async def test_fields_have_columns_and_the_rest_is_kept(table: str) -> None:
    """Each with its own type; attributes that transforms declare have one too."""
    exchange = Exchange(
        timestamp_ns=1_767_225_600_123_456_000,
        url_path="/ä\x00",
        http_response_status_code=200,
        httpipe_duration_ms=1.5,
        httpipe_marks=("gap", "truncated"),
        http_request_headers={"accept": ("a", "b\x00")},
        attributes={"team": "shop", "team.size": 3},
    )
    await written(make(table, {"team": FieldType.STRING}), [exchange])
    [(moment, *values)] = query(
        "SELECT timestamp AT TIME ZONE 'UTC', url_path, http_response_status_code, httpipe_duration_ms, httpipe_marks, team, "
        "url_query, attributes FROM {}",
        table,
    )
    assert str(moment) == "2026-01-01 00:00:00.123456"
    rest = {"event.name": "http.exchange", "http.request.header.accept": ["a", "b\ufffd"], "team.size": 3}
    assert values == ["/ä\ufffd", 200, 1.5, ["gap", "truncated"], "shop", None, rest]


@pytest.mark.anyio
async def test_what_untrusted_peers_send_is_in_the_table(table: str) -> None:
    """Not one of the odd events is refused."""
    await written(make(table), odd_events())
    assert query("SELECT count(*) FROM {}", table) == [(len(odd_events()),)]


@pytest.mark.anyio
async def test_a_row_that_the_server_refuses_is_rejected_alone(table: str) -> None:
    """For its value, for a constraint, for an index that cannot hold it: the others are in the table."""
    columns = ["httpipe.sequence", "url.path", "n"]
    sink = make(table, {"n": FieldType.INT}, columns=columns)
    await sink.open()
    query("ALTER TABLE {} ADD CHECK (url_path <> '/no')", table)
    query("CREATE INDEX ON {} (url_path)", table)
    incompressible = "".join(hashlib.sha256(bytes([each])).hexdigest() for each in range(200))
    events: list[Event] = [Exchange(timestamp_ns=0, httpipe_sequence=number, url_path="/") for number in range(100)]
    events[3] = events[3].with_attributes(n=2**70)
    events[50] = events[50].replace(url_path="/no")
    events[99] = events[99].replace(url_path=incompressible)
    with pytest.raises(BatchError) as raised:
        await sink.write(events)
    await sink.aclose()
    failures = raised.value.failures
    causes = {place: each.cause for place, each in failures.items() if isinstance(each, Reject)}
    assert sorted(causes) == [3, 50, 99]
    assert isinstance(causes[3], errors.NumericValueOutOfRange)
    assert isinstance(causes[50], errors.CheckViolation)
    assert isinstance(causes[99], errors.ProgramLimitExceeded)
    arrived = [number for (number,) in query("SELECT httpipe_sequence FROM {} ORDER BY 1", table)]
    assert arrived == [number for number in range(100) if number not in causes]


@pytest.mark.anyio
async def test_a_server_that_is_away_asks_the_engine_to_try_again(table: str, server: PostgresServer) -> None:
    """At the start and in the middle."""
    sink = make(table)
    await sink.open()
    with server.away():
        with pytest.raises(NotConnected):
            await sink.write(odd_events())
        await sink.aclose()
        with pytest.raises(NotConnected):
            await sink.open()
    await written(sink, odd_events())
    await sink.aclose()


@pytest.mark.anyio
async def test_the_check_names_what_the_table_lacks(table: str) -> None:
    """Before the first batch."""
    await written(make(table, columns=["url.path"]), [])
    sink = make(table, columns=["url.path", "url.query"], create_table=False)
    await sink.open()
    with pytest.raises(errors.UndefinedColumn, match="url_query"):
        await sink.healthcheck()
    await sink.aclose()


def test_wrong_columns_are_problems_of_the_pipeline_file() -> None:
    """All of them at once, with their place."""
    with pytest.raises(ConfigError) as raised:
        make("t", {"url_path": FieldType.STRING}, columns=["url.path", "url_path", "nonsense"])
    assert [str(problem) for problem in raised.value.problems] == [
        'columns: "nonsense" is not a field, and no transform before this sink adds it',
        'columns: "url_path" would be the name of 2 columns',
    ]


@pytest.mark.parametrize("table", ["", "Robert'); DROP TABLE students", "a.b.c", "1"])
def test_a_wrong_table_is_a_problem_of_the_pipeline_file(table: str) -> None:
    """`httpipe validate` tells it before anything runs."""
    with pytest.raises(ValidationError):
        PostgresConfig(table=table)
