"""The sink `elasticsearch` without a server that stores: requests, answers, names, templates. tests/sinks has OpenSearch."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import BackOff, BatchError, ConfigError, NotConnected, Reject
from pipeline.codecs.registry import codec
from pipeline.model.events.exchange import Exchange
from pipeline.sinks.elasticsearch.bulk import Item, document_id, items_of, words_of
from pipeline.sinks.elasticsearch.index_name import IndexName
from pipeline.sinks.elasticsearch.index_template import index_template
from pipeline.sinks.elasticsearch.sink import ElasticsearchConfig, ElasticsearchSink
from tests.sending import counting, written
from tests.web_receiver import Receiver

NOW_NS = 1_767_225_600 * 1_000_000_000
EVENTS = [Exchange(timestamp_ns=NOW_NS + number, httpipe_sequence=number, server_address=f"S{number}") for number in range(4)]
TAKEN: tuple[int, dict[str, str], str] = (200, {}, '{"errors":false,"items":[]}')


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """A server of this test's own."""
    with Receiver(tmp_path) as running:
        yield running


def make(url: str, **options: Any) -> tuple[ElasticsearchSink, dict[str, int]]:
    """The sink, and what it counts."""
    context, counted = counting()
    return ElasticsearchSink(ElasticsearchConfig.model_validate({"url": url, **options}), context), counted


def answered(*items: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """An answer of the bulk API."""
    return (200, {}, json.dumps({"errors": True, "items": [{"create": item} for item in items]}))


async def sent(sink: ElasticsearchSink) -> None:
    """Open, write, close."""
    await written(sink, EVENTS)


def lines(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON lines of a request."""
    body = request["body"]
    if request["fields"].get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body.splitlines()]


@pytest.mark.anyio
async def test_a_batch_is_one_request_to_the_index(receiver: Receiver) -> None:
    """With an id for each document, made of it, so that the same one always has the same id."""
    receiver.answer(TAKEN, TAKEN)
    for _ in range(2):
        await sent(make(receiver.base)[0])
    first, second = receiver.requests()
    assert first["path"].startswith("/_bulk?filter_path=errors,items")
    assert first["fields"]["content-type"] == "application/x-ndjson"
    assert first["fields"]["content-encoding"] == "gzip"
    assert first["body"] == second["body"]
    found = lines(first)
    assert found[1::2] == [json.loads(document) for document in codec("ecs").encode_each(EVENTS)]
    ids = [action["create"]["_id"] for action in found[::2]]
    assert {action["create"]["_index"] for action in found[::2]} == {"logs-httpipe-default"}
    assert len(set(ids)) == 4
    assert ids == sorted(ids, key=base64.urlsafe_b64decode)


@pytest.mark.anyio
async def test_templates_name_the_index_of_each_event(receiver: Receiver) -> None:
    """In small letters, with the event's own day."""
    receiver.answer((200, {}, "{}"), TAKEN)
    options = {"index": "http-{{server.address}}-%F", "action": "index", "deduplicate": False, "compression": "none"}
    await sent(make(f"{receiver.base}/search/", pipeline="geo ip", **options)[0])
    look, request = receiver.requests()
    assert (look["method"], look["path"]) == ("GET", "/search/_ingest/pipeline/geo%20ip")
    assert request["path"].startswith("/search/_bulk?")
    assert request["path"].endswith("&pipeline=geo%20ip")
    assert lines(request)[::2] == [{"index": {"_index": f"http-s{n}-2026-01-01"}} for n in range(4)]


@pytest.mark.anyio
async def test_each_event_has_the_fate_that_its_item_says(receiver: Receiver) -> None:
    """Taken, there already, refused for good with the server's words, refused for now; events with the same fate share it."""
    busy = {"status": 429, "error": {"type": "rejected_execution", "reason": "queue is full"}}
    wrong = {"status": 400, "error": {"type": "mapping", "reason": "no\x1b number", "caused_by": {"reason": "x"}}}
    receiver.answer(answered({"status": 409, "error": {"type": "version_conflict", "reason": "there"}}, wrong, busy, busy))
    sink, counted = make(receiver.base)
    with pytest.raises(BatchError) as raised:
        await sent(sink)
    failures = raised.value.failures
    assert {place: type(error) for place, error in failures.items()} == {1: Reject, 2: BackOff, 3: BackOff}
    assert failures[2] is failures[3]
    assert "answered 400: mapping: no number: x" in str(failures[1])
    assert "answered 429: rejected_execution: queue is full" in str(failures[2])
    assert counted == {"already_there_events": 1}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("kind", "reason", "fate"),
    [
        (
            "validation_exception",
            "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [9]/[9] maximum shards open;",
            BackOff,
        ),
        ("illegal_argument_exception", "pipeline with id [nightly] does not exist", BackOff),
        ("illegal_argument_exception", "no write index is defined for alias [logs]. The write index may be", BackOff),
        ("document_parsing_exception", "Preview: 'illegal_argument_exception: pipeline with id [x] does not exist'", Reject),
        ("illegal_argument_exception", "mapper [a] cannot be changed", Reject),
    ],
)
async def test_events_wait_for_a_server_that_somebody_has_to_put_right(
    receiver: Receiver, kind: str, reason: str, fate: type[Exception]
) -> None:
    """400 that no event is to blame for; what a document brings along is not taken for the server's words."""
    receiver.answer(answered(*[{"status": 400, "error": {"type": kind, "reason": reason}}] * 4))
    with pytest.raises(fate, match=f"400: {kind}"):
        await sent(make(receiver.base)[0])


@pytest.mark.anyio
async def test_a_conflict_with_an_id_that_is_not_ours_is_no_delivery(receiver: Receiver) -> None:
    """Without ids of ours it says something else."""
    receiver.answer(answered(*[{"status": 409}] * 4))
    with pytest.raises(Reject, match="409"):
        await sent(make(receiver.base, deduplicate=False)[0])


@pytest.mark.anyio
async def test_what_is_too_large_is_halved(receiver: Receiver) -> None:
    """And only a document that is too large alone is rejected."""
    receiver.answer((413, {}, ""), (413, {}, ""), (413, {}, "too large"), TAKEN, TAKEN)
    with pytest.raises(BatchError) as raised:
        await sent(make(receiver.base)[0])
    assert {place: type(error) for place, error in raised.value.failures.items()} == {0: Reject}
    assert [len(lines(each)) // 2 for each in receiver.requests()] == [4, 2, 1, 1, 2]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, "<html>welcome</html>"),
        (200, {}, '{"errors":true,"items":[{"create":{"status":201}}]}'),
        (200, {}, '{"errors":true}'),
        (429, {}, "busy"),
        (503, {}, "no master"),
        (401, {}, "who?"),
    ],
)
async def test_an_answer_that_settles_nothing_is_no_delivery(receiver: Receiver, answer: tuple[int, dict[str, str], str]) -> None:
    """Nobody knows what was taken: all is written again, and ids keep it from being there twice."""
    receiver.answer(answer)
    with pytest.raises(BackOff, match=r"POST http://127\.0\.0\.1:\d+/_bulk answered"):
        await sent(make(receiver.base)[0])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("auth", "field"),
    [
        ({"user": "elastic", "password": "wörd"}, "Basic ZWxhc3RpYzp3w7ZyZA=="),
        ({"token": "t0k"}, "Bearer t0k"),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
    ],
)
async def test_credentials_are_sent_and_never_shown(receiver: Receiver, auth: dict[str, str], field: str) -> None:
    """As each kind of server wants them."""
    receiver.answer(TAKEN)
    sink, _ = make(receiver.base, auth=auth)
    await sent(sink)
    assert receiver.requests()[0]["fields"]["authorization"] == field
    assert not any(auth[name] in repr(sink._config) for name in auth if name != "user")


@pytest.mark.anyio
async def test_who_is_not_known_is_told_at_the_start(receiver: Receiver) -> None:
    """In the server's words, without the JSON around them; a key that may only write passes."""
    refused = (401, {}, '{"error":{"type":"security_exception","reason":"unable to authenticate"},"status":401}')
    receiver.answer(refused, (403, {}, "{}"))
    sink, _ = make(receiver.base, auth={"api_key": "a:b"})
    await sink.open()
    with pytest.raises(NotConnected, match=r"GET http://[^ ]+/ answered 401: security_exception: unable to authenticate$"):
        await sink.healthcheck()
    await sink.healthcheck()
    await sink.aclose()


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    """Before anything is sent to it."""
    sink, _ = make(Receiver(tmp_path).base)
    await sink.open()
    with pytest.raises(NotConnected, match="Connection refused"):
        await sink.healthcheck()
    await sink.aclose()


def test_names_of_indices_are_bounded_and_harmless() -> None:
    """What traffic chose cannot leave the name, and makes no more than a hundred."""
    name = IndexName("http-{{server.address}}", {})
    assert name.of(Exchange(timestamp_ns=0, server_address="../../_Bulk?x#*")) == "http-_______bulk_x__"
    events = [Exchange(timestamp_ns=0, server_address=f"h{number}") for number in range(200)]
    assert name.overflows(events) == 0
    for event in events:
        name.of(event)
    late = Exchange(timestamp_ns=0, server_address="late")
    assert name.of(late) == "http-other"
    assert name.overflows([*events, late]) == 102
    assert name.pattern == "http-*"
    assert IndexName("http-%Y.%m-{{url.path}}", {}).pattern == "http-*.*-*"
    assert len(IndexName("a{{url.path}}{{url.path}}{{url.path}}", {}).of(Exchange(timestamp_ns=0, url_path="x" * 999))) == 255


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ("Logs", "not the name of an index"),
        ("-logs", "not the name of an index"),
        ("lo gs", "not the name of an index"),
        ("a%%b", "not the name of an index"),
        ("..", "not the name of an index"),
        ("logs-%Q", "unknown time token"),
        ("{{server.address}}", "start with literal text"),
        ("logs-{{nosuch.field}}", "nosuch"),
    ],
)
def test_a_wrong_index_is_found_before_anything_runs(index: str, problem: str) -> None:
    """`httpipe validate` tells it."""
    with pytest.raises(ConfigError, match=problem):
        make("http://a", index=index)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://a"},
        {"url": "http://me:hidden@a"},
        {"url": "http://a/?x=y"},
        {"auth": {"user": "u"}},
        {"auth": {"token": "hidden\n"}},
        {"auth": {"api_key": "hidden ü"}},
        {"auth": {"user": "u", "password": "hidden", "api_key": "k"}},
        {"encoding": {"codec": "protobuf"}},
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, Any]) -> None:
    """Without a secret in the message."""
    with pytest.raises(ValidationError) as raised:
        make(**{"url": "http://a", **options})
    assert "hidden" not in str(raised.value)


def test_ids_differ_where_documents_do() -> None:
    """By time or by content; any time makes one that the server can keep in 18 bytes."""
    made = {document_id(at, body) for at in (-1, 0, 1, NOW_NS, 1 << 70) for body in (b"a", b"b")}
    assert len(made) == 8  # -1 and 0 are one moment
    assert {len(base64.urlsafe_b64decode(each)) for each in made} == {18}


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"errors":true,"items":[1]}', b'{"errors":true,"items":[{"create":{}}]}']
)
def test_nonsense_is_no_answer(answer: bytes) -> None:
    """Whatever stands between us and the server may answer."""
    assert items_of(answer, 1) is None


def test_an_error_that_is_no_object_is_quoted_as_it_is() -> None:
    """As servers that are only compatible may have it, and what stands in front of them."""
    assert items_of(b'{"errors":true,"items":[{"index":{"status":400,"error":"no"}}]}', 1) == [Item(400, "no")]
    assert words_of(b'{"error":{"root_cause":[],"type":"a","reason":"b"},"status":400}') == b"a: b"
    assert words_of(b"<html>") == b"<html>"
    assert words_of(b"{}") == b"{}"


def test_the_template_knows_every_declared_field() -> None:
    """By ECS's names, and as a data stream where documents are created."""
    template = index_template("logs-*", data_stream=True)
    assert template["data_stream"] == {}
    assert "data_stream" not in index_template("x", data_stream=False)
    properties = template["template"]["mappings"]["properties"]
    assert properties["source"]["properties"]["ip"] == {"type": "ip"}
    assert properties["event"]["properties"]["duration"] == {"type": "long"}
    assert properties["http"]["properties"]["response"]["properties"]["status_code"] == {"type": "long"}
    assert properties["httpipe"]["properties"]["marks"]["type"] == "keyword"
    document = codec("ecs").encode(EVENTS[0])

    found, known = leaves(json.loads(document)), leaves(properties)
    added = {"event.kind", "event.category", "event.type", "event.outcome"}  # texts, by the encoder
    typed = {name.replace(".properties.", ".").removeprefix("properties.").removesuffix(".type") for name in known}
    assert found - typed == added


def leaves(value: Any, name: str = "") -> set[str]:
    """The places of an object that hold no further one."""
    if not isinstance(value, dict):
        return {name}
    return set[str]().union(*(leaves(inner, f"{name}.{key}" if name else key) for key, inner in value.items()))
