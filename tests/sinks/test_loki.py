"""The sink `loki` against Loki itself: what it takes, what it refuses in which words, and what it has after it was killed."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from loki_server import Entry, Loki

from pipeline.api import BackOff, BatchError, Event, Exchange, Reject
from pipeline.codecs.registry import codec
from pipeline.sinks.loki.sink import LokiConfig, LokiSink
from pipeline.testing.contract import odd_events, ordinary_events
from tests.sending import COUNT, all_sent, counting, sending, written
from tests.server_process import available

pytestmark = [pytest.mark.all_sinks, pytest.mark.timeout(3600)]  # it may have to be built

SECOND = 1_000_000_000
THEN = 1_700_000_000 * SECOND
BY_SERVER = {"labels": {"job": "httpipe", "server": "{{server.address}}"}}


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loki]:
    """One for the module; tests take jobs of their own."""
    with available(Loki(tmp_path_factory.mktemp("loki"))) as running:
        yield running


@pytest.fixture
def job(tmp_path: Path) -> str:
    """A label of this test's own."""
    return tmp_path.name


def make(loki: Loki, job: str, tenant: str = "any", **options: Any) -> LokiSink:
    """The sink, as the engine makes it."""
    labels = {"job": job, **options.pop("labels", {})}
    return LokiSink(LokiConfig.model_validate({"url": loki.base, "labels": labels, "tenant": tenant, **options}), counting()[0])


def stored(loki: Loki, job: str, tenant: str = "any", around_ns: int = THEN) -> list[Entry]:
    """What Loki has of a job, in the days around a time."""
    day = 86_400 * SECOND
    return loki.entries(tenant, f'{{job="{job}"}}', around_ns - day, around_ns + day)


def numbers(entries: Sequence[Entry]) -> list[int]:
    """Of the events, in order of time."""
    return [entry.line["httpipe.sequence"] for entry in entries]


def at(second: float, number: int, server: str = "a", **more: Any) -> Event:
    """An event with a second of its own."""
    return Exchange(timestamp_ns=THEN + int(second * SECOND), httpipe_sequence=number, server_address=server, **more)


@pytest.mark.anyio
@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_streams_lines_and_metadata_arrive(loki: Loki, job: str, compression: str) -> None:
    """Labels make the stream, the line is the encoded event, the time has its nanoseconds."""
    sink = make(
        loki,
        job,
        labels={"status": "{{http.response.status_code}}"},
        structured_metadata={"path": "{{url.path}}", "none": "{{user_agent.original}}"},
        compression=compression,
    )
    events = ordinary_events(0, 20)
    await written(sink, events)
    found = stored(loki, job)
    assert [entry.line for entry in found] == [json.loads(line) for line in codec("json").encode_each(events)]
    assert [entry.timestamp_ns for entry in found] == [event.timestamp_ns for event in events]
    assert [entry.labels["status"] for entry in found] == ["500" if number % 7 == 0 else "200" for number in range(20)]
    assert [entry.metadata["path"] for entry in found] == [f"/items/{number}" for number in range(20)]
    assert all("none" not in entry.metadata for entry in found)


@pytest.mark.anyio
async def test_what_is_sent_again_is_there_once(loki: Loki, job: str) -> None:
    """As after an answer that was lost."""
    events = ordinary_events(0, 50)
    await written(make(loki, job), events, events[10:30], events)
    assert numbers(stored(loki, job)) == list(range(50))


@pytest.mark.anyio
async def test_it_takes_whatever_the_wire_can_hold(loki: Loki, job: str) -> None:
    """But for lines that are too long, and times of the future or from before its data begin; in labels and metadata, too."""
    events = odd_events()
    odd = {"odd": "{{server.address}}"}
    with pytest.raises(BatchError) as raised:
        await written(make(loki, job, labels=odd, structured_metadata=odd), events)
    failures = raised.value.failures
    assert all(isinstance(error, Reject) for error in failures.values())
    untimely = {place for place, event in enumerate(events) if not 0 < event.timestamp_ns < time.time_ns()}
    assert failures.keys() == untimely | {6}
    assert "max entry size" in str(failures[6])
    assert "no schema config found for time 0" in str(failures[0])
    found = stored(loki, job)
    assert sorted(entry.line["httpipe.sequence"] for entry in found) == [0, 1, 2, 3, 4, 6, 7]
    assert "??" in {entry.labels["odd"] for entry in found}


@pytest.mark.anyio
async def test_entries_come_in_any_order_within_the_window(loki: Loki, job: str) -> None:
    """Half of `max_chunk_age` behind the newest one of the stream: an hour."""
    await written(make(loki, job), [at(3600, 0)], [at(1800, 1)], [at(2700, 2)], [at(1, 3)])
    assert numbers(stored(loki, job)) == [3, 1, 2, 0]


@pytest.mark.anyio
@pytest.mark.parametrize("behind", ["a", "b"])
async def test_what_is_too_far_behind_is_rejected_and_nothing_else(loki: Loki, job: str, behind: str) -> None:
    """Whichever of the streams of a batch it is in: Loki's answer is about one of them."""
    sink = make(loki, job, **BY_SERVER | {"labels": {"server": "{{server.address}}"}})
    await sink.open()
    await sink.write([at(7200, 0, "a"), at(7200, 1, "b")])
    with pytest.raises(BatchError) as raised:
        await sink.write(
            [at(7201 if behind == "b" else 0, 2, "a"), at(7201 if behind == "a" else 1, 3, "b"), at(7202, 4, behind)]
        )
    await sink.aclose()
    assert raised.value.failures.keys() == {0 if behind == "a" else 1}
    [failure] = raised.value.failures.values()
    assert isinstance(failure, Reject)
    assert "entry too far behind" in str(failure)
    assert sorted(numbers(stored(loki, job))) == [0, 1, *([3] if behind == "a" else [2]), 4]


@pytest.mark.anyio
async def test_what_is_too_old_is_rejected_and_nothing_else(loki: Loki, job: str) -> None:
    """By the time that Loki names (`reject_old_samples_max_age`)."""
    now_ns = time.time_ns()
    events = [
        Exchange(timestamp_ns=THEN if number in (1, 4) else now_ns - number * SECOND, httpipe_sequence=number)
        for number in range(6)
    ]
    with pytest.raises(BatchError) as raised:
        await written(make(loki, job, "recent"), events)
    assert {place: type(error) for place, error in raised.value.failures.items()} == {1: Reject, 4: Reject}
    assert "timestamp too old" in str(raised.value.failures[1])
    assert sorted(numbers(stored(loki, job, "recent", now_ns))) == [0, 2, 3, 5]


@pytest.mark.anyio
async def test_a_line_that_is_too_long_is_rejected_alone(loki: Loki, job: str) -> None:
    """`max_line_size`."""
    events = [at(number, number, url_path="/" + "x" * (300_000 if number == 3 else 3)) for number in range(6)]
    with pytest.raises(BatchError) as raised:
        await written(make(loki, job), events)
    assert raised.value.failures.keys() == {3}
    assert "max entry size" in str(raised.value.failures[3])
    assert numbers(stored(loki, job)) == [0, 1, 2, 4, 5]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tenant", "words"),
    [
        ("bare", "answered 400: .*includes structured metadata, but this feature is disallowed"),
        ("labelled", "answered 400: .*missing required labels 'team'"),
        ("blocked", "answered 260: .*ingestion blocked"),
        (None, "answered 401: no org id"),
    ],
)
async def test_events_wait_for_settings_that_refuse_them_all(loki: Loki, job: str, tenant: str, words: str) -> None:
    """No event is to blame."""
    with pytest.raises(BackOff, match=words):
        await written(make(loki, job, tenant, structured_metadata={"path": "{{url.path}}"}), ordinary_events(0, 20))


@pytest.mark.anyio
@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
async def test_events_wait_for_streams_that_are_too_many(loki: Loki, job: str, order: str) -> None:
    """`max_global_streams_per_user`: what stands before them in a batch is delivered, and what stands behind them waits, too."""
    tenant = f"few-streams-{order}"
    sink = make(loki, job, tenant, labels={"server": "{{server.address}}"})
    await sink.open()
    await sink.write([at(0, 0, "a"), at(1, 1, "b")])
    with pytest.raises((BackOff, BatchError)) as raised:
        await sink.write([at(2 + place, 2 + place, server) for place, server in enumerate(order)])
    await sink.aclose()
    first = order.index("c")
    failures = raised.value.failures if isinstance(raised.value, BatchError) else dict.fromkeys(range(3), raised.value)
    assert failures.keys() == set(range(first, 3))
    assert all(isinstance(failure, BackOff) for failure in failures.values())
    assert "maximum active stream limit exceeded" in str(failures[first])
    assert numbers(stored(loki, job, tenant)) == list(range(2 + first))


@pytest.mark.parametrize("tenant", ["slow", "slow-streams"])
def test_a_tenant_that_may_send_little_gets_it_all_in_the_end(loki: Loki, job: str, tenant: str, tmp_path: Path) -> None:
    """A batch is larger than what Loki takes at once (`ingestion_burst_size_mb`, `per_stream_rate_limit_burst`)."""
    table = f'type = "loki"\nurl = "{loki.base}"\ntenant = "{tenant}"\nlabels.job = "{job}"\n'
    with sending(tmp_path, table, count=1000) as run:
        all_sent(run, 1000)
    assert numbers(stored(loki, job, tenant)) == list(range(1000))


def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(loki: Loki, job: str, tmp_path: Path) -> None:
    """Killed three times in the middle of its work: LogQL shows each exchange, and each of them once."""
    table = f'type = "loki"\nurl = "{loki.base}"\ntenant = "any"\nlabels.job = "{job}"\nbatch.max_events = 20'
    with sending(tmp_path, table) as run:
        for _ in range(3):
            received = loki.received("any")
            while loki.received("any") < received + COUNT // 10:
                assert run.poll() is None
                time.sleep(0.01)
            loki.kill()
            loki.start()
        all_sent(run)
    assert numbers(stored(loki, job)) == list(range(COUNT))
