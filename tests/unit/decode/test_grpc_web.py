"""gRPC-Web over HTTP/1: what a call is named, its messages, and the status at the end of the body."""

import base64
from typing import Any

import pytest

from pipeline.decode import BodyOptions
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Segment
from tests.unit.decode.decode_support import decode, talk_of

PATH = b"/shop.v1.Cart/Add"


def message(data: bytes, flags: int = 0) -> bytes:
    """Length-prefixed."""
    return bytes([flags]) + len(data).to_bytes(4, "big") + data


def trailers(status: int) -> bytes:
    """What stands at the end of the body."""
    return message(b"grpc-status: %d\r\ngrpc-message: x\r\n" % status, 0x80)


def asks(body: bytes, kind: bytes = b"application/grpc-web+proto") -> bytes:
    """A call."""
    head = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (PATH, kind, len(body))
    return head + body


def answers(body: bytes, kind: bytes = b"application/grpc-web+proto", *, chunked: bool = True, fields: bytes = b"") -> bytes:
    """Its answer."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b%b\r\n\r\n" % (kind, fields, framing)
    return head + (b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body)


def called(*turns: tuple[str, bytes], **options: Any) -> Exchange:
    """The exchange of a call."""
    (exchange,) = decode(talk_of(*turns).segments, **options)
    return exchange


def brief(exchange: Exchange) -> tuple[Any, ...]:
    """Status, and messages with their sizes, of both sides."""
    return (
        exchange.rpc_grpc_status_code,
        exchange.httpipe_rpc_request_messages,
        exchange.httpipe_rpc_request_message_bytes,
        exchange.httpipe_rpc_response_messages,
        exchange.httpipe_rpc_response_message_bytes,
    )


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1460])
def test_a_call(*, chunked: bool, size: int) -> None:
    """However its bytes come; HTTP's status is 200 all the same."""
    body = message(b"item 1") + message(b"item 22") + trailers(5)
    talk = talk_of(("C", asks(message(b"add"))), ("S", answers(body, chunked=chunked)), mss=size)
    (exchange,) = decode(talk.segments)
    assert (exchange.rpc_system, exchange.rpc_service, exchange.rpc_method) == ("grpc_web", "shop.v1.Cart", "Add")
    assert brief(exchange) == (5, 1, 3, 2, 13)
    assert (exchange.httpipe_rpc_streaming, exchange.http_response_status_code) == ("server", 200)
    assert exchange.http_response_body_size == len(body)


@pytest.mark.parametrize("pieces", [1, 2])
def test_text(pieces: int) -> None:
    """Base64, of all or of each piece by itself."""
    kind = b"application/grpc-web-text"
    parts = [message(b"abcd"), trailers(0)]
    body = b"".join(map(base64.b64encode, parts)) if pieces == 2 else base64.b64encode(b"".join(parts))
    exchange = called(("C", asks(base64.b64encode(message(b"x")), kind)), ("S", answers(body, kind)))
    assert brief(exchange) == (0, 1, 1, 1, 4)
    assert exchange.httpipe_rpc_streaming is None


def test_trailers_only() -> None:
    """A server that has nothing else to say puts the status into the head."""
    exchange = called(("C", asks(message(b"x"))), ("S", answers(b"", fields=b"grpc-status: 16\r\n")))
    assert brief(exchange) == (16, 1, 1, 0, 0)


def test_bodies_are_reported_beside() -> None:
    """Where they are asked for, as of any other exchange."""
    body = message(b"abc") + trailers(0)
    exchange = called(("C", asks(message(b"x"))), ("S", answers(body)), bodies=BodyOptions())
    assert brief(exchange) == (0, 1, 1, 1, 3)
    assert base64.b64decode(exchange.http_response_body_content or "") == body
    assert exchange.http_request_body_content is not None


def test_what_was_not_captured_is_absent() -> None:
    """Status and counts of the answer, where a part of it is missing; the call's name and its request are known."""
    talk = talk_of(("C", asks(message(b"x"))), ("S", answers(message(b"y" * 3000) + trailers(0), chunked=False)))
    large = max(talk.segments, key=lambda each: each.length)
    segments = [
        Segment(each.key, each.ts_ns, each.seq, each.ack, each.flags, each.payload[:200], each.length) if each is large else each
        for each in talk.segments
    ]
    (exchange,) = decode(segments)
    assert brief(exchange) == (None, 1, 1, None, None)
    assert exchange.rpc_method == "Add"


def test_compressed_bodies_are_not_guessed_at() -> None:
    """A content coding hides where messages begin."""
    exchange = called(("C", asks(message(b"x"))), ("S", answers(trailers(0), fields=b"Content-Encoding: gzip\r\n")))
    assert brief(exchange) == (None, 1, 1, None, None)


def test_other_posts_are_no_calls() -> None:
    """Nothing is said of them."""
    exchange = called(("C", asks(b"{}", b"application/json")), ("S", answers(b"{}", b"application/json")))
    assert (exchange.rpc_system, *brief(exchange)) == (None, None, None, None, None, None)


def test_a_call_without_an_answer() -> None:
    """It has its name."""
    exchange = called(("C", asks(message(b"x"))))
    assert (exchange.rpc_service, *brief(exchange)) == ("shop.v1.Cart", None, 1, 1, None, None)
