"""Requests in progress: an event at the head, and the same id in the exchange at the end."""

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.http_request import HttpRequest
from pipeline.testing.packets import Talk

GET = b"GET /poll?x=1 HTTP/1.1\r\nHost: h.example:8080\r\nUser-Agent: u\r\nX-A: b\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def fed(talk: Talk, **options: object) -> tuple[list[Event], list[Event]]:
    """What comes of the segments, and at the end of input."""
    decoder = Decoder(DecodeOptions.model_validate({"in_progress": True, **options}), source="t", capture="packet")
    return decoder.feed(talk.segments), decoder.finish()


def test_a_request_that_hangs_is_visible_before_its_answer() -> None:
    """With what its head says; the exchange without an answer has the same id."""
    talk = Talk()
    talk.client(GET)
    (begun,), (ended,) = fed(talk, request_headers=["X-A"])
    assert isinstance(begun, HttpRequest)
    assert isinstance(ended, Exchange)
    assert (begun.http_request_method, begun.url_path, begun.url_query) == ("GET", "/poll", "x=1")
    assert (begun.server_address, begun.server_port, begun.url_scheme) == ("h.example", 8080, "http")
    assert (begun.user_agent_original, begun.http_request_headers) == ("u", {"x-a": ("b",)})
    assert (begun.client_address, begun.network_local_port, begun.network_protocol_version) == ("10.0.0.1", 80, "1.1")
    assert begun.timestamp_ns == ended.timestamp_ns
    assert begun.httpipe_request_id == ended.httpipe_request_id == f"{begun.httpipe_connection}/1001"
    assert "unmatched_request" in ended.httpipe_marks


def test_each_request_of_a_connection_has_an_id_of_its_own() -> None:
    """Pipelined ones, too; uploads are reported at their head, and each exchange has the id of its request."""
    talk = Talk()
    upload = b"POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"
    talk.client(GET + GET)
    talk.server(OK + OK)
    talk.client(upload)
    events, _ = fed(talk)
    assert [type(each) for each in events] == [HttpRequest, HttpRequest, Exchange, Exchange, HttpRequest]
    talk.client(b"abc")
    talk.server(OK)
    events, _ = fed(talk)
    begun = [each.httpipe_request_id for each in events if isinstance(each, HttpRequest)]
    assert len(set(begun)) == 3
    assert [each.httpipe_request_id for each in events if isinstance(each, Exchange)] == begun


def test_a_stream_of_events_is_known_by_its_type() -> None:
    """Content-Type is reported with those in progress, without being asked for."""
    talk = Talk()
    talk.client(GET)
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: 1\n\n")
    talk.server(b"data: 2\n\n")
    (begun,), (stream,) = fed(talk.close())[0][:1], fed(talk)[0][1:]
    assert isinstance(begun, HttpRequest)
    assert isinstance(stream, Exchange)
    assert stream.http_response_headers == {"content-type": ("text/event-stream; charset=utf-8",)}
    assert stream.http_response_body_size == 18


def test_a_response_whose_request_was_not_seen_has_no_id() -> None:
    """Nothing was reported that it could belong to."""
    talk = Talk(handshake=False)
    talk.server(OK)
    events, rest = fed(talk)
    (exchange,) = [*events, *rest]
    assert isinstance(exchange, Exchange)
    assert exchange.httpipe_request_id is None


def test_off_unless_asked_for() -> None:
    """Then there are exchanges alone, without ids."""
    talk = Talk()
    talk.client(GET)
    talk.server(OK)
    (exchange,), _ = fed(talk, in_progress=False)
    assert isinstance(exchange, Exchange)
    assert exchange.httpipe_request_id is None
