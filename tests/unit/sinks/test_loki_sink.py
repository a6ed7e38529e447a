"""The sink `loki` against a web server that keeps what arrives and answers as it is told. tests/sinks has one that stores."""

import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import BackOff, BatchError, ConfigError, Reject
from pipeline.codecs.registry import codec
from pipeline.model.events.exchange import Exchange
from pipeline.sinks.loki.refusal import oldest_acceptable_ns
from pipeline.sinks.loki.sink import LokiConfig, LokiSink
from pipeline.testing.sink_contract import sink_contract
from tests.sending import COUNT, all_sent, counting, sending, written
from tests.web_receiver import Receiver, Receivers

NOW_NS = 1_767_225_600 * 1_000_000_000
EVENTS = [
    Exchange(timestamp_ns=NOW_NS + second * 1_000_000_000, httpipe_sequence=second, server_address=f"s{second % 2}.example")
    for second in range(6)
]
OK: tuple[int, dict[str, str], str] = (204, {}, "")
BY_SERVER = {"labels": {"job": "httpipe", "server": "{{server.address}}"}}


def too_old(before: int) -> tuple[int, dict[str, str], str]:
    """What Loki answers where entries are older than this second of ``EVENTS``."""
    bound = datetime.fromtimestamp(NOW_NS // 1_000_000_000 + before, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason = f"entry too far behind, entry timestamp is: 2025-12-31T00:00:00Z, oldest acceptable timestamp is: {bound}"
    return (400, {}, f"entry with timestamp 2025-12-31 ignored, reason: '{reason}',\ntotal ignored: 2 out of 6 for stream")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A server of this test's own."""
    with Receiver(tmp_path) as running:
        yield running


def make(url: str, **options: Any) -> tuple[LokiSink, dict[str, int]]:
    """The sink, and what it counts."""
    context, counted = counting()
    return LokiSink(LokiConfig.model_validate({"url": url, **options}), context), counted


async def sent(sink: LokiSink, events: Sequence[Exchange] = EVENTS) -> None:
    """Open, write, close."""
    await written(sink, events)


def streams(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a request."""
    body = request["body"]
    found = json.loads(gzip.decompress(body) if request["fields"].get("content-encoding") == "gzip" else body)
    assert found.keys() == {"streams"}
    return list(found["streams"])


def numbers(requests: Sequence[dict[str, Any]]) -> list[int]:
    """Of the events in these requests, in their order."""
    return [
        json.loads(entry[1])["httpipe.sequence"]
        for request in requests
        for stream in streams(request)
        for entry in stream["values"]
    ]


def taken(receiver: Receiver) -> list[dict[str, Any]]:
    """The requests that were kept."""
    return [each for each in receiver.requests() if each["status"] in (0, 204)]


RECEIVERS = Receivers()


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    RECEIVERS.end()


TestContract = sink_contract(
    lambda folder: make(RECEIVERS.at(folder).base)[0],
    received=lambda folder: numbers(taken(RECEIVERS.at(folder))),
    down=RECEIVERS.away,
)


@pytest.mark.anyio
async def test_each_stream_of_a_batch_is_a_request(receiver: Receiver) -> None:
    """By labels, entries in order of time, with nanoseconds, the encoded event, and metadata where it is asked for."""
    options = {**BY_SERVER, "structured_metadata": {"number": "{{httpipe.sequence}}", "none": "{{url.path}}"}, "tenant": "team-a"}
    await sent(make(receiver.base, **options)[0], EVENTS[::-1])
    requests = receiver.requests()
    for request in requests:
        assert request["path"] == "/loki/api/v1/push"
        assert request["fields"]["content-type"] == "application/json"
        assert request["fields"]["x-scope-orgid"] == "team-a"
    [one], [other] = (streams(request) for request in requests)
    assert [stream["stream"] for stream in (one, other)] == [
        {"job": "httpipe", "server": "s1.example"},
        {"job": "httpipe", "server": "s0.example"},
    ]
    lines = codec("json").encode_each(EVENTS)
    assert one["values"] == [
        [str(EVENTS[number].timestamp_ns), lines[number].decode(), {"number": str(number)}] for number in (1, 3, 5)
    ]


@pytest.mark.anyio
async def test_an_address_with_a_path_is_taken_as_it_is(receiver: Receiver) -> None:
    """For what stands in front of Loki, and for others that speak its API."""
    await sent(make(f"{receiver.base}/insert/push", compression="none")[0])
    assert receiver.requests()[0]["path"] == "/insert/push"
    assert streams(receiver.requests()[0])[0]["stream"] == {"job": "httpipe"}


@pytest.mark.anyio
async def test_streams_are_bounded(receiver: Receiver) -> None:
    """Untrusted peers choose values: those that come late are `other`, and counted; what is missing is `unknown`."""
    sink, counted = make(receiver.base, **BY_SERVER, max_streams=3)
    names = [None, "a", "b", "c", "d", "a"]
    await sent(sink, [Exchange(timestamp_ns=NOW_NS, server_address=name, httpipe_sequence=0) for name in names])
    found = [stream["stream"]["server"] for request in receiver.requests() for stream in streams(request)]
    assert found == ["unknown", "a", "b", "other"]
    assert counted == {"stream_overflow_events": 2}


@pytest.mark.anyio
async def test_labels_have_no_signs_that_loki_refuses(receiver: Receiver) -> None:
    """Those for bytes that are no text, which any peer can send: its events would be rejected."""
    await sent(
        make(receiver.base, **BY_SERVER)[0], [Exchange(timestamp_ns=NOW_NS, server_address="a\udc80\ufffdä", httpipe_sequence=0)]
    )
    assert streams(receiver.requests()[0])[0]["stream"]["server"] == "a??ä"


@pytest.mark.anyio
async def test_an_event_that_came_too_late_is_counted_once(receiver: Receiver) -> None:
    """However often it is sent until Loki has it; what says `other` itself is a stream like others."""
    receiver.answer(OK, (413, {}, ""), OK, (503, {}, ""), OK)
    sink, counted = make(receiver.base, **BY_SERVER, max_streams=2)
    events = [Exchange(timestamp_ns=NOW_NS, server_address=name, httpipe_sequence=0) for name in ["a", "other", "b", "c"]]
    await sink.open()
    with pytest.raises(BatchError) as raised:
        await sink.write(events)
    assert raised.value.failures.keys() == {2, 3}
    assert counted == {}
    await sink.write(events[2:])
    await sink.aclose()
    assert counted == {"stream_overflow_events": 2}


@pytest.mark.anyio
async def test_what_is_too_old_is_rejected_and_nothing_else(receiver: Receiver) -> None:
    """By the time that Loki names; the rest is sent again, which Loki knows."""
    receiver.answer(too_old(2), too_old(2), OK)
    with pytest.raises(BatchError, match="2 events") as raised:
        await sent(make(receiver.base)[0])
    failures = raised.value.failures
    assert {place: type(error) for place, error in failures.items()} == {0: Reject, 1: Reject}
    assert "400: entry with timestamp 2025-12-31 ignored, reason: 'entry too far behind" in str(failures[0])
    assert [numbers([each]) for each in receiver.requests()] == [[0, 1, 2, 3, 4, 5], [0, 1], [2, 3, 4, 5]]


@pytest.mark.anyio
async def test_each_stream_has_its_own_limit(receiver: Receiver) -> None:
    """What Loki says of one is about no other."""
    receiver.answer(too_old(9), OK)
    with pytest.raises(BatchError) as raised:
        await sent(make(receiver.base, **BY_SERVER)[0])
    assert raised.value.failures.keys() == {0, 2, 4}
    assert numbers(taken(receiver)) == [1, 3, 5]


@pytest.mark.anyio
async def test_a_refusal_without_a_time_is_narrowed_down(receiver: Receiver) -> None:
    """In halves, to the one event that Loki will not take."""
    no = (400, {}, "Max entry size '262144' bytes exceeded")
    receiver.answer(no, no, no, OK, OK)
    with pytest.raises(BatchError) as raised:
        await sent(make(receiver.base)[0])
    assert raised.value.failures.keys() == {0}
    assert [numbers([each]) for each in receiver.requests()] == [[0, 1, 2, 3, 4, 5], [0, 1, 2], [0], [1, 2], [3, 4, 5]]


@pytest.mark.anyio
async def test_an_event_from_before_the_servers_schema_is_rejected_alone(receiver: Receiver) -> None:
    """It says so as if it had failed, and would say so for ever."""
    no = (500, {}, "rpc error: code = Unknown desc = failed to create stream: no schema config found for time 0")
    receiver.answer(no, no, no, OK, OK)
    with pytest.raises(BatchError) as raised:
        await sent(make(receiver.base)[0])
    assert {place: type(error) for place, error in raised.value.failures.items()} == {0: Reject}
    assert "no schema config found" in str(raised.value.failures[0])


@pytest.mark.anyio
@pytest.mark.parametrize(
    "words",
    [
        "stream '{job=\"httpipe\"}' includes structured metadata, but this feature is disallowed. Please see …",
        "missing required labels team for user fake for stream {}",
    ],
)
async def test_events_wait_for_a_setting_that_is_wrong(receiver: Receiver, words: str) -> None:
    """No event is to blame, and each would be refused."""
    receiver.answer((400, {}, words))
    with pytest.raises(BackOff, match="answered 400"):
        await sent(make(receiver.base)[0])
    assert len(receiver.requests()) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [(413, {}, ""), (500, {}, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)")],
)
async def test_what_is_too_large_is_halved(receiver: Receiver, answer: tuple[int, dict[str, str], str]) -> None:
    """Also where one part of Loki says so to another."""
    receiver.answer(answer, OK, OK)
    await sent(make(receiver.base)[0])
    assert [numbers([each]) for each in receiver.requests()] == [[0, 1, 2, 3, 4, 5], [0, 1, 2], [3, 4, 5]]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [429, 500, 503, 401])
async def test_who_may_say_yes_later_is_asked_again(receiver: Receiver, status: int) -> None:
    """Loki answers 429 where a tenant or a stream sends more than it may."""
    receiver.answer((status, {"retry-after": "7"}, "Ingestion rate limit exceeded"))
    with pytest.raises(BackOff, match=f"answered {status}: Ingestion rate limit exceeded") as raised:
        await sent(make(receiver.base, auth={"user": "u", "password": "hidden"})[0])
    assert raised.value.secs == 7.0
    assert receiver.requests()[0]["fields"]["authorization"].startswith("Basic ")


@pytest.mark.anyio
async def test_requests_are_smaller_after_one_that_was_too_much(receiver: Receiver) -> None:
    """What is larger than the bursts of a tenant or a stream, Loki never takes: half of it, then a quarter; later more again."""
    much: tuple[int, dict[str, str], str] = (429, {}, "")
    receiver.answer(much, much, OK, OK, OK)
    sink, _ = make(receiver.base)
    await sink.open()
    for _ in range(2):
        with pytest.raises(BackOff, match="answered 429"):
            await sink.write(EVENTS)
    await sink.write(EVENTS)
    await sink.aclose()
    assert [numbers([each]) for each in receiver.requests()] == [[0, 1, 2, 3, 4, 5], [0, 1, 2], [0], [1, 2], [3, 4, 5]]


@pytest.mark.anyio
async def test_a_blocked_loki_has_taken_nothing(receiver: Receiver) -> None:
    """Its answer looks like a success, so that clients that drop what they cannot send are content."""
    receiver.answer((260, {}, "ingestion blocked for user fake until '2026-12-01' with status code '260'"))
    with pytest.raises(BackOff, match="answered 260: ingestion blocked for user fake"):
        await sent(make(receiver.base)[0])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"labels": {"server.address": "x"}}, r"labels.server.address: is not a name of a label"),
        ({"labels": {"a": "{{nosuch.field}}"}}, "nosuch"),
        ({"structured_metadata": {"1": "x"}}, "structured_metadata.1: is not a name"),
    ],
)
def test_mistakes_are_found_before_anything_runs(options: dict[str, Any], problem: str) -> None:
    """`httpipe validate` tells them."""
    with pytest.raises(ConfigError, match=problem):
        make("http://a", **options)


@pytest.mark.parametrize(
    "options",
    [{"labels": {}}, {"labels": {f"l{n}": "x" for n in range(16)}}, {"tenant": "a b"}, {"encoding": {"codec": "protobuf"}}],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """By Loki's own limits."""
    with pytest.raises(ValidationError):
        make("http://a", **options)


@pytest.mark.parametrize(
    ("words", "second"),
    [
        (b"", None),
        (b"oldest acceptable timestamp is: soon", None),
        (b"has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 1970-01-01T00:00:07Z", 7),
        (b"oldest acceptable timestamp is: 1970-01-01T02:00:09+02:00', oldest acceptable timestamp is: 1970-01-01T00:00:08Z'", 8),
        (b"oldest acceptable timestamp is: 9999-99-99T00:00:00Z", None),
    ],
)
def test_loki_names_a_time_in_words(words: bytes, second: int | None) -> None:
    """The oldest of several: what lies before it is refused for certain."""
    assert oldest_acceptable_ns(words) == (None if second is None else second * 1_000_000_000)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(tmp_path: Path, receiver: Receiver) -> None:
    """Killed twice, each time before it answers: all arrive, and twice only what it had taken without an answer."""
    dies: tuple[int, dict[str, str], str] = (0, {}, "")
    receiver.answer(*([OK] * 10 + [dies]) * 2)
    with sending(tmp_path, f'type = "loki"\nurl = "{receiver.base}"\nbatch.max_events = 500') as run:
        for _ in range(2):
            receiver.wait()
            receiver.start()
        all_sent(run)
    arrived = numbers(taken(receiver))
    unanswered = [len(numbers([each])) for each in receiver.requests() if each["status"] == 0]
    assert len(unanswered) == 2
    assert set(arrived) == set(range(COUNT))
    assert len(arrived) == COUNT + sum(unanswered)
