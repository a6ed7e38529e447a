"""WebSocket over HTTP/2 (RFC 8441), and requests of HTTP/2 in progress."""

import zlib

from http2_support import GET, OK, body, head, opened
from http2_support import frame as http2_frame

from pipeline.decode import BodyOptions
from pipeline.decode.http2.frames import RST_STREAM
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.testing.packets import Talk
from tests.unit.decode.websocket_talks import BINARY, CLOSE, CONTINUATION, TEXT, brief, events_of, frame

BODIES = BodyOptions(max_bytes=1000)
CONNECT = ((":method", "CONNECT"), (":protocol", "websocket"), *GET[1:])


def tunnels(*numbers: int, extensions: str = "") -> Talk:
    """A connection with WebSockets on these streams."""
    said = (("sec-websocket-extensions", extensions),) if extensions else ()
    talk = opened().client(*(head(number, CONNECT) for number in numbers))
    return talk.server(*(head(number, ((":status", "200"), *said)) for number in numbers))


def messages(talk: Talk, **options: object) -> list[WebsocketMessage]:
    """The messages of a connection."""
    return [event for event in events_of(talk.segments, **options)[0] if isinstance(event, WebsocketMessage)]


def test_each_stream_is_a_websocket_of_its_own() -> None:
    """Frames of WebSocket may lie in any frames of HTTP/2; events name the stream and the exchange that opened it."""
    talk = tunnels(1, 3)
    first, second = frame(TEXT, b"first", client=True), frame(TEXT, b"second", client=True)
    talk.client(body(1, first[:3]), body(3, second), body(1, first[3:]))
    talk.server(body(3, frame(BINARY, b"\0", final=False) + frame(CONTINUATION, b"\1")))
    found = messages(talk, bodies=BODIES)
    assert brief(found) == [
        ("client", "text", 0, 6, "second"),
        ("client", "text", 0, 5, "first"),
        ("server", "binary", 0, 2, "AAE="),
    ]
    assert [each.httpipe_stream_id for each in found] == [3, 1, 3]
    assert [each.httpipe_sequence for each in found] == [1, 0, 1]
    assert {(each.url_path, each.server_address, each.server_port) for each in found} == {("/a", "example.com", 8080)}


def test_compression_is_what_the_answer_says() -> None:
    """As over HTTP/1."""
    talk = tunnels(1, extensions="permessage-deflate")
    stream = zlib.compressobj(wbits=-15)
    data = (stream.compress(b"hello") + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
    talk.server(body(1, frame(TEXT, data, rsv=0x40)))
    assert [each.httpipe_websocket_content for each in messages(talk, bodies=BODIES)] == ["hello"]


def test_the_ends_of_a_stream() -> None:
    """A close frame and the end of the stream, a reset, and the end of the connection."""
    talk = tunnels(1, 3, 5)
    talk.client(body(1, frame(CLOSE, (1000).to_bytes(2, "big"), client=True), end=True))
    talk.server(http2_frame(RST_STREAM, bytes(4), stream=3))
    found = messages(talk.close())
    said = [
        (each.httpipe_stream_id, each.httpipe_websocket_sender, each.httpipe_websocket_close_code, each.error_type)
        for each in found
    ]
    assert said[0] == (1, "client", 1000, None)
    assert {(number, sender) for number, sender, *_ in said} == {
        (number, sender) for number in (1, 3, 5) for sender in ("client", "server")
    }
    assert {code for _, _, code, _ in said[1:]} == {1006}


def test_requests_in_progress() -> None:
    """At their head, with the stream; the exchange has the same id."""
    talk = opened().client(head(1, GET, end=True), head(3, GET, end=True))
    talk.server(head(3, OK), body(3, b"x", end=True))
    events, _ = events_of(talk.segments, in_progress=True)
    begun = [each for each in events if isinstance(each, HttpRequest)]
    ended = [each for each in events if isinstance(each, Exchange)]
    assert [(each.httpipe_stream_id, each.http_request_method, each.url_path) for each in begun] == [
        (1, "GET", "/a"),
        (3, "GET", "/a"),
    ]
    assert events.index(begun[1]) < events.index(ended[0])
    assert ended[0].httpipe_request_id == begun[1].httpipe_request_id
    assert ended[1].httpipe_request_id == begun[0].httpipe_request_id
    assert ended[0].http_response_headers == {"content-type": ("text/plain",)}
