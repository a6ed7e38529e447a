"""Messages of every kind, as real senders write them: each whole, byte by byte, and with more behind it."""

from collections import Counter
from typing import Any

import pytest
from decode_support import brief, decode, talk_of

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.decode.protocol import Switch
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import ACK, FIN
from pipeline.testing.packets import Talk, flow_key, request, response

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
NEXT = ("GET", "/next", 200, 0, 3)

REQUESTS: dict[str, tuple[bytes, tuple[Any, ...]]] = {
    "bare LF": (b"GET / HTTP/1.1\nHost: h\n\n", ("GET", "/", 200, 0, 3)),
    "blank lines before it": (b"\r\n\r\n" + GET, ("GET", "/", 200, 0, 3)),
    "white space before it": (b" \t" + GET, ("GET", "/", 200, 0, 3)),
    "any white space between words": (
        b"GET\v/\t\f HTTP/1.1 \r\r\nHost: h\r\n\r\n",
        ("GET", "/", 200, 0, 3, "protocol_error"),
    ),
    "no version, and a method of later versions": (b"POST /a\r\n\r\n", ("POST", "/a", 200, 0, 3, "protocol_error")),
    "folded": (b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: a\r\n b\r\n\r\n", ("GET", "/", 200, 0, 3, "protocol_error")),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", ("GET", "/", 200, 0, 3, "ambiguous_framing", "protocol_error")),
    "lower case": (b"get / http/1.1\r\n\r\n", ("get", "/", 200, 0, 3, "protocol_error")),
    "unknown method": (b"FROB /x HTTP/1.1\r\nHost: h\r\n\r\n", ("FROB", "/x", 200, 0, 3)),
    "spaces in the target": (b"GET /a b c HTTP/1.1\r\nHost: h\r\n\r\n", ("GET", "/a b c", 200, 0, 3, "protocol_error")),
    "no target": (b"GET HTTP/1.1\r\nHost: h\r\n\r\n", ("GET", None, 200, 0, 3, "protocol_error")),
    "raw bytes in the target": ("GET /ü HTTP/1.1\r\nHost: h\r\n\r\n".encode("latin-1"), ("GET", "/ü", 200, 0, 3)),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ("OPTIONS", "*", 200, 0, 3)),
    "absolute": (b"GET http://u:p@e:81/a?b HTTP/1.1\r\nHost: h\r\n\r\n", ("GET", "http://REDACTED:REDACTED@e:81/a?b", 200, 0, 3)),
    "chunked": (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n02\r\nde\r\n0\r\nT: x\r\n\r\n",
        ("POST", "/", 200, 5, 3),
    ),
    "chunked with leading zeros": (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 40 + b"2\r\nab\r\n0\r\n\r\n",
        ("POST", "/", 200, 2, 3),
    ),
    "chunked with bare LF": (b"POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n", ("POST", "/", 200, 3, 3)),
    "chunked beside a length": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ("POST", "/", 200, 0, 3, "ambiguous_framing"),
    ),
    "space before a colon": (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        ("POST", "/", 200, 0, 3, "ambiguous_framing", "protocol_error"),
    ),
    "lengths that differ": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        ("POST", "/", 200, 2, 3, "ambiguous_framing", "protocol_error"),
    ),
    "lengths that agree": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nab",
        ("POST", "/", 200, 2, 3),
    ),
    "a length with white space of another kind": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\v2\r\n\r\nab",
        ("POST", "/", 200, 2, 3, "ambiguous_framing", "protocol_error"),
    ),
    "leading zeros": (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + b"0" * 40 + b"2\r\n\r\nab", ("POST", "/", 200, 2, 3)),
    "a length that is none": (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\n",
        ("POST", "/", 200, 0, 3, "ambiguous_framing", "protocol_error"),
    ),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", ("GET", "/", 200, 0, 3)),
    "no Host": (b"GET / HTTP/1.1\r\nAccept: a\r\n\r\n", ("GET", "/", 200, 0, 3, "protocol_error")),
    "no field at all": (b"GET / HTTP/1.1\r\n\r\n", ("GET", "/", 200, 0, 3, "protocol_error")),
    "no Host beside an authority": (
        b"GET http://h/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ("GET", "http://h/", 200, 0, 3, "protocol_error"),
    ),
    "an empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", ("GET", "/", 200, 0, 3)),
    "an IPv6 Host": (b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", ("GET", "/", 200, 0, 3)),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", ("GET", "/", 200, 0, 3, "protocol_error")),
    "a Host that is none": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ("GET", "/", 200, 0, 3, "protocol_error")),
    "a Host with user information": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", ("GET", "/", 200, 0, 3, "protocol_error")),
    **{
        f"chunked as {value.decode()}": (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: " + value + b"\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            ("POST", "/", 200, 2, 3, "ambiguous_framing", "protocol_error"),
        )
        for value in (
            b"chunked;q=0.5",
            b"chunked, identity",
            b"identity, chunked",
            b"chunked,",
            b"chunked, chunked",
            b"\vchunked",
        )
    },
    "PROXY protocol": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET, ("GET", "/", 200, 0, 3)),
}

RESPONSES: dict[str, tuple[bytes, tuple[Any, ...]]] = {
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3, "protocol_error")),
    "empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3)),
    "white space before it": (b"\t HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3)),
    "any white space between words": (b"HTTP/1.1\v200\fOK\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3)),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", (200, 0, 3)),
    "lower case": (b"http/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3, "protocol_error")),
    "no space behind the status": (b"HTTP/1.1 200OK\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3, "protocol_error")),
    "no minor version": (b"HTTP/1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3, "protocol_error")),
    "two spaces": (b"HTTP/1.1  200  OK\r\nContent-Length: 3\r\n\r\nabc", (200, 0, 3)),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", (204, 0, 0)),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", (304, 0, 0)),
    "interim": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, (200, 0, 3)),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", (200, 0, 10)),
    "chunked in HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        (200, 0, 1, "ambiguous_framing", "protocol_error"),
    ),
}


@pytest.mark.parametrize("mss", [1460, 1])
@pytest.mark.parametrize("name", REQUESTS)
def test_request(name: str, mss: int) -> None:
    """A request is reported as sent, and what follows it on the connection is not disturbed."""
    data, expected = REQUESTS[name]
    talk = talk_of(("C", data), ("S", OK), ("C", request("/next")), ("S", OK), mss=mss)
    assert [brief(e) for e in decode(talk.segments)] == [expected, NEXT]


@pytest.mark.parametrize("mss", [1460, 1])
@pytest.mark.parametrize("name", RESPONSES)
def test_response(name: str, mss: int) -> None:
    """A response is reported as sent, and what follows it on the connection is not disturbed."""
    data, expected = RESPONSES[name]
    talk = talk_of(("C", GET), ("S", data), ("C", request("/next")), ("S", OK), mss=mss)
    assert [brief(e) for e in decode(talk.segments)] == [("GET", "/", *expected), NEXT]


@pytest.mark.parametrize("name", REQUESTS)
def test_request_with_the_next_in_one_segment(name: str) -> None:
    """The end of a request is found where the next one follows in the same segment."""
    data, expected = REQUESTS[name]
    talk = talk_of(("C", data + request("/next")), ("S", OK + OK))
    assert [brief(e) for e in decode(talk.segments)] == [expected, NEXT]


def test_head_has_no_body() -> None:
    """The response to a HEAD ends with its head, whatever length it announces."""
    talk = talk_of(
        ("C", b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + request("/next")),
        ("S", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + OK),
    )
    assert [brief(e) for e in decode(talk.segments)] == [("HEAD", "/", 200, 0, 0), NEXT]


@pytest.mark.parametrize("status", [b"200 OK", b"204 No", b"304 No"])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 2\r\n"])
def test_body_of_a_response_that_has_none(status: bytes, length: bytes) -> None:
    """Bytes behind the answer to a HEAD, behind a 204 or a 304 are marked and counted, and the next response is found."""
    head = b"HTTP/1.1 %b\r\n%b\r\n" % (status, length)
    ask = b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
    apart = talk_of(("C", ask), ("S", head + b"ok"), ("C", request("/next")), ("S", OK))
    pipelined = talk_of(("C", ask + request("/next")), ("S", head + b"ok" + OK))
    for talk in (apart, pipelined):
        first, second = decode(talk.segments)
        assert (*brief(first), first.http_response_size) == ("HEAD", "/", int(status[:3]), 0, 0, "protocol_error", len(head) + 2)
        assert brief(second) == NEXT


@pytest.mark.parametrize("ask", [b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", GET])
@pytest.mark.parametrize("mss", [1460, 3])
def test_bytes_behind_a_response_that_is_out(ask: bytes, mss: int) -> None:
    """A body in a later segment than the head of a response that has none is counted, and marks the next exchange alone."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(), source="test", count=lambda name, by: counts.update({name: by}))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    talk = talk_of(("C", ask), ("S", head), close=False)
    talk.mss = mss
    talk.server(b"surprise").exchange(request("/next"), OK).exchange(request("/next"), OK).close()
    events = decoder.feed(talk.segments)
    assert [brief(e)[1:] for e in events if isinstance(e, Exchange)] == [
        ("/", 200, 0, 0), (*NEXT[1:], "protocol_error"), NEXT[1:],
    ]  # fmt: skip
    assert counts == {"decoder_skipped_bytes": 8}


@pytest.mark.parametrize("body", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"])
@pytest.mark.parametrize("behind", [b"d", b"def\r\n", b"</html>" * 9])
@pytest.mark.parametrize("cut", [0, 5, 19, 40])
def test_body_longer_than_its_framing(body: bytes, behind: bytes, cut: int) -> None:
    """What stands behind a body in its last segment marks its own exchange, and no other; blanks there mean nothing."""
    for extra, marks in ((behind, ("protocol_error",)), (b"\r\n", ())):
        whole = b"HTTP/1.1 200 OK\r\n" + body + extra
        talk = talk_of(("C", GET), ("S", whole[:cut]), ("S", whole[cut:]), ("C", request("/next")), ("S", OK))
        assert [brief(e) for e in decode(talk.segments)] == [("GET", "/", 200, 0, 3, *marks), NEXT]


def test_bytes_while_the_upload_goes_on() -> None:
    """What comes behind an answer whose request is still being sent marks their exchange."""
    ask = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"
    talk = talk_of(("C", ask), ("S", OK), ("S", b"surprise"), ("C", b"body"), ("C", request("/next")), ("S", OK))
    assert [brief(e) for e in decode(talk.segments)] == [("POST", "/", 200, 4, 3, "protocol_error"), NEXT]


@pytest.mark.parametrize("late", [b"H", b"HTTP/1", b"http"])
def test_bytes_that_look_like_a_head_at_first(late: bytes) -> None:
    """What could have become a status line, until the next one came, is counted and marked like any other bytes."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(), source="test", count=lambda name, by: counts.update({name: by}))
    no_content = b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n"
    events = decoder.feed(talk_of(("C", GET), ("S", no_content), ("S", late), ("C", request("/next")), ("S", OK)).segments)
    assert [brief(e) for e in events if isinstance(e, Exchange)] == [("GET", "/", 204, 0, 0), (*NEXT, "protocol_error")]
    assert counts == {"decoder_skipped_bytes": len(late)}


def test_body_of_an_interim_response() -> None:
    """A body behind a 1xx response, which can have none, marks the exchange that waits for its final response."""
    interim = b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"
    events = decode(talk_of(("C", GET), ("S", interim), ("S", OK), ("C", request("/next")), ("S", OK)).segments)
    assert [brief(e) for e in events] == [("GET", "/", 200, 0, 3, "protocol_error"), NEXT]


@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"299 Odd"])
def test_tunnel(status: bytes) -> None:
    """Any 2xx opens a tunnel (RFC 9110, section 9.3.6), and what goes through it breaks no rule of HTTP."""
    ask = b"CONNECT e:443 HTTP/1.1\r\nHost: e\r\n\r\n"
    talk = talk_of(("C", ask), ("S", b"HTTP/1.1 %b\r\n\r\n" % status), ("S", b"220 hi\r\n"), ("C", request("/next")), ("S", OK))
    assert [brief(e)[2:] for e in decode(talk.segments)] == [(int(status[:3]), 0, 0), NEXT[2:]]


ENDS = {"capture": (None, "gap"), "reset": ("reset", "protocol_error"), "close": ("closed", "protocol_error")}


@pytest.mark.parametrize("ending", ENDS)
@pytest.mark.parametrize("head", [b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nServ"])
def test_response_head_that_breaks_off(head: bytes, ending: str) -> None:
    """Why a head is not whole is told as it is of a body; where only the capture ended nobody has broken a rule."""
    talk = talk_of(("C", GET), ("S", head), close=ending == "close")
    (exchange,) = decode((talk.reset(client=False) if ending == "reset" else talk).segments)
    error, mark = ENDS[ending]
    assert exchange.error_type == error
    assert set(exchange.httpipe_marks) == {mark} | ({"unmatched_request"} if b"200" not in head else set())


def test_request_line_that_breaks_off() -> None:
    """A request line of which the capture has a part is marked, and its size is what was sent."""
    (cut,) = decode(talk_of(("C", b"GET /part"), close=False).segments)
    assert (cut.http_request_size, cut.httpipe_marks) == (9, ("gap", "unmatched_request"))
    (simple,) = decode(talk_of(("C", b"GET /part"), ("S", OK)).segments)
    assert (simple.http_request_size, simple.httpipe_marks) == (9, ())


def test_until_close() -> None:
    """A response without a length lasts until the server closes, and is whole then."""
    talk = talk_of(("C", GET), ("S", b"HTTP/1.0 200 OK\r\n\r\nabc"), ("S", b"def"))
    (exchange,) = decode(talk.segments)
    assert brief(exchange) == ("GET", "/", 200, 0, 6)
    assert exchange.error_type is None


@pytest.mark.parametrize(("ending", "error"), [("reset", "reset"), ("close", "closed"), ("none", None)])
def test_body_that_breaks_off(ending: str, error: str | None) -> None:
    """A body that breaks off is reported as far as it came, with the reason where there is one."""
    talk = talk_of(("C", GET), ("S", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), close=False)
    if ending != "none":
        getattr(talk, ending)()
    (exchange,) = decode(talk.segments)
    assert (exchange.http_response_body_size, exchange.error_type) == (3, error)
    assert exchange.httpipe_marks == (("gap",) if ending == "none" else ())


UPLOADS = {
    "by length": (b"Content-Length: 20\r\n\r\n0123456789", 10),
    "chunked": (b"Transfer-Encoding: chunked\r\n\r\n14\r\n0123456789", 10),
    "not begun": (b"Content-Length: 20\r\n\r\n", 0),
}


@pytest.mark.parametrize("name", UPLOADS)
@pytest.mark.parametrize(
    ("ending", "error", "marks"),
    [
        ("client resets", "reset", ()),
        ("server resets", "reset", ()),
        ("client closes", "closed", ()),
        ("server closes", "closed", ()),
        ("both wait", "timeout", ("size_estimated",)),
        ("capture ends", None, ("gap",)),
        ("ports are used again", "closed", ()),
    ],
)
def test_upload_that_breaks_off(name: str, ending: str, error: str | None, marks: tuple[str, ...]) -> None:
    """An upload that breaks off counts as far as it came, however it ends, and says why."""
    rest, size = UPLOADS[name]
    talk = Talk().client(b"POST /u HTTP/1.1\r\nHost: h\r\n" + rest)
    match ending:
        case "client resets" | "server resets":
            talk.reset(client=ending.startswith("client"))
        case "client closes" | "server closes":
            talk.send(client=ending.startswith("client"), flags=FIN | ACK)
            talk.send(client=not ending.startswith("client"), flags=FIN | ACK)
        case "both wait":
            talk.segments += Talk(flow_key(client_port=2), start_ns=talk.wait(400).now_ns).segments
        case "ports are used again":
            talk.segments += Talk(client_isn=77_000_000, start_ns=talk.now_ns).client(GET).server(OK).segments
    exchange = decode(talk.segments, batch=1)[0]
    assert brief(exchange)[:5] == ("POST", "/u", None, size, None)
    assert set(exchange.httpipe_marks) == {"unmatched_request", *marks}
    assert exchange.error_type == error


def test_upload_that_goes_on_behind_the_servers_end() -> None:
    """A server that closes before it answers is waited for no more, but what its client still sends counts."""
    talk = Talk().client(b"POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n0123456789")
    talk.send(client=False, flags=FIN | ACK)
    (whole,) = decode([*talk.segments, *talk.client(b"0123456789").segments[-2:]])
    assert (brief(whole), whole.error_type) == (("POST", "/u", None, 20, None, "unmatched_request"), "closed")


@pytest.mark.parametrize("framing", [b"Content-Length: 20\r\n\r\n01234", b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"])
def test_body_that_was_given_up(framing: bytes) -> None:
    """A body that pauses for longer than the time-out is marked, with the size so far, and what comes later is counted."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(idle_timeout_secs=60), source="test", count=lambda name, by: counts.update({name: by}))
    talk = Talk().client(GET).server(b"HTTP/1.1 200 OK\r\n" + framing).wait(100)
    neighbour = Talk(flow_key(client_port=2), start_ns=talk.now_ns)
    (exchange,) = decoder.feed(talk.segments + neighbour.segments)
    assert isinstance(exchange, Exchange)
    assert (brief(exchange), exchange.error_type) == (("GET", "/", 200, 0, 5, "size_estimated"), "timeout")
    late = talk.server(b"567", b"89").segments[-4:]
    assert decoder.feed(late + late) == []
    assert counts == {"decoder_late_bytes": 5}
    assert len(decoder.feed(Talk(start_ns=talk.now_ns, client_isn=1).exchange(GET, OK).segments)) == 1


def test_early_answer() -> None:
    """An error answer that comes before the upload is done belongs to it; the upload counts as far as it came."""
    head = b"POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
    talk = talk_of(("C", head + b"abc"), ("S", b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), ("C", b"de"))
    assert [brief(e) for e in decode(talk.segments)] == [("POST", "/u", 413, 5, 0)]


def test_simple_request() -> None:
    """HTTP/0.9: a line is a request, and everything until the close is its answer."""
    (exchange,) = decode(talk_of(("C", b"GET /old\r\n"), ("S", b"<html>"), ("S", b"</html>")).segments)
    assert brief(exchange) == ("GET", "/old", None, 0, 13)
    assert exchange.network_protocol_version == "0.9"


def test_websocket() -> None:
    """A connection that switched protocols is named, and nothing on it is taken for HTTP any more."""
    switch = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    talk = talk_of(("C", switch), ("S", b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x01a"), ("C", GET), ("S", OK))
    (exchange,) = decode(talk.segments)
    assert (exchange.http_response_status_code, exchange.network_protocol_name) == (101, "websocket")


@pytest.mark.parametrize("found", ["from its opening", "at the answer", "out of order"])
def test_the_bytes_behind_a_switch_are_for_the_next_protocol(found: str) -> None:
    """With the number of their first one, in whichever segment the connection was found."""
    head = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"
    ask = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    segments = talk_of(("C", ask), ("S", head + b"\x81\x01a"), ("S", b"\x81\x01b"), close=False).segments
    answer = next(each for each in segments if each.payload.startswith(head))
    if found == "at the answer":
        segments = segments[segments.index(answer) :]
    elif found == "out of order":
        last = segments.pop()
        segments.insert(segments.index(answer), last)
    decoder = Decoder(DecodeOptions(), source="t", live=True)  # so that the switch is there
    seen: list[tuple[str, bytes, int]] = []
    switch = decoder._shared.switch

    def note(direction: Any, said: Switch) -> None:
        seen.append((said.protocol, said.rest, said.at.seq))
        switch(direction, said)

    decoder._shared.switch = note
    decoder.feed(segments)
    assert seen == [("websocket", b"\x81\x01a", answer.seq + len(head))]


def test_upload_that_another_protocol_interrupts() -> None:
    """A refused upload that is still under way when the connection becomes another protocol is reported as far as it came."""
    upload = b"PUT /u HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
    refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    talk = talk_of(("C", upload), ("S", refused), ("S", b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"))
    switched, uploaded = decode(talk.segments, bodies=BodyOptions())
    assert brief(uploaded)[:5] == ("PUT", "/u", 413, 2, 0)
    assert brief(switched)[:3] == (None, None, 101)


def test_connect() -> None:
    """A tunnel is reported; HTTP inside it is, too, and anything else is not."""
    connect, ok = b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    clear = talk_of(("C", connect), ("S", ok), ("C", request("/next")), ("S", OK))
    assert [brief(e) for e in decode(clear.segments)] == [("CONNECT", "h:80", 200, 0, 0), NEXT]
    sealed = talk_of(("C", connect), ("S", ok), ("C", b"\x16\x03\x01ab"), ("S", b"\x16\x03\x03cd"))
    assert [brief(e) for e in decode(sealed.segments)] == [("CONNECT", "h:80", 200, 0, 0)]
    (odd,) = decode(talk_of(("C", b"CONNECT e:25 / HTTP/1.0\r\n\r\n"), ("S", ok)).segments)
    assert (odd.httpipe_request_target, odd.server_address, odd.server_port) == ("e:25 /", "e", 25)


def test_cruft_between_messages() -> None:
    """Bytes that are no message are passed over, and the next request is found again."""
    talk = talk_of(("C", GET), ("S", OK), ("C", b"\x00\x01garbage"), ("C", request("/next")), ("S", OK))
    assert [brief(e) for e in decode(talk.segments)] == [("GET", "/", 200, 0, 3), NEXT]


def test_junk_before_a_status_line() -> None:
    """Lines in front of a status line are passed over, but a server without status lines has none."""
    junk = talk_of(("C", GET), ("S", b"Warning: x\r\n" + OK), ("C", request("/next")), ("S", OK))
    assert [brief(e) for e in decode(junk.segments)] == [("GET", "/", 200, 0, 3, "protocol_error"), NEXT]
    none = talk_of(("C", GET), ("S", b"Warning: x\r\n\r\nabc"))
    assert [brief(e) for e in decode(none.segments)] == [("GET", "/", None, 0, 17, "protocol_error")]


def test_head_without_an_end() -> None:
    """A response head whose end only its client understood does not take the next response for a part of it."""
    odd = b"HTTP/1.1 200 OK\r\nServer: s\r\r\nabc"
    first, second = decode(talk_of(("C", GET), ("S", odd), ("C", request("/next")), ("S", OK)).segments)
    assert brief(first) == ("GET", "/", 200, 0, None, "protocol_error")
    assert brief(second) == NEXT


def test_body_that_nobody_announced() -> None:
    """What follows a request without framing is no part of the next one, though it could be the beginning of a request line."""
    first, second = decode(
        talk_of(("C", b"POST / HTTP/1.0\r\n\r\nsome body"), ("S", OK), ("C", request("/next")), ("S", OK)).segments
    )
    assert brief(first) == ("POST", "/", 200, 0, 3)
    assert brief(second) == NEXT


def test_broken_chunk() -> None:
    """Where chunk framing breaks the size is estimated, and the next response is found when its request asks for it."""
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\nmore"
    first, second = decode(talk_of(("C", GET), ("S", broken), ("C", request("/next")), ("S", OK)).segments)
    assert first.httpipe_marks == ("size_estimated", "protocol_error")
    assert brief(second) == NEXT


@pytest.mark.parametrize("size", [b"zz", b"10000000000000000"])
@pytest.mark.parametrize("behind", [b"", b"\r\n", b"abc\r\n", b"a\r\nb\r\n0\r\n\r\n"])
def test_broken_chunk_of_a_request(size: bytes, behind: bytes) -> None:
    """A request behind a chunk size that is none is reported: what some server may take for one must not be hidden in a body."""
    broken = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + behind
    first, second = decode(talk_of(("C", broken + request("/next"))).segments)
    assert brief(first)[:3] == ("POST", "/", None)
    assert {"size_estimated", "protocol_error"} <= set(first.httpipe_marks)
    assert brief(second)[:3] == ("GET", "/next", None)


def test_body_that_was_not_wanted() -> None:
    """A client that asked before sending its body (RFC 9110, section 10.1.1) and was refused goes on with its next request."""
    ask = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
    refused = response(b"no", status=401)
    events = decode(talk_of(("C", ask), ("S", refused), ("C", request("/next")), ("S", OK)).segments)
    assert [brief(e) for e in events] == [("POST", "/", 401, 0, 2), NEXT]


def test_length_that_is_too_long() -> None:
    """A body shorter than announced ends where the client, having received it, sends its next request."""
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    first, second = decode(talk_of(("C", GET), ("S", short), ("C", request("/next")), ("S", OK)).segments)
    assert brief(first) == ("GET", "/", 200, 0, 3, "protocol_error")
    assert brief(second) == NEXT


OTHERS = [
    b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"*1\r\n$4\r\nPING\r\n",
    b"EHLO example.com\r\n", b"get key\r\n", b"RETR /pub/file\r\n", b"MAIL FROM:<a@b>\r\n",
]  # fmt: skip


@pytest.mark.parametrize("data", OTHERS)
def test_other_protocols(data: bytes) -> None:
    """What is not HTTP/1 gives no exchange."""
    assert decode(talk_of(("C", data), ("S", data), ("C", data)).segments) == []


def test_head_too_long() -> None:
    """A head beyond the bound is reported by what its beginning says, marked, and the connection goes on."""
    long = b"GET /long HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 5000 + b"\r\n\r\n"
    talk = talk_of(("C", long), ("S", OK), ("C", request("/next")), ("S", OK), mss=500)
    first, second = decode(talk.segments, max_head_bytes=2048)
    assert (first.httpipe_request_target, first.server_address, first.httpipe_marks) == ("/long", "h", ("truncated",))
    assert brief(second) == NEXT


def test_fields_of_an_exchange() -> None:
    """Names, ports, versions, sizes, asked-for headers and raw heads are those of the messages."""
    ask = request("/p?a=1", host="example.com:8080", fields=["User-Agent: ua", "Accept: a", "accept: b", "Cookie: secret"])
    answer = response(b"abc", status=503, reason="Down", fields=["Server: s"])
    (exchange,) = decode(
        talk_of(("C", ask), ("S", answer)).segments, keep_heads=True, request_headers=("ACCEPT",), response_headers=("server",)
    )
    assert (exchange.server_address, exchange.server_port, exchange.network_local_port) == ("example.com", 8080, 80)
    assert (exchange.client_address, exchange.client_port, exchange.network_type) == ("10.0.0.1", 40000, "ipv4")
    assert (exchange.url_path, exchange.url_query, exchange.user_agent_original) == ("/p", "a=1", "ua")
    assert (exchange.http_request_size, exchange.http_response_size, exchange.error_type) == (len(ask), len(answer), "503")
    assert exchange.http_request_headers == {"accept": ("a", "b")}
    assert exchange.http_response_headers == {"server": ("s",)}
    assert (exchange.request_head, exchange.response_head) == (ask, answer[:-3])
    (portless,) = decode(talk_of(("C", request(host="e:")), ("S", answer)).segments)
    assert (portless.server_address, portless.server_port) == ("e", 80)


def test_secrets_in_urls() -> None:
    """Values of sensitive query parameters never leave decode, in no field."""
    (exchange,) = decode(talk_of(("C", request("/a?x=1&X-Amz-Signature=s3cr3t&sig=s3cr3t&signal=y")), ("S", OK)).segments)
    assert exchange.url_query == "x=1&X-Amz-Signature=REDACTED&sig=REDACTED&signal=y"
    assert "s3cr3t" not in repr(exchange)


def test_target_longer_than_a_head_may_be() -> None:
    """A request line without an end is reported as far as it is kept, and gets its response."""
    exchange, following = decode(
        Talk().exchange(request("/" + "a" * 100_000), response(b"x")).exchange(request("/next"), response()).close().segments
    )
    assert (exchange.http_request_method, exchange.http_response_status_code) == ("GET", 200)
    assert exchange.httpipe_marks == ("truncated",)
    assert (exchange.url_path or "").startswith("/aaaa")
    assert (following.url_path, following.httpipe_marks) == ("/next", ())


def test_blanks_behind_a_body() -> None:
    """An empty line behind a body, which its client had received before it asked again, is no part of the next response."""
    exchanges = decode(talk_of(("C", GET), ("S", OK + b"\r\n"), ("C", request("/next")), ("S", b"\r\n" + OK)).segments)
    assert [brief(e) for e in exchanges] == [("GET", "/", 200, 0, 3), NEXT]
    assert [e.http_response_size for e in exchanges] == [len(OK), len(OK) + 2]
