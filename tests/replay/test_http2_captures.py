"""HTTP/2 of other people's programs: decode makes of it what their servers wrote down, from wherever it begins to listen."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.decode.http2.frames import HEADER, PREFACE, header_at
from pipeline.model.events.exchange import Exchange, Mark
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.model.records import Segment, reverse
from pipeline.sources.pcap.reader import read_segments
from pipeline.testing.packets import Talk

PORT = 8002
FOLDER = Path(__file__).parent / "captures/http2"
NAMES = sorted(path.stem for path in FOLDER.glob("*.pcap"))
STATED = {"method": "http_request_method", "path": "url_path", "status": "http_response_status_code",
          "request": "http_request_body_size", "response": "http_response_body_size", "agent": "user_agent_original",
          "error": "httpipe_http2_error", "code": "rpc_grpc_status_code",
          "version": "network_protocol_version"}  # fmt: skip
COMPARED = ("http_request_method", "url_path", "url_query", "url_scheme", "server_address", "server_port", "user_agent_original",
            "http_response_status_code", "rpc_service", "rpc_method", "rpc_grpc_status_code")  # fmt: skip
HEADERS = ("x-cache", "x-request-id", "x-a", "x-id", "x-n", "x-sum", "server", "date", "content-type", "grpc-message", "te")


@cache
def segments(name: str) -> list[Segment]:
    """All of a capture."""
    return [segment for batch in read_segments(FOLDER / f"{name}.pcap") for segment in batch]


def decode(records: Sequence[Segment]) -> list[Exchange]:
    """All exchanges; decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    options = DecodeOptions(request_headers=HEADERS, response_headers=HEADERS)
    decoder = Decoder(options, source="test", count=lambda name, by: counts.update({name: by}))
    events = [*decoder.feed(records), *decoder.finish()]
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return [event for event in events if isinstance(event, Exchange)]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_servers_wrote_down(name: str) -> None:
    """Each exchange of the log is there with what the log says of it, no other one is, and none is marked."""
    truth = [json.loads(line) for line in (FOLDER / f"{name}.json").read_text().splitlines()]
    found = decode(segments(name))
    assert {each.httpipe_marks for each in found if not each.httpipe_http2_error} == {()}
    stated = [key for key in STATED if any(key in each for each in truth)]
    listed = Counter(tuple(each.get(key) for key in stated) for each in truth)
    assert Counter(tuple(getattr(each, STATED[key]) for key in stated) for each in found) == listed


@pytest.mark.parametrize("name", ["grpcio", "grpc-go", "grpc-node"])
def test_messages_of_calls(name: str) -> None:
    """Each message of gRPC's calls is counted, with its size unless it was compressed."""
    truth = [json.loads(line) for line in (FOLDER / f"{name}.json").read_text().splitlines()]
    listed = Counter(
        (
            each["path"],
            len(each["asked"]),
            "Gzip" in each["path"] or sum(each["asked"]),
            len(each["answered"]),
            "Gzip" in each["path"] or sum(each["answered"]),
        )
        for each in truth
    )
    assert listed == Counter(
        (
            f"/{each.rpc_service}/{each.rpc_method}",
            each.httpipe_rpc_request_messages,
            each.rpc_method == "Gzip" or each.httpipe_rpc_request_message_bytes,
            each.httpipe_rpc_response_messages or 0,
            each.rpc_method == "Gzip" or each.httpipe_rpc_response_message_bytes or 0,
        )
        for each in decode(segments(name))
    )


def test_what_streams_in_calls() -> None:
    """It is told by more than one message."""
    found = decode(segments("grpcio"))
    assert {(each.rpc_method, each.httpipe_rpc_streaming) for each in found} == {
        ("Unary", None), ("None", None), ("Server", "server"), ("Client", "client"), ("Bidi", "bidi"),
    }  # fmt: skip


def whole(name: str) -> dict[tuple[str | None, int | None], Exchange]:
    """What all of a capture gives, by connection and stream."""
    return {(each.httpipe_connection, each.httpipe_stream_id): each for each in decode(segments(name))}


def check(found: Sequence[Exchange], truth: dict[tuple[str | None, int | None], Exchange], of: Sequence[str]) -> tuple[int, int]:
    """No value but the right one; one that is absent is marked. How many values are there, and how many are not."""
    known = absent = 0
    names = {_ends(name or ""): name for name, _ in truth}
    for each in found:
        right = truth[names[_ends(each.httpipe_connection or "")], each.httpipe_stream_id]
        unseen = {Mark.UNMATCHED_RESPONSE: of[:7] + of[8:10], Mark.UNMATCHED_REQUEST: of[7:8] + of[10:]}
        not_seen = {name for mark, fields in unseen.items() if mark in each.httpipe_marks for name in fields}
        for field in of:
            value, wanted = getattr(each, field), getattr(right, field)
            if wanted is None:
                assert value is None, (field, value)
            elif value is None or (field in {"server_address", "server_port"} and field in not_seen):
                absent += 1
                assert field in not_seen or {"hpack_partial", "gap", "mid_stream", "truncated"} & set(each.httpipe_marks), (
                    field,
                    each,
                )
            else:
                known += 1
                assert value == wanted, (field, value, wanted, each.httpipe_marks)
        for side in ("http_request_headers", "http_response_headers"):
            wanted = getattr(right, side)
            for header, values in getattr(each, side).items():
                assert set(values) <= set(wanted[header])
    return known, absent


def _ends(connection: str) -> str:
    """The name of a connection without its generation, which who joins late does not know."""
    return connection.rpartition("-")[0] if connection.count("-") > 1 else connection


@pytest.mark.parametrize("name", NAMES)
def test_joined_in_the_middle(name: str) -> None:
    """However many segments are missing at the beginning, no value is another's, and what is absent is marked."""
    truth, records = whole(name), segments(name)
    found = known = absent = 0
    for missing in range(1, len(records), 1 + len(records) // 400):
        exchanges = decode(records[missing:])
        found += len(exchanges)
        more, less = check(exchanges, truth, COMPARED)
        known, absent = known + more, absent + less
    assert found
    assert known


@pytest.mark.parametrize("name", NAMES)
def test_what_a_poor_capture_leaves(name: str) -> None:
    """Segments cut short, lost, twice, or in another order: no value is another's, and what is absent is marked."""
    truth, records, chance = whole(name), segments(name), random.Random(name)
    for snaplen in (20, 100, 300):
        check(
            decode([replace(each, payload=each.payload[:snaplen], cut=each.length > snaplen) for each in records]),
            truth,
            COMPARED,
        )
    for lost in (0.0, 0.02, 0.1, 0.3):
        poor = [each for each in records for _ in range(1 + (chance.random() < 0.1)) if chance.random() >= lost]
        for _ in range(len(poor) // 10):
            place = chance.randrange(len(poor) - 1)
            poor[place : place + 2] = poor[place + 1], poor[place]
        check(decode(poor), truth, COMPARED)
        check(decode(poor[chance.randrange(len(poor)) :]), truth, COMPARED)


def _is_pushed(exchange: Exchange) -> bool:
    """Of a push the server says both halves."""
    return exchange.httpipe_stream_id is not None and not exchange.httpipe_stream_id % 2


@pytest.mark.parametrize("client", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_one_direction_only(name: str, *, client: bool) -> None:
    """A capture of one side, whole or joined in the middle: what that side says is right, and the other half is marked."""
    truth = whole(name)
    records = [each for each in segments(name) if (int.from_bytes(each.key[-2:], "big") == PORT) == client]
    for missing in range(0, len(records), 1 + len(records) // 100):
        found = decode(records[missing:])
        check(found, truth, COMPARED)
        halves = {Mark.UNMATCHED_REQUEST if client else Mark.UNMATCHED_RESPONSE}
        assert all(halves & set(each.httpipe_marks) for each in found if not _is_pushed(each))
        assert missing or len(found) >= len(truth) // 2


def test_a_stream_without_a_body_has_no_content() -> None:
    """Where bodies are asked for, as with HTTP/1: there is none, rather than an empty one."""
    decoder = Decoder(DecodeOptions(bodies=BodyOptions(max_bytes=100)), source="test")
    events = [*decoder.feed(segments("curl-nginx")), *decoder.finish()]
    sizes = Counter[tuple[bool, bool]]()
    for each in events:
        assert isinstance(each, Exchange)
        for size, content, decoded in (
            (each.http_request_body_size, each.http_request_body_content, each.httpipe_request_body_decoded_size),
            (each.http_response_body_size, each.http_response_body_content, each.httpipe_response_body_decoded_size),
        ):
            sizes[bool(size), content is not None] += 1
            assert size or decoded is None
    assert set(sizes) == {(True, True), (False, False)}


def test_what_a_browser_says_on_a_stream() -> None:
    """A WebSocket of Chromium's over HTTP/2 (RFC 8441)."""
    decoder = Decoder(DecodeOptions(websocket_messages=True, bodies=BodyOptions(max_bytes=100)), source="test")
    events = [*decoder.feed(segments("chromium-node")), *decoder.finish()]
    said = [
        (each.httpipe_websocket_sender, each.httpipe_websocket_content, each.url_path)
        for each in events
        if isinstance(each, WebsocketMessage) and each.httpipe_websocket_opcode == "text"
    ]
    assert sorted(said) == [("client", "hello", "/ws"), ("server", "hi", "/ws")]


def frames_of(name: str) -> list[tuple[bool, bytes]]:
    """All frames of the longest connection, in the order in which they ended: by whom, and their bytes."""
    by_key: dict[bytes, int] = Counter()
    for segment in segments(name):
        by_key[min(segment.key, reverse(segment.key))] += segment.length
    longest = max(by_key, key=lambda key: by_key[key])
    held: dict[bytes, bytes] = {longest: b"", reverse(longest): b""}
    out, client = [], b""
    for segment in segments(name):
        if segment.key not in held or not segment.payload:
            continue
        data = held[segment.key] + segment.payload
        if not client and data.startswith(PREFACE):
            client, data = segment.key, data[len(PREFACE) :]
        while len(data) >= HEADER and len(data) >= (size := HEADER + header_at(data, 0)[0]):
            out.append((segment.key == client, data[:size]))
            data = data[size:]
        held[segment.key] = data
    return out


def conversation(frames: Sequence[tuple[bool, bytes]], *, handshake: bool = True) -> list[Segment]:
    """Frames, each in segments of its own."""
    talk = Talk(handshake=handshake, mss=1 << 16)
    if handshake:
        talk.client(PREFACE)
    for client, data in frames:
        (talk.client if client else talk.server)(data)
    return talk.segments


@pytest.mark.parametrize("name", NAMES)
def test_without_the_first_frames(name: str) -> None:
    """Of real connections the first N frames are dropped, for all N: no wrong value, and what is absent is marked."""
    frames = frames_of(name)
    truth = {(each.httpipe_connection, each.httpipe_stream_id): each for each in decode(conversation(frames))}
    for missing in range(1, len(frames), 1 + len(frames) // 300):
        check(decode(conversation(frames[missing:], handshake=False)), truth, COMPARED)
