"""gRPC-Web over HTTP/2: its trailers stand in the body, and in ``-text`` all of that is base64."""

import base64
from typing import Any

import pytest

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from tests.unit.http2.http2_support import body, head, opened

WEB = "application/grpc-web+proto"


def message(data: bytes, flags: int = 0) -> bytes:
    """Length-prefixed."""
    return bytes([flags]) + len(data).to_bytes(4, "big") + data


ASKED = message(b"item 1")
ANSWERED = message(b"one") + message(b"two!") + message(b"grpc-status: 5\r\ngrpc-message: x\r\n", 0x80)


def called(asked: bytes, answered: bytes, *, kind: str = WEB, coding: str = "", trailers: str = "", **options: Any) -> Exchange:
    """The exchange of a call."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", "/shop.v1.Cart/Add"),
        ("content-type", kind),
    ]
    reply = [(":status", "200"), ("content-type", kind), *([("content-encoding", coding)] if coding else [])]
    talk = opened().client(head(1, fields), body(1, asked, end=True)).server(head(1, reply))
    for at in range(0, len(answered), 7):
        talk.server(body(1, answered[at : at + 7]))
    talk.server(head(1, [("grpc-status", trailers)], end=True) if trailers else body(1, b"", end=True))
    decoder = Decoder(DecodeOptions(**options), source="test")
    (event,) = [*decoder.feed(talk.close().segments), *decoder.finish()]
    assert decoder.held_bytes == 0
    assert isinstance(event, Exchange)
    assert (event.rpc_system, event.httpipe_marks) == ("grpc_web", ())
    return event


def brief(exchange: Exchange) -> tuple[Any, ...]:
    """Name, status, and messages with their sizes, of both sides."""
    return (
        exchange.rpc_method,
        exchange.rpc_grpc_status_code,
        exchange.httpipe_rpc_request_messages,
        exchange.httpipe_rpc_request_message_bytes,
        exchange.httpipe_rpc_response_messages,
        exchange.httpipe_rpc_response_message_bytes,
    )


@pytest.mark.parametrize("kept", [None, BodyOptions(max_bytes=500)])
def test_a_call(kept: BodyOptions | None) -> None:
    """The status is that of the trailers in the body."""
    assert brief(called(ASKED, ANSWERED, bodies=kept)) == ("Add", 5, 1, 6, 2, 7)


def test_a_call_in_text() -> None:
    """The base64 comes in frames of any length, in pieces with padding of their own."""
    text = base64.b64encode(ANSWERED[:10]) + base64.b64encode(ANSWERED[10:])
    kind = "application/grpc-web-text+proto"
    assert brief(called(base64.b64encode(ASKED), text, kind=kind)) == ("Add", 5, 1, 6, 2, 7)


def test_an_answer_that_is_coded_is_not_looked_into() -> None:
    """What a content coding hides is absent."""
    assert brief(called(ASKED, ANSWERED, coding="gzip")) == ("Add", None, 1, 6, None, None)


def test_a_status_among_the_fields_of_http() -> None:
    """Proxies may send it so."""
    assert brief(called(ASKED, message(b"one"), trailers="7")) == ("Add", 7, 1, 6, 1, 3)


def test_the_body_is_reported_where_it_is_asked_for() -> None:
    """As of any other exchange."""
    event = called(ASKED, ANSWERED, bodies=BodyOptions(max_bytes=500))
    assert base64.b64decode(event.http_response_body_content or "") == ANSWERED
    assert (event.http_response_body_size, event.httpipe_response_body_encoding) == (len(ANSWERED), "base64")
