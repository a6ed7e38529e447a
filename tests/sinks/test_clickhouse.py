"""The sink `clickhouse` against the engine of 2026, and against Debian's server of 2018."""

import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.api import BackOff, BatchError, Context, Exchange, FieldType, NotConnected, Reject
from pipeline.codecs.registry import codec
from pipeline.model.events.kinds import OURS, kinds
from pipeline.sinks.clickhouse.sink import ClickHouseConfig, ClickHouseSink
from pipeline.testing.contract import ordinary_events
from pipeline.testing.sink_contract import sink_contract
from tests.sending import COUNT, all_sent, sending, written
from tests.server_process import available
from tests.sinks.clickhouse_servers import Engine, Server2018

OLD_TABLE = """CREATE TABLE {table} (`timestamp` DateTime, `http.request.method` String, `url.path` String,
  `http.response.status_code` Nullable(UInt16), `httpipe.sequence` Nullable(Int64), `httpipe.marks` Array(String))
  ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY timestamp"""


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One for the module; tests take tables of their own."""
    with available(Engine(tmp_path_factory.mktemp("engine"))) as running:
        ENGINES.append(running)
        yield running


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server2018]:
    """One for the module."""
    with available(Server2018(tmp_path_factory.mktemp("old"))) as running:
        yield running


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A name of this test's own."""
    return name_of(tmp_path)


ENGINES: list[Engine] = []
"""That of the module, for the contract, which knows folders only."""


def name_of(folder: Path) -> str:
    """A table for a folder."""
    return re.sub(r"\W", "_", str(folder))


def make(url: str, table: str, context: Context | None = None, **options: Any) -> ClickHouseSink:
    """The sink, as the engine makes it."""
    config = ClickHouseConfig.model_validate({"url": url, "table": table, **options})
    return ClickHouseSink(config, context or Context("rows"))


@asynccontextmanager
async def away(_: Path) -> AsyncIterator[None]:
    """Killed meanwhile."""
    ENGINES[-1].kill()
    yield
    ENGINES[-1].start()


@pytest.mark.usefixtures("engine")
class TestContract(  # type: ignore[misc]  a class that is made
    sink_contract(
        lambda folder: make(ENGINES[-1].base, name_of(folder), create_table=True),
        received=lambda folder: ENGINES[-1].numbers(f"`{name_of(folder)}`"),
        down=away,
    )
):
    """Against the engine."""


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [kind.name for kind in OURS])
async def test_every_field_has_its_column(engine: Engine, table: str, kind: str) -> None:
    """An event with every field and every attribute of its kind comes back as it was, read with the names of the fields."""
    of = next(each for each in kinds() if each.name == kind)
    samples = {
        FieldType.STRING: "ä\"'\\\n",
        FieldType.INT: 8080,
        FieldType.FLOAT: 0.5,
        FieldType.BOOL: True,
        FieldType.STRINGS: ("a", 'b"'),
        FieldType.TIMESTAMP: 1_767_323_045_123_456_789,
    }
    values = {field.attribute: samples[field.type] for field in of.fields}
    attributes = {field.name: samples[field.type] for field in of.attributes}
    event = of.type(**values, attributes=attributes)
    await written(make(engine.base, table, create_table=True, kinds=[kind]), [event, of.type(timestamp_ns=0)])
    names = [field.name for field in (*of.fields, *of.attributes)]
    read = ", ".join(f"`{name}`" for name in ("event.name", *names))
    asked = f"SELECT {read} FROM {table} ORDER BY timestamp DESC FORMAT JSONEachRow"  # noqa: S608
    full, empty = [msgspec.json.decode(line) for line in engine.ask(asked).splitlines()]
    expected = msgspec.json.decode(codec("json").encode(event))
    expected["timestamp"] = expected["timestamp"].replace("T", " ").rstrip("Z")
    for name, value in full.items():
        if isinstance(expected[name], list) and isinstance(value, str):
            full[name] = msgspec.json.decode(value)
        elif isinstance(expected[name], int) and not isinstance(expected[name], bool):
            full[name] = int(value)
    assert full == expected
    assert {name: value for name, value in empty.items() if value not in (None, "", [])} == {
        "event.name": kind,
        "timestamp": "1970-01-01 00:00:00.000000000",
    }


@pytest.mark.anyio
async def test_a_table_that_is_made_is_as_asked_for(engine: Engine, table: str) -> None:
    """Order, partitions, time to live, attributes of transforms, further columns; and a name that needs quoting."""
    context = Context("rows", attributes={"trace_id": FieldType.STRING})
    options = {"ttl_days": 30, "columns": {"http.request.header.x-id": "String", "url.path": "LowCardinality(String)"}}
    name = f"{table}-`'\\"
    await written(make(engine.base, name, context, create_table=True, kinds=["http.exchange", "tls.handshake"], **options))
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    said = engine.ask(f"SELECT create_table_query FROM system.tables WHERE name = '{quoted}' FORMAT TSVRaw")  # noqa: S608
    for part in (
        "PARTITION BY toDate(timestamp)",
        "ORDER BY (`event.name`, `server.address`, timestamp)",
        "TTL toDateTime(timestamp) + toIntervalDay(30)",
        "`timestamp` DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1))",
        "`url.path` LowCardinality(String)",
        "`http.request.header.x-id` String",
        "`trace_id` String",
        "`tls.established` Nullable(Bool)",
        "non_replicated_deduplication_window = 1000",
    ):
        assert part in said, said


@pytest.mark.anyio
async def test_columns_that_are_missing_are_added_or_told(engine: Engine, table: str, caplog: pytest.LogCaptureFixture) -> None:
    """Added where the table is ours to make; else their fields are left out, and the log says which."""
    engine.ask(f"CREATE TABLE {table} (`timestamp` DateTime64(9), `url.path` String) ENGINE = MergeTree ORDER BY timestamp")
    events = ordinary_events(0, 2)
    with caplog.at_level(logging.INFO, "httpipe"):
        await written(make(engine.base, table), events)
    assert "fields without a column are left out" in caplog.text
    assert "server.address" in caplog.records[0].__dict__["fields"]
    await written(make(engine.base, table, create_table=True), ordinary_events(2, 4))
    asked = f"SELECT `url.path`, `server.address` FROM {table} ORDER BY timestamp"  # noqa: S608
    assert engine.ask(asked) == "/items/0\t\n/items/1\t\n/items/2\texample.com\n/items/3\texample.com\n"


@pytest.mark.anyio
async def test_without_a_table_events_wait(engine: Engine, table: str) -> None:
    """The health check says what to do; a write waits with the server's words; where it may be made, it is made again."""
    sink = make(engine.base, table)
    await sink.open()
    with pytest.raises(NotConnected, match=r"no such table; create it, or write create_table = true"):
        await sink.healthcheck()
    with pytest.raises(BackOff, match=rf"`default`\.`{table}`: Code: 60\. DB::Exception: .* does not exist"):
        await sink.write(ordinary_events(0, 3))
    await sink.aclose()
    sink = make(engine.base, table, create_table=True)
    await written(sink)
    await sink.open()
    await sink.healthcheck()
    engine.ask(f"DROP TABLE {table}")
    with pytest.raises(NotConnected, match=r"Code: 60\."):
        await sink.write(ordinary_events(0, 3))
    await sink.aclose()
    await written(sink, ordinary_events(0, 3))
    assert engine.numbers(table) == [0, 1, 2]


SINK = 'type = "clickhouse"\ntable = "t"\nbatch.max_events = 500\nbatch.timeout_secs = 0.05'
BAD = "CREATE TABLE {table} (`timestamp` DateTime64(9), `url.path` {type}, `httpipe.sequence` Int64) ENGINE = MergeTree {more}"


@pytest.mark.anyio
async def test_a_row_that_is_named_is_rejected_alone(engine: Engine, table: str) -> None:
    """One request more for it, and one for the rest; in halves where that has another one."""
    engine.ask(BAD.format(table=table, type="Date", more="ORDER BY timestamp"))
    events = [
        Exchange(timestamp_ns=number, url_path="x" if number in {3, 7} else "2026-01-02", httpipe_sequence=number)
        for number in range(10)
    ]
    before = len(engine.inserts())
    with pytest.raises(BatchError) as raised:
        await written(make(engine.base, table), events)
    assert {place: type(error) for place, error in raised.value.failures.items()} == {3: Reject, 7: Reject}
    assert re.search(r"Code: \d+\. DB::Exception: Cannot parse", str(raised.value.failures[3]))
    assert engine.numbers(table) == [0, 1, 2, 4, 5, 6, 8, 9]
    assert [each["rows"] for each in engine.inserts()[before:]] == [10, 1, 9, 1, 4, 4]


@pytest.mark.anyio
async def test_many_bad_rows_cost_no_square_of_them(engine: Engine, table: str) -> None:
    """Each insert names one; all others sent again for each of 50 would be 1,400 rows."""
    engine.ask(BAD.format(table=table, type="Date", more="ORDER BY timestamp"))
    paths = ["x"] * 50 + ["2026-01-02"] * 2
    events = [Exchange(timestamp_ns=number, url_path=path, httpipe_sequence=number) for number, path in enumerate(paths)]
    before = len(engine.inserts())
    with pytest.raises(BatchError) as raised:
        await written(make(engine.base, table), events)
    assert {place: type(error) for place, error in raised.value.failures.items()} == dict.fromkeys(range(50), Reject)
    assert engine.numbers(table) == [50, 51]
    assert sum(each["rows"] for each in engine.inserts()[before:]) < 500


@pytest.mark.anyio
async def test_a_bad_row_without_a_number_is_found_by_halving(engine: Engine, table: str) -> None:
    """A time that no column of nanoseconds can hold."""
    engine.ask(BAD.format(table=table, type="String", more="ORDER BY timestamp"))
    late = 253_000_000_000 * 1_000_000_000
    events = [Exchange(timestamp_ns=late if number == 2 else number, httpipe_sequence=number) for number in range(8)]
    with pytest.raises(BatchError) as raised:
        await written(make(engine.base, table), events)
    assert {place: type(error) for place, error in raised.value.failures.items()} == {2: Reject}
    assert engine.numbers(table) == [0, 1, 3, 4, 5, 6, 7]


@pytest.mark.anyio
async def test_a_batch_of_too_many_partitions_is_cut(engine: Engine, table: str) -> None:
    """A capture file may claim any times."""
    day = 86_400 * 1_000_000_000
    events = [Exchange(timestamp_ns=number * day, httpipe_sequence=number) for number in range(150)]
    await written(make(engine.base, table, create_table=True), events)
    assert engine.numbers(table) == list(range(150))


@pytest.mark.anyio
async def test_what_is_sent_again_is_stored_once(engine: Engine, table: str) -> None:
    """Also where each row gets the time of its insert; unless that is switched off. Other events are others."""
    plain = "ORDER BY timestamp SETTINGS non_replicated_deduplication_window = 100"
    engine.ask(BAD.format(table=table, type="String, at DateTime64(9) DEFAULT now64(9)", more=plain))
    events = ordinary_events(0, 3)
    await written(make(engine.base, table), events, events, ordinary_events(3, 4), events)
    assert engine.numbers(table) == [0, 1, 2, 3]
    other = f"{table}_made"
    await written(make(engine.base, other, create_table=True), events, events)
    assert engine.numbers(other) == [0, 1, 2]
    for name in (table, other):
        await written(make(engine.base, name, deduplicate=False), events)
    assert engine.numbers(table) == [0, 0, 1, 1, 2, 2, 3]
    assert engine.numbers(other) == [0, 0, 1, 1, 2, 2]


@pytest.mark.anyio
async def test_what_the_server_cannot_do_now_waits(engine: Engine, table: str) -> None:
    """Memory; a setting of the file that it does not know."""
    options: dict[str, Any] = {"create_table": True, "settings": {"max_memory_usage": 1000}}
    with pytest.raises(BackOff, match=r"Code: 241\."):
        await written(make(engine.base, table, **options), ordinary_events(0, 3))
    with pytest.raises(BackOff, match=r"Code: 115\..*nosuch"):
        await written(make(engine.base, table, settings={"nosuch": 1}), ordinary_events(0, 3))


@pytest.mark.anyio
async def test_credentials_are_sent_and_never_shown(engine: Engine, table: str) -> None:
    """A wrong password waits for somebody to put it right."""
    engine.lets_in("writer:right")
    try:
        await written(make(engine.base, table, create_table=True, auth={"user": "writer", "password": "right"}))
        wrong = make(engine.base, table, auth={"user": "writer", "password": "hidden"})
        with pytest.raises(BackOff, match=r"Code: 516\.") as raised:
            await written(wrong)
    finally:
        engine.lets_in("")
    assert "hidden" not in f"{raised.value}{wrong._config!r}"


@pytest.mark.anyio
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
async def test_bodies_are_compressed_as_asked_for(engine: Engine, table: str, compression: str) -> None:
    """And understood."""
    await written(make(engine.base, table, create_table=True, compression=compression), ordinary_events(0, 50))
    assert engine.numbers(table) == list(range(50))


@pytest.mark.anyio
async def test_an_asynchronous_insert_is_waited_for(engine: Engine, table: str) -> None:
    """Its settings go with it; the rows are there when it is answered."""
    await written(make(engine.base, table, create_table=True, async_insert=True), ordinary_events(0, 5))
    assert engine.numbers(table) == list(range(5))
    last = engine.inserts()[-1]
    assert last["async_insert"] == last["wait_for_async_insert"] == last["async_insert_deduplicate"] == "1"


@pytest.mark.anyio
async def test_a_server_of_2018_takes_rows(old: Server2018, table: str) -> None:
    """Into a table of its own kind; it gets no setting that it does not know, and says no where it cannot."""
    old.ask(OLD_TABLE.format(table=table))
    user = {"user": "writer", "password": "right"}
    sink = make(old.base, table, compression="gzip", auth=user)
    await written(sink, ordinary_events(0, 3), [Exchange(timestamp_ns=10**18, httpipe_sequence=9, httpipe_marks=("gap",))])
    assert old.numbers(table) == [0, 1, 2, 9]
    with pytest.raises(NotConnected, match="has no async_insert"):
        await written(make(old.base, table, async_insert=True))
    with pytest.raises(BackOff, match=r"Code: 193, .*Wrong password for user writer"):
        await written(make(old.base, table, auth={"user": "writer", "password": "hidden"}))
    with pytest.raises(BackOff, match=r"Code: 60, "):
        await written(make(old.base, "nosuch", compression="gzip"), ordinary_events(0, 1))


@pytest.mark.timeout(240)
def test_twenty_thousand_exchanges_pass_an_engine_that_is_killed(tmp_path: Path) -> None:
    """Killed three times, each time when rows are stored and before it answers: each exchange is there once."""
    with available(Engine(tmp_path / "engine")) as engine:
        engine.dies_at(5, 17, 30)
        with sending(tmp_path, f'{SINK}\nurl = "{engine.base}"\ncreate_table = true') as run:
            for _ in range(3):
                engine.wait()
                engine.start()
            all_sent(run)
        assert engine.numbers("t") == list(range(COUNT))
        assert sum(each["rows"] for each in engine.inserts()) > COUNT


@pytest.mark.all_sinks
@pytest.mark.timeout(240)
def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(tmp_path: Path) -> None:
    """Debian's server, which recognises no repetition: all are there, and twice at most what was being inserted."""
    kills = 3
    with available(Server2018(tmp_path / "old")) as old:
        old.ask(OLD_TABLE.format(table="t"))
        with sending(tmp_path, f'{SINK}\nurl = "{old.base}"\ncompression = "gzip"') as run:
            for part in range(1, kills + 1):
                while len(old.numbers("t")) < part * COUNT // (kills + 1):
                    assert run.poll() is None
                    time.sleep(0.02)
                old.kill()
                old.start()
            all_sent(run)
        numbers = old.numbers("t")
        assert set(numbers) == set(range(COUNT))
        assert COUNT <= len(numbers) <= COUNT + kills * 500
