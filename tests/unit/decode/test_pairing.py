"""Which response answers which request, with nothing lost."""

import pytest
from decode_support import decode

from pipeline.model.exchange import Exchange
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
