"""HTTP/2 in the compiled lane: what it takes, what it hands over, and that a connection comes back with what is under way."""

import pytest

from pipeline import native
from pipeline.decode import DecodeOptions
from pipeline.decode.clean import Clean
from pipeline.decode.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    PRIORITISED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)
from pipeline.model.records import FIN
from pipeline.testing.packets import Talk
from tests.unit.decode.test_lane import Watched
from tests.unit.http2.http2_support import GET, OK, block, body, frame, head, opened

pytestmark = pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")
CALL = ((":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), ("content-type", "application/grpc"), ("te", "trailers"))
MESSAGE = b"\0\0\0\0\3abc"


def asked(stream: int, *, end: bool = True) -> bytes:
    """A request that puts what it says into the table the first time."""
    return head(stream, GET, end=end, insert=stream == 1)


def says(talk: Talk, **options: object) -> tuple[list, list]:
    """What is reported of it, and what came to Python."""
    watched = Watched(DecodeOptions(**options))
    exchanges = watched.decode(talk.segments)
    return exchanges, [each for each in watched.handed if isinstance(each, Clean)]


def test_plain_traffic_never_reaches_python() -> None:
    """Streams that overlap, uploads in pieces, priorities, 1xx, trailers, a reset, and what passes by."""
    talk = opened(mss=500)
    prioritised = frame(HEADERS, bytes(5) + block(GET), flags=END_STREAM | END_HEADERS | PRIORITISED, stream=1)
    talk.client(prioritised + asked(3, end=False), body(3, b"b" * 2000), body(3, b"", end=True) + asked(5) + asked(7))
    talk.client(frame(PRIORITY, bytes(5), stream=9) + frame(WINDOW_UPDATE, bytes(4)) + frame(0x77, bytes(900)))
    talk.server(head(3, ((":status", "103"),)) + head(3, OK) + head(1, OK) + body(1, b"x" * 5000, end=True))
    talk.server(body(3, b"y"), head(3, (("x-a", "1"),), end=True) + head(5, OK), frame(RST_STREAM, bytes(4), stream=5))
    talk.client(frame(RST_STREAM, b"\0\0\0\x08", stream=7)).server(frame(GOAWAY, b"\0\0\0\x07" + bytes(4)))
    exchanges, handed = says(talk.close(), response_headers=("x-a",))
    assert handed == []
    told = [(each.httpipe_stream_id, each.http_request_body_size, each.http_response_body_size) for each in exchanges]
    assert told == [(1, 0, 5000), (3, 2000, 1), (5, 0, 0), (7, 0, None)]
    assert exchanges[1].http_response_headers == {"x-a": ("1",)}
    assert [each.httpipe_http2_error for each in exchanges] == [None, None, "NO_ERROR", "CANCEL"]
    assert [each.http_response_status_code for each in exchanges] == [200, 200, 200, None]


def test_calls_are_counted_in_the_lane() -> None:
    """Messages in any cut, a status in the trailers, and one in the head."""
    talk = opened(mss=7)
    talk.client(head(1, CALL) + body(1, MESSAGE, end=True) + head(3, CALL) + body(3, MESSAGE * 2, end=True))
    answer = ((":status", "200"), ("content-type", "application/grpc"))
    talk.server(head(1, answer) + body(1, MESSAGE * 3) + head(1, (("grpc-status", "0"),), end=True))
    talk.server(head(3, (*answer, ("grpc-status", "13")), end=True))
    exchanges, handed = says(talk)
    assert handed == []
    assert [(each.rpc_service, each.rpc_method, each.rpc_grpc_status_code) for each in exchanges] == [
        ("a.B", "C", 0),
        ("a.B", "C", 13),
    ]
    assert [(each.httpipe_rpc_request_messages, each.httpipe_rpc_response_messages) for each in exchanges] == [(1, 3), (2, 0)]
    assert [each.httpipe_rpc_streaming for each in exchanges] == ["server", "client"]
    assert exchanges[0].httpipe_rpc_response_message_bytes == 9


def test_a_server_may_speak_first() -> None:
    """As grpc-go does."""
    talk = Talk().server(frame(SETTINGS)).client(PREFACE + frame(SETTINGS) + asked(1)).server(head(1, OK, end=True))
    exchanges, handed = says(talk)
    assert (len(exchanges), handed) == (1, [])


@pytest.mark.parametrize(
    "unusual",
    [
        head(5, GET, end=True, cuts=[9]),
        body(3, b"b", padding=7),
        head(5, ((":method", "CONNECT"), (":authority", "a:1"))),
        frame(CONTINUATION, block(GET), flags=END_HEADERS, stream=9),
        head(1, GET, end=True),
        frame(PUSH_PROMISE, bytes(4) + block(GET), flags=END_HEADERS, stream=3),
    ],
    ids=["continuation", "padding", "connect", "no beginning", "a number again", "push"],
)
def test_what_is_unusual_goes_to_python_with_all_that_is_known(unusual: bytes) -> None:
    """In front of the frame that is; what the table holds and what is under way is not lost."""
    talk = opened(acks=False)
    talk.client(asked(1)).server(head(1, OK, insert=True, end=True))
    talk.client(head(3, CALL) + body(3, MESSAGE) + unusual).server(b"\0\0\5\1\4\0\0\0\3\xbf\xbe")
    exchanges, handed = says(talk)
    assert len(handed) == 1
    assert handed[0].exchanges == 1
    call = next(each for each in exchanges if each.httpipe_stream_id == 3)
    assert (call.rpc_method, call.httpipe_rpc_request_messages) == ("C", 1)


def test_a_connection_comes_back_while_streams_are_open() -> None:
    """Continuation frames among a thousand exchanges, and a call that streams all the time, cost Python these and few others."""
    talk = opened(acks=False).client(head(1, CALL) + body(1, MESSAGE)).server(head(1, OK) + body(1, MESSAGE))
    for stream in range(3, 2003, 2):
        talk.client(head(stream, GET, end=True, cuts=[9] if stream == 503 else ()) + body(1, MESSAGE))
        talk.server(body(1, MESSAGE) + head(stream, OK, end=True))
    watched = Watched()
    events = [event for segment in talk.close().segments for event in watched.decode_some([segment])]
    exchanges = [*events, *watched.decode([])]
    assert len(exchanges) == 1001
    assert sum(isinstance(each, Clean) for each in watched.handed) == 2  # and at the end, which breaks the call off
    assert len(watched.handed) < 12
    call = exchanges[-1]
    assert (call.httpipe_stream_id, call.httpipe_rpc_request_messages) == (1, 1001)


def test_the_end_of_a_side_with_streams_open_is_for_python() -> None:
    """Who says what it means that they break off."""
    talk = opened().client(asked(1))
    talk.send(head(1, OK), client=False, flags=0x18 | FIN)
    exchanges, handed = says(talk)
    assert [each.error_type for each in exchanges] == ["closed"]
    assert len(handed) == 1
    assert handed[0].server_next != talk.segments[-1].seq
