"""HTTP/2 by the rules of RFC 9113: what exchanges become of frames."""

import pytest
from http2_support import GET, OK, block, body, frame, head, opened

from pipeline.decode import BodyOptions
from pipeline.decode.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PREFACE,
    PRIORITISED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from pipeline.testing.packets import Talk
from tests.unit.decode.decode_support import brief, decode

POST = ((":method", "POST"), *GET[1:])
WHOLE = ("GET", "/a?b=c", 200, 0, 5)


def test_an_exchange() -> None:
    """Method, target, host, version, stream, sizes and times of a request and its response."""
    talk = opened().client(head(1, GET, end=True)).wait(0.5).server(head(1, OK), body(1, b"hello", end=True)).close()
    (exchange,) = decode(talk.segments)
    assert brief(exchange) == WHOLE
    assert (exchange.server_address, exchange.server_port, exchange.url_path, exchange.url_query) == (
        "example.com",
        8080,
        "/a",
        "b=c",
    )
    assert (exchange.network_protocol_name, exchange.network_protocol_version, exchange.httpipe_stream_id) == ("http", "2", 1)
    assert exchange.url_scheme == "http"
    assert exchange.http_request_size == len(head(1, GET, end=True))
    assert exchange.http_response_size == len(head(1, OK) + body(1, b"hello"))
    assert exchange.httpipe_ttfb_ms is not None
    assert 500 < exchange.httpipe_ttfb_ms < exchange.httpipe_duration_ms < 501  # type: ignore[operator]


@pytest.mark.parametrize("mss", [3, 7, 9, 10, 23, 24, 1460])
def test_segments_may_end_anywhere(mss: int) -> None:
    """However the bytes fall into segments, the exchanges are the same."""
    talk = opened(mss=mss)
    for stream in (1, 3):
        talk.client(
            head(stream, POST, insert=True, cuts=(3, 9)), body(stream, b"up" * 300, padding=7), body(stream, b"", end=True)
        )
        talk.server(head(stream, OK, insert=True), body(stream, b"hello", padding=200, end=True))
    assert [brief(each) for each in decode(talk.close().segments)] == [("POST", "/a?b=c", 200, 600, 5)] * 2


def test_streams_are_interleaved() -> None:
    """Each has its own request and response, whatever stands between their frames."""
    talk = opened()
    talk.client(*(head(stream, [*GET[:3], (":path", f"/{stream}")], end=True) for stream in (1, 3, 5)))
    talk.server(head(5, OK), head(1, OK), body(5, b"5"), body(1, b"1" * 100), frame(SETTINGS), body(5, b"5", end=True))
    talk.client(frame(WINDOW_UPDATE, b"\0\0\1\0", stream=1), frame(PRIORITY, b"\0\0\0\0\1", stream=9))
    talk.server(body(1, b"1", end=True), head(3, ((":status", "404"),), end=True))
    assert [(e.httpipe_stream_id, *brief(e)[1:]) for e in decode(talk.close().segments)] == [
        (5, "/5", 200, 0, 2),
        (1, "/1", 200, 0, 101),
        (3, "/3", 404, 0, 0),
    ]


def test_priority_and_padding_of_headers() -> None:
    """RFC 9113, section 6.2: they stand around the block."""
    payload = b"\x03" + b"\0\0\0\0\x0f" + block(GET) + bytes(3)
    asked = frame(HEADERS, payload, flags=PADDED | PRIORITISED | END_HEADERS | END_STREAM, stream=1)
    assert [brief(e) for e in decode(opened().client(asked).server(head(1, OK, end=True)).close().segments)] == [(*WHOLE[:4], 0)]


def test_informational_responses_and_trailers() -> None:
    """A 1xx answers nothing (section 8.1); trailers end a message, and are reported where they were asked for."""
    talk = opened().client(head(1, POST), body(1, b"ab")).server(head(1, ((":status", "100"),)), head(1, ((":status", "103"),)))
    talk.client(head(1, (("x-sum", "7"),), end=True))
    talk.server(head(1, OK), body(1, b"hello"), head(1, (("x-sum", "9"),), end=True)).close()
    (exchange,) = decode(talk.segments, request_headers=["X-Sum"], response_headers=["X-Sum"])
    assert brief(exchange) == ("POST", "/a?b=c", 200, 2, 5)
    assert exchange.http_request_headers == {"x-sum": ("7",)}
    assert exchange.http_response_headers == {"x-sum": ("9",)}


def test_a_push_is_an_exchange() -> None:
    """PUSH_PROMISE has the request (section 8.4), its stream the response."""
    promise = frame(PUSH_PROMISE, b"\0\0\0\2" + block(GET), flags=END_HEADERS, stream=1)
    talk = (
        opened().client(head(1, GET, end=True)).server(promise, head(1, OK, end=True), head(2, OK), body(2, b"hello", end=True))
    )
    exchanges = decode(talk.close().segments)
    assert [(e.httpipe_stream_id, brief(e)) for e in exchanges] == [(1, (*WHOLE[:4], 0)), (2, WHOLE)]


@pytest.mark.parametrize("by_client", [True, False])
def test_reset_before_the_answer(*, by_client: bool) -> None:
    """RST_STREAM ends a stream with its error code; frames that were under way are not another exchange."""
    talk = opened().client(head(1, GET, end=True))
    (talk.client if by_client else talk.server)(frame(RST_STREAM, b"\0\0\0\x08", stream=1))
    talk.server(head(1, OK), body(1, b"late", end=True))
    (exchange,) = decode(talk.close().segments)
    assert (*brief(exchange), exchange.error_type, exchange.httpipe_http2_error) == (
        "GET", "/a?b=c", None, 0, None, "unmatched_request", "reset", "CANCEL",
    )  # fmt: skip


def test_reset_inside_the_answer() -> None:
    """What came until then is its size."""
    talk = (
        opened().client(head(1, GET, end=True)).server(head(1, OK), body(1, b"hel"), frame(RST_STREAM, b"\0\0\0\x02", stream=1))
    )
    (exchange,) = decode(talk.close().segments)
    assert (*brief(exchange), exchange.error_type, exchange.httpipe_http2_error) == (
        "GET", "/a?b=c", 200, 0, 3, "reset", "INTERNAL_ERROR",
    )  # fmt: skip


def test_an_answer_that_needs_no_more_of_its_request() -> None:
    """Section 8.1: the whole response, then RST_STREAM with NO_ERROR, is no failure."""
    talk = opened().client(head(1, POST), body(1, b"abc")).server(head(1, OK, end=True), frame(RST_STREAM, bytes(4), stream=1))
    (exchange,) = decode(talk.close().segments)
    assert (*brief(exchange), exchange.error_type, exchange.httpipe_http2_error) == ("POST", "/a?b=c", 200, 3, 0, None, None)


def test_goaway_ends_what_was_not_processed() -> None:
    """Section 6.8: streams beyond the last one that was processed get no answer; the others do."""
    talk = opened().client(head(1, GET, end=True), head(3, GET, end=True))
    talk.server(frame(GOAWAY, b"\0\0\0\1\0\0\0\x0b"), head(1, OK), body(1, b"hello", end=True))
    exchanges = decode(talk.close().segments)
    assert [(e.httpipe_stream_id, e.http_response_status_code, e.error_type, e.httpipe_http2_error) for e in exchanges] == [
        (3, None, "closed", "ENHANCE_YOUR_CALM"),
        (1, 200, None, None),
    ]


def test_the_end_of_the_connection() -> None:
    """What is open then is reported, with what ended it."""
    talk = opened().client(head(1, GET, end=True), head(3, POST)).server(head(1, OK), body(1, b"hel"))
    closed, reset = decode(talk.reset(client=False).segments)
    assert (brief(closed), closed.error_type) == (("GET", "/a?b=c", 200, 0, 3), "reset")
    assert (brief(reset), reset.error_type) == (("POST", "/a?b=c", None, 0, None, "unmatched_request", "size_estimated"), "reset")


@pytest.mark.parametrize(
    "fields",
    [
        GET[:3],
        ((":method", "GET"), *GET),
        (GET[0], ("a", "b"), *GET[1:]),
        (*GET, ("Upper", "case")),
        (*GET, ("connection", "close")),
        (*GET, ("content-length", "7")),
        (*GET, ("content-length", "x")),
        (*GET, (":unknown", "x")),
    ],
)
def test_malformed_requests_are_marked(fields: tuple[tuple[str, str], ...]) -> None:
    """RFC 9113, sections 8.1.1, 8.2 and 8.3."""
    (exchange,) = decode(opened().client(head(1, fields, end=True)).server(head(1, OK, end=True)).close().segments)
    assert exchange.httpipe_marks == ("protocol_error",)


def test_head_and_not_modified_have_no_body() -> None:
    """Their content-length is another's (RFC 9110, section 8.6)."""
    talk = opened().client(head(1, ((":method", "HEAD"), *GET[1:]), end=True), head(3, GET, end=True))
    talk.server(
        head(1, (*OK, ("content-length", "9")), end=True), head(3, ((":status", "304"), ("content-length", "9")), end=True)
    )
    assert [brief(e)[2:] for e in decode(talk.close().segments)] == [(200, 0, 0), (304, 0, 0)]


def test_bodies_that_were_asked_for() -> None:
    """Without padding, decoded, cut at the bound."""
    talk = opened().client(head(1, POST), body(1, b"a" * 20, padding=5, end=True))
    talk.server(head(1, OK), body(1, b"hel", padding=0), body(1, b"lo", end=True)).close()
    (exchange,) = decode(talk.segments, bodies=BodyOptions(max_bytes=10))
    assert (exchange.http_request_body_content, exchange.http_response_body_content) == ("a" * 10, "hello")
    assert exchange.httpipe_marks == ("truncated",)


def test_fields_that_were_asked_for() -> None:
    """By name, in lower case; a cookie in pieces is one (section 8.2.3)."""
    asked = (*GET, ("cookie", "a=1"), ("cookie", "b=2"), ("user-agent", "me"))
    talk = opened().client(head(1, asked, end=True)).server(head(1, (*OK, ("x-a", "1"), ("x-a", "2")), end=True)).close()
    (exchange,) = decode(talk.segments, request_headers=["Cookie"], response_headers=["X-A", "X-B"])
    assert exchange.http_request_headers == {"cookie": ("a=1; b=2",)}
    assert exchange.http_response_headers == {"x-a": ("1", "2")}
    assert exchange.user_agent_original == "me"


def test_heads_for_who_shows_them() -> None:
    """As lines, without what could look like another line."""
    talk = opened().client(head(1, (*GET, ("x", "a\r\nb")), end=True)).server(head(1, OK, end=True)).close()
    (exchange,) = decode(talk.segments, keep_heads=True)
    assert exchange.request_head is not None
    assert exchange.request_head.splitlines()[-2:] == [b"x: a  b", b""]


def test_connect_is_over_with_its_answer() -> None:
    """Section 8.5: what follows is no body, and an extended CONNECT names its protocol (RFC 8441)."""
    talk = opened().client(head(1, ((":method", "CONNECT"), (":authority", "h:443"))))
    talk.client(head(3, ((":method", "CONNECT"), (":protocol", "websocket"), *GET[1:])))
    talk.server(head(1, ((":status", "200"),)), head(3, ((":status", "200"),))).client(
        body(1, b"x" * 50), body(3, b"y", end=True)
    )
    talk.server(body(1, b"z", end=True), head(3, (("a", "b"),), end=True))
    first, second = decode(talk.close().segments)
    assert (*brief(first), first.network_protocol_name, first.server_port) == ("CONNECT", "h:443", 200, 0, 0, "http", 443)
    assert (*brief(second), second.network_protocol_name) == ("CONNECT", "/a?b=c", 200, 0, 0, "websocket")


def test_an_upgraded_connection() -> None:
    """RFC 7540, section 3.2: the request that asked for h2c is that of stream 1, and the next ones are HTTP/2's."""
    upgrade = (
        b"GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    talk = Talk().client(upgrade)
    talk.server(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + frame(SETTINGS) + head(1, OK)
    )
    talk.client(PREFACE + frame(SETTINGS) + head(3, GET, end=True))
    talk.server(body(1, b"hello", end=True), head(3, OK), body(3, b"hello", end=True))
    exchanges = decode(talk.close().segments)
    assert [(e.httpipe_stream_id, *brief(e)) for e in exchanges] == [
        (None, "GET", "/up", 101, 0, 0),
        (1, "GET", "/up", 200, 0, 5),
        (3, *WHOLE),
    ]
    assert exchanges[0].network_protocol_name == "h2c"


def test_a_server_may_speak_first() -> None:
    """Its SETTINGS need not wait for the preface (section 3.4)."""
    talk = Talk().server(frame(SETTINGS)).client(PREFACE + frame(SETTINGS), head(1, GET, end=True))
    talk.server(head(1, OK), body(1, b"hello", end=True))
    (exchange,) = decode(talk.close().segments)
    assert brief(exchange) == WHOLE
    assert exchange.client_port == 40000


def test_a_preface_that_comes_late() -> None:
    """Where a later segment was captured first, the first bytes decide when they come."""
    talk = opened(acks=False).client(head(1, GET, end=True)).server(head(1, OK), body(1, b"hello", end=True)).close()
    segments = talk.segments
    first = next(place for place, each in enumerate(segments) if each.payload)
    last = next(place for place, each in enumerate(segments) if each.payload.endswith(head(1, GET, end=True)))
    moved = [*segments[:first], segments[last], *segments[first:last], *segments[last + 1 :]]
    assert [brief(e) for e in decode(moved)] == [WHOLE]


def test_continuation_floods_and_long_heads_are_bounded() -> None:
    """A head beyond max_head_bytes is lost, marked and counted; later streams are read."""
    flood = frame(HEADERS, b"\x82", flags=END_STREAM, stream=1) + b"".join(
        frame(CONTINUATION, b"\0\1a\x7f\x80\x01" + bytes(255), stream=1) for _ in range(40)
    )
    talk = opened().client(flood, frame(CONTINUATION, b"\x84", flags=END_HEADERS, stream=1), head(3, GET, end=True))
    talk.server(head(1, ((":status", "431"),), end=True), head(3, OK), body(3, b"hello", end=True))
    exchanges = decode(talk.close().segments, max_head_bytes=1024)
    assert [brief(e) for e in exchanges] == [(None, None, 431, 0, 0, "truncated"), WHOLE]
    long = frame(HEADERS, b"\0\1a\x7f\x80\x30" + bytes(6271), flags=END_HEADERS | END_STREAM, stream=1)
    talk = opened().client(long, head(3, GET, end=True)).server(head(1, OK, end=True), head(3, OK), body(3, b"hello", end=True))
    assert [brief(e) for e in decode(talk.close().segments, max_head_bytes=1024)] == [(None, None, 200, 0, 0, "truncated"), WHOLE]


def test_rapid_reset_is_bounded() -> None:
    """CVE-2023-44487: each stream is reported as reset, and none stays."""
    talk = opened()
    for stream in range(1, 2001, 2):
        talk.client(head(stream, GET, end=True) + frame(RST_STREAM, b"\0\0\0\x08", stream=stream))
    exchanges = decode(talk.close().segments)
    assert len(exchanges) == 1000
    assert {each.error_type for each in exchanges} == {"reset"}


def test_open_streams_are_bounded() -> None:
    """Beyond max_pipelined_requests the oldest is reported as it is, and what comes of it later is no exchange."""
    talk = opened().client(*(head(stream, GET, end=True) for stream in range(1, 41, 2)))
    talk.server(*(head(stream, OK, end=True) for stream in range(1, 41, 2)))
    exchanges = decode(talk.close().segments, max_pipelined_requests=5)
    assert [e.http_response_status_code for e in exchanges] == [None] * 15 + [200] * 5
