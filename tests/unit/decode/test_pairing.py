"""Which response answers which request, with nothing lost."""

from collections.abc import Sequence

import pytest
from decode_support import decode

from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Record
from pipeline.testing.packets import Talk, keep_alive, request, response


def brief(exchanges: list[Exchange]) -> list[tuple[str | None, str | None, int | None]]:
    """Method, target and status."""
    return [(e.http_request_method, e.httpipe_request_target, e.http_response_status_code) for e in exchanges]


def test_keep_alive() -> None:
    """Every exchange of a connection is reported once, in order, with its own response and without marks."""
    exchanges = decode(keep_alive(50))
    assert brief(exchanges) == [("GET", f"/{n}", 200) for n in range(50)]
    assert [e.httpipe_sequence for e in exchanges] == list(range(50))
    assert all(e.httpipe_marks == () and e.error_type is None for e in exchanges)


def test_pipelining() -> None:
    """Responses to pipelined requests are paired in order, also where they share segments."""
    talk = Talk()
    talk.client(b"".join(request(f"/{n}") for n in range(5)))
    talk.server(b"".join(response(b"r" * n, status=200 + n) for n in range(5)))
    assert brief(decode(talk.close().segments)) == [("GET", f"/{n}", 200 + n) for n in range(5)]


def pairs(segments: Sequence[Record]) -> list[tuple[str | None, int | None, tuple[str, ...]]]:
    """Target, status and marks, in the order of the requests."""
    found = [(e.httpipe_request_target, e.http_response_status_code, e.httpipe_marks) for e in decode(segments)]
    return sorted(found, key=lambda pair: pair[0] or "")


def pipelined(*answers: bytes) -> Talk:
    """Two requests at once, and a third when the client has all of the first two answers, as it sees them."""
    talk = Talk().client(request("/0") + request("/1")).server(*answers[:2])
    return talk.client(request("/2")).server(*answers[2:]).close()


@pytest.mark.parametrize("length", [b"", b"Content-Length: %d\r\n" % (3 + len(response(b"bc", status=201)))])
def test_pipelined_response_inside_a_body(length: bytes) -> None:
    """Where another response begins a segment inside a body, none that follows is paired by its place."""
    first = b"HTTP/1.1 200 OK\r\n%b\r\nabc" % length
    found = pairs(pipelined(first, response(b"bc", status=201), response(b"d", status=202)).segments)
    assert [(target, status) for target, status, _ in found] == [("/0", 200), ("/1", None), ("/2", 202)]
    assert found[0][2][0] == "ambiguous_framing"
    assert found[1][2][:2] == ("unmatched_request", "ambiguous_framing")


def test_body_that_holds_a_response() -> None:
    """A body may be a response itself: the others are paired by number, and only the one that holds it is marked."""
    inner = response(b"inner", status=418)
    outer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (3 + len(inner))
    talk = Talk().client(request("/0") + request("/1") + request("/2"))
    talk.server(outer + b"abc", inner, response(b"b", status=201), response(b"c", status=202)).close()
    assert pairs(talk.segments) == [("/0", 200, ("ambiguous_framing",)), ("/1", 201, ()), ("/2", 202, ())]


@pytest.mark.parametrize("length", [b"", b"Content-Length: 90\r\n"])
def test_last_response_that_the_close_ends(length: bytes) -> None:
    """A response that only the end of the connection ends is no proof that every request was answered."""
    talk = Talk().exchange(request("/"), response(b"a")).client(b"".join(request(f"/{n}") for n in range(3)))
    talk.server(b"FOO\r\n\r\n", b"HTTP/1.1 201 OK\r\n%b\r\nccc" % length).close()
    assert ("/2", 201, ()) not in pairs(talk.segments)


def test_request_without_response() -> None:
    """A request that nobody answers is reported with the reason when the connection ends."""
    (exchange,) = decode(Talk().client(request()).reset().segments)
    assert exchange.httpipe_marks == ("unmatched_request",)
    assert exchange.error_type == "reset"


def test_response_before_the_request_of_the_capture() -> None:
    """A response to a request that was sent before the capture began is not given to a later request."""
    talk = Talk(handshake=False)
    talk.server(response(b"old"))
    talk.exchange(request("/new"), response(b"new!"))
    old, new = decode(talk.close().segments)
    assert (old.http_request_method, old.http_response_body_size) == (None, 3)
    assert old.httpipe_marks == ("mid_stream", "unmatched_response")
    assert (new.httpipe_request_target, new.http_response_body_size) == ("/new", 4)


@pytest.mark.parametrize("status", [100, 103])
def test_interim_response(status: int) -> None:
    """A 1xx response is not the answer; time to first byte is that of the final one."""
    talk = Talk(step_ns=1_000_000)
    talk.client(request(method="POST", body=b"x", fields=["Expect: 100-continue"]))
    talk.server(f"HTTP/1.1 {status} Wait\r\n\r\n".encode(), response(b"done"))
    (exchange,) = decode(talk.close().segments)
    assert exchange.http_response_status_code == 200
    assert exchange.httpipe_ttfb_ms == 4.0
    assert exchange.http_response_size == len(response(b"done"))


def test_line_that_looks_like_a_request_and_is_none() -> None:
    """What detection takes for a request and the parser does not is passed over, once."""
    talk = Talk()
    talk.client(b"GET /a\x01b \x02 HTTP/1.1 x\r\nGET /\r\n\r\nGET / x\r\n\r\n").client(request("/next")).server(response())
    assert ("GET", "/next", 200) in brief(decode(talk.close().segments))
