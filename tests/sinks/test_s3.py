"""The sink `s3` against SeaweedFS, and by `make test-sinks` against Versity's gateway and MinIO."""

import gzip
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import arro3.io
import pytest

from pipeline.api import BackOff, BatchError, Context, Exchange, NotConnected, Reject
from pipeline.codecs.registry import codec
from pipeline.codecs.zstd import zstd
from pipeline.sinks.s3.sink import S3Config, S3Sink
from pipeline.testing.contract import odd_events, ordinary_events
from pipeline.testing.sink_contract import sink_contract
from tests.sending import COUNT, all_sent, sending, written
from tests.server_process import available
from tests.sinks.s3_servers import Gateway, Minio, Seaweed, StoreServer

HOUR = 3_600_000_000_000
NOON = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio."""
    return "asyncio"


SERVERS: list[StoreServer] = []
"""That of the module, for the contract, which knows folders only."""


BUILT = [pytest.mark.all_sinks, pytest.mark.timeout(3600)]
"""Of servers that are built, the first time."""


@pytest.fixture(scope="module", params=[Seaweed, pytest.param(Minio, marks=BUILT)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """One for the module; tests take prefixes of their own."""
    with available(request.param(tmp_path_factory.mktemp("store"))) as running:
        SERVERS.append(running)
        yield running


def prefix_of(folder: Path) -> str:
    """A prefix for a folder."""
    return re.sub(r"\W", "_", str(folder))


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """One of this test's own."""
    return prefix_of(tmp_path)


def make(server: StoreServer, prefix: str, **options: Any) -> S3Sink:
    """The sink, as the engine makes it."""
    return S3Sink(S3Config.model_validate({**server.options(), "prefix": prefix, **options}), Context("objects"))


def numbers(objects: dict[str, bytes]) -> list[int]:
    """``httpipe.sequence`` of every event of compressed lines, in order of their keys."""
    lines = [line for body in objects.values() for line in gzip.decompress(body).splitlines()]
    return [json.loads(line)["httpipe.sequence"] for line in lines]


@asynccontextmanager
async def away(_: Path) -> AsyncIterator[None]:
    """Killed meanwhile."""
    SERVERS[-1].kill()
    yield
    SERVERS[-1].start()


@pytest.mark.usefixtures("store")
class TestContract(  # type: ignore[misc]  a class that is made
    sink_contract(
        lambda folder: make(SERVERS[-1], prefix_of(folder)),
        received=lambda folder: sorted(numbers(SERVERS[-1].objects(prefix_of(folder)))),
        down=away,
    )
):
    """JSON lines."""


@pytest.mark.anyio
async def test_partitions_are_those_of_the_events(store: StoreServer, prefix: str) -> None:
    """By each event's own time and by what traffic chose, made harmless; names sort by time."""
    events = [
        Exchange(timestamp_ns=NOON + number * HOUR // 2, server_address="a" if number < 3 else "../b=c/", httpipe_sequence=number)
        for number in range(4)
    ]
    await written(make(store, f"{prefix}/day=%F/hour=%H/host={{{{server.address}}}}/"), events)
    found = store.objects(prefix)
    folders = [key.removeprefix(f"{prefix}/").rpartition("/")[0] for key in found]
    assert folders == [
        "day=2026-01-01/hour=12/host=a",
        "day=2026-01-01/hour=13/host=___b_c_",
        "day=2026-01-01/hour=13/host=a",
    ]
    assert all(re.search(r"/20260101T1[23][03]000Z-[0-9a-f]{24}\.jsonl\.gz$", key) for key in found)
    assert sorted(numbers(found)) == [0, 1, 2, 3]


@pytest.mark.anyio
@pytest.mark.parametrize(("compression", "ending"), [("none", ""), ("gzip", ".gz"), ("zstd", ".zst")])
@pytest.mark.parametrize("kind", ["json", "ecs", "protobuf"])
async def test_objects_are_what_their_names_say(
    store: StoreServer, prefix: str, kind: str, compression: str, ending: str
) -> None:
    """Codec and compression."""
    events = ordinary_events(0, 50)
    await written(make(store, prefix, encoding={"codec": kind}, compression=compression), events)
    [(key, body)] = store.objects(prefix).items()
    assert key.endswith(f"{codec(kind).suffix}{ending}")
    plain = {"none": bytes, "gzip": gzip.decompress, "zstd": zstd.decompress}[compression](body)
    assert plain == bytes(codec(kind).encode_batch(events))


@pytest.mark.anyio
async def test_what_is_written_again_takes_its_own_place(store: StoreServer, prefix: str) -> None:
    """As after an answer that was lost."""
    events = ordinary_events(0, 50)
    await written(make(store, prefix), events, ordinary_events(50, 60), events)
    assert sorted(numbers(store.objects(prefix))) == list(range(60))


@pytest.mark.anyio
async def test_large_objects_are_uploaded_in_parts(store: StoreServer, prefix: str) -> None:
    """And are whole."""
    events = [Exchange(timestamp_ns=NOON, httpipe_sequence=number, url_path="/" + "x" * 1_000_000) for number in range(20)]
    await written(make(store, prefix, compression="none"), events)
    [body] = store.objects(prefix).values()
    assert len(body) > 20_000_000
    assert body == bytes(codec("json").encode_batch(events))


@pytest.mark.anyio
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
async def test_parquet_has_the_columns_of_the_kinds(store: StoreServer, prefix: str, compression: str) -> None:
    """With their types, further ones as asked for, and nothing where a field is absent."""
    events = [
        Exchange(
            timestamp_ns=NOON + 123_456_789,
            url_path="/ä",
            server_port=80,
            httpipe_duration_ms=0.5,
            httpipe_marks=("gap",),
            attributes={"tenant": "t", "odd": 1},
            http_request_headers={"x-id": ("7", "8")},
        ),
        Exchange(timestamp_ns=0),
    ]
    columns = {"tenant": "string", "http.request.header.x-id": "string[]"}
    options = {"format": "parquet", "compression": compression, "columns": columns, "kinds": ["http.exchange", "tls.handshake"]}
    await written(make(store, prefix, **options), events)
    [(key, body)] = store.objects(prefix).items()
    assert key.endswith(".parquet")
    table = arro3.io.read_parquet(body).read_all()
    read = {name: [each.as_py() for each in table.column(name)] for name in table.schema.names}
    assert read["url.path"] == ["/ä", None]
    assert read["server.port"] == [80, None]
    assert read["httpipe.duration_ms"] == [0.5, None]
    assert read["httpipe.marks"] == [["gap"], None]
    assert read["tenant"] == ["t", None]
    assert read["http.request.header.x-id"] == [["7", "8"], None]
    assert read["tls.established"] == [None, None]
    assert read["timestamp"][0].isoformat() == "2026-01-01T12:00:00.123456+00:00"
    assert "odd" not in read


@pytest.mark.anyio
async def test_parquet_takes_whatever_the_wire_can_hold(store: StoreServer, prefix: str) -> None:
    """Each event, in whichever company, is a row of the same bytes."""
    events = odd_events()
    await written(make(store, prefix, format="parquet"), events, *([event] for event in events), events)
    rows = [arro3.io.read_parquet(body).read_all().num_rows for body in store.objects(prefix).values()]
    assert sum(rows) == 2 * len(events)


@pytest.mark.anyio
async def test_an_event_that_fits_into_no_column_is_rejected_alone(store: StoreServer, prefix: str) -> None:
    """The others of the batch are stored."""
    events = [Exchange(timestamp_ns=NOON, attributes={"n": "x" if number == 3 else number}) for number in range(8)]
    with pytest.raises(BatchError) as raised:
        await written(make(store, prefix, format="parquet", columns={"n": "int"}), events)
    assert {place: type(error) for place, error in raised.value.failures.items()} == {3: Reject}
    assert "does not fit into the columns: whilst decoding field 'n': failed to parse \"x\" as Int64" in str(
        raised.value.failures[3]
    )
    stored = [arro3.io.read_parquet(body).read_all().num_rows for body in store.objects(prefix).values()]
    assert sum(stored) == 7


@pytest.mark.anyio
async def test_what_the_store_says_no_to_waits(store: StoreServer, prefix: str) -> None:
    """With its words, and without what is secret; the health check tells it at the start."""
    wrong = make(store, prefix, secret_access_key="hidden-hidden")  # noqa: S106
    await wrong.open()
    for call in (wrong.healthcheck(), wrong.write(ordinary_events(0, 3))):
        with pytest.raises(BackOff, match=r"bucket events at http://127.*answered 403: SignatureDoesNotMatch: ") as raised:
            await call
        assert "hidden" not in f"{raised.value}{wrong._config!r}"
    missing = make(store, prefix, bucket="nosuch")
    await missing.open()
    with pytest.raises(BackOff, match="answered 404: NoSuchBucket"):
        await missing.healthcheck()
    with pytest.raises(BackOff, match="answered 404: NoSuchBucket"):
        await missing.write(ordinary_events(0, 3))


@pytest.mark.anyio
@pytest.mark.parametrize("store", [Seaweed], indirect=True)
async def test_who_may_write_and_not_list_is_taken_at_their_word(store: StoreServer, prefix: str) -> None:
    """By the health check."""
    writer = make(store, prefix, access_key_id="put")
    await writer.open()
    await writer.healthcheck()
    await writer.write(ordinary_events(0, 3))
    assert numbers(store.objects(prefix)) == [0, 1, 2]


@pytest.mark.anyio
async def test_no_answer_is_told_with_its_reason(store: StoreServer, tmp_path: Path) -> None:
    """What the system said."""
    for endpoint, reason in (
        ("http://127.0.0.1:1", "Connection refused"),
        (store.base.replace("http:", "https:"), "InvalidContentType"),
    ):
        sink = make(store, "x", endpoint=endpoint)
        await sink.open()
        with pytest.raises(NotConnected, match=f"bucket events at {endpoint}.*: .*{reason}"):
            await sink.write(ordinary_events(0, 3))
    https = store.base.replace("http:", "https:")
    with pytest.raises(NotConnected, match=r"No such file"):
        await make(store, "x", endpoint=https, ca_file=str(tmp_path / "none")).open()


@pytest.mark.anyio
async def test_credentials_come_from_the_file_of_profiles(
    store: StoreServer, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither the pipeline file nor the environment has any."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    wrong = "aws_access_key_id = no\naws_secret_access_key = no"
    right = "aws_access_key_id = key\naws_secret_access_key = secretsecret"
    file.write_text(f"[default]\n{wrong}\n[logs]\n{right}\n")
    without = {"access_key_id": None, "secret_access_key": None}
    await written(make(store, prefix, **without, credentials_file=str(file), profile="logs"), ordinary_events(0, 3))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "logs")
    await written(make(store, prefix, **without), ordinary_events(3, 6))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secretsecret")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nosuch")
    await written(make(store, prefix, **without), ordinary_events(6, 9))
    assert sorted(numbers(store.objects(prefix))) == list(range(9))
    with pytest.raises(NotConnected, match=r"credentials: no profile nosuch"):
        await make(store, prefix, **without, credentials_file=str(file), profile="nosuch").open()


@pytest.mark.parametrize("kind", [Seaweed, *(pytest.param(kind, marks=BUILT) for kind in (Gateway, Minio))])
def test_twenty_thousand_exchanges_pass_a_store_that_is_killed(tmp_path: Path, kind: type[StoreServer]) -> None:
    """Killed three times while objects are put: each exchange is there once."""
    with available(kind(tmp_path / "store")) as server:
        table = {"prefix": "http/%F", **server.options()}
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
        with sending(tmp_path, f'type = "s3"\nbatch.max_events = 500\n{lines}') as run:
            for part in range(1, 4):
                while len(server.keys("http")) < part * 8:
                    assert run.poll() is None
                    time.sleep(0.02)
                server.kill()
                server.start()
            all_sent(run)
        assert sorted(numbers(server.objects("http"))) == list(range(COUNT))
