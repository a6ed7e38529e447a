"""Responses that are odd, that nobody can read, or that have a body they must not have: which request each answers is known.

Every response that can be read says its number (``X-N``). A client that waits for each response asks; servers write in pieces
of any size; the capture may be without any of the segments.
"""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.decode.http1.recognition import begins_response, may_begin_response, resumes_response
from pipeline.decode.http1.startline import parse_status_line
from pipeline.model.events.exchange import Exchange
from pipeline.testing.packets import Talk, request
from tests.lossy_captures import LOSS_MARKS, decode, number_of

relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

BODIES = {
    "none": b"Content-Length: 0\r\n\r\n",
    "length": b"Content-Length: 2\r\n\r\nok",
    "long": b"Content-Length: 700\r\n\r\n" + b"a line of text\n" * 46 + b"and the end",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;a=b\r\nyes\r\n0\r\n\r\n",
}
BODIES["long"] = b"Content-Length: %d\r\n\r\n" % (len(BODIES["long"]) - 23) + BODIES["long"][23:]
READABLE = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 404 Not Found",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.1\t200\tOK",
    b"HTTP/1.1 200OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 ",
    b"http/1.1 200 ok",
    b"HTTP/1 200 OK",
    b"HTTP/1.1 200-OK",
    b"ICY 200 OK",
    b" HTTP/1.1 200 OK",
]
BREAKS_RFC_9112 = {b"HTTP/1.1 200OK", b"HTTP/1.1 200", b"http/1.1 200 ok", b"HTTP/1 200 OK", b"HTTP/1.1 200-OK", b"ICY 200 OK"}
UNREADABLE = [
    b"FOO BAR\r\n",
    b"HTTP/1.1 abc OK\r\n",
    b"HTTP/1.1 20 OK\r\n",
    b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/1.1200 OK\r\n",
    b"HTTPS/1.1 200 OK\r\n",
    b"H\r\n",
    b"200 OK\r\n",
    b"\x00\x01\x02\xff\r\n",
]
BARE = [b"x", b"garbage", b"FOO BAR\r\n", b"\r\n\r\nFOO"]
BODILESS = [(b"GET", b"HTTP/1.1 204 No Content"), (b"GET", b"HTTP/1.1 304 Not Modified"), (b"HEAD", b"HTTP/1.1 200 OK")]


@dataclass(frozen=True)
class Turn:
    """A request, what the server sends, and what must be reported: whether it can be read, and whether it breaks RFC 9112."""

    method: str
    reply: bytes
    readable: bool
    broken: bool
    bodiless: bool = False


def reply(start: bytes, number: int, rest: bytes) -> bytes:
    """A response that says its number."""
    return b"%b\r\nX-N: %d\r\n%b" % (start, number, rest)


@st.composite
def turns(draw: st.DrawFn, number: int) -> Turn:
    """Any of them."""
    kind = draw(st.sampled_from(["plain", "odd", "unreadable", "bare", "bodiless"]))
    rest = BODIES[draw(st.sampled_from(sorted(BODIES)))]
    if kind == "plain":
        return Turn("GET", reply(b"HTTP/1.1 200 OK", number, rest), readable=True, broken=False)
    if kind == "odd":
        start = draw(st.sampled_from(READABLE))
        faulty = start.startswith(b"HTTP/1.0") and rest is BODIES["chunked"]  # RFC 9112, section 6.1
        return Turn("GET", reply(start, number, rest), readable=True, broken=start in BREAKS_RFC_9112 or faulty)
    if kind == "unreadable":
        return Turn("GET", draw(st.sampled_from(UNREADABLE)) + rest, readable=False, broken=True)
    if kind == "bare":
        return Turn("GET", draw(st.sampled_from(BARE)), readable=False, broken=True)
    method, start = draw(st.sampled_from(BODILESS))
    head = rest[: rest.index(b"\r\n\r\n") + 4]
    return Turn(method.decode(), reply(start, number, rest), readable=True, broken=rest != head, bodiless=True)


@dataclass
class Play:
    """A connection, and of each segment the exchange that it belongs to."""

    turns: list[Turn]
    talk: Talk
    owners: list[int | None]
    sizes: list[int]

    def late(self, number: int) -> bool:
        """Whether a body that must not be there may come when the exchange is out: then the next one is marked."""
        return number >= 0 and self.turns[number].bodiless and len(self.turns[number].reply) > self.sizes[number]

    def __repr__(self) -> str:
        return "\n".join(f"{s.key[-4]} {s.seq}+{s.length} ack {s.ack} {s.payload!r}" for s in self.talk.segments)


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """A connection on which such things happen, one or several behind each other."""
    count = draw(st.integers(1, 8))
    play = Play([draw(turns(number)) for number in range(count)], Talk(step_ns=1_000_000), [None] * 3, [])
    for number, turn in enumerate(play.turns):
        play.talk.mss = 1460
        play.talk.client(request(f"/{number}", method=turn.method))
        play.talk.mss = draw(st.sampled_from([1460, 1460, 100, 9, 3, 1]))
        play.sizes.append(play.talk.mss)
        play.talk.server(turn.reply)
        play.owners += [number] * (len(play.talk.segments) - len(play.owners))
    play.talk.close()
    play.owners += [None] * (len(play.talk.segments) - len(play.owners))
    return play


def by_number(exchanges: list[Exchange]) -> dict[int | None, Exchange]:
    """Exchanges by the number of their request."""
    return {number_of(exchange)[0]: exchange for exchange in exchanges}


@pytest.mark.slow
@relaxed
@given(plays())
def test_every_request_gets_its_own_response_or_none(play: Play) -> None:
    """With nothing lost a request has its response if that can be read and none otherwise; what breaks the RFC is marked."""
    exchanges = decode(play.talk.segments)
    assert len(exchanges) == len(play.turns)
    for number, exchange in by_number(exchanges).items():
        assert number is not None
        turn = play.turns[number]
        assert number_of(exchange) == (number, number if turn.readable else None)
        marked = "protocol_error" in exchange.httpipe_marks
        if play.late(number) and number + 1 < len(exchanges):
            marked = marked or "protocol_error" in by_number(exchanges)[number + 1].httpipe_marks
        assert play.late(number) or play.late(number - 1) or marked == turn.broken
        assert marked or not turn.broken or (play.late(number) and number + 1 == len(exchanges))
        assert turn.readable or exchange.http_response_status_code is None
        assert not {"gap", "unmatched_response"} & set(exchange.httpipe_marks)


@pytest.mark.slow
@relaxed
@given(plays(), st.data())
def test_a_loss_costs_what_was_lost(play: Play, data: st.DataObject) -> None:
    """Whichever segments are missing, nothing is paired wrongly and what is not whole is marked; of one, all else is there."""
    dropped = data.draw(st.sets(st.integers(3, len(play.owners) - 4), min_size=1, max_size=2))
    hit = {play.owners[place] for place in dropped if play.talk.segments[place].payload}
    exchanges = decode([segment for place, segment in enumerate(play.talk.segments) if place not in dropped])
    whole = set()
    for exchange in exchanges:
        asked, answered = number_of(exchange)
        assert asked == answered or None in {asked, answered}
        if asked is not None and (asked == answered or not play.turns[asked].readable):
            whole.add(asked)
        else:
            assert LOSS_MARKS & set(exchange.httpipe_marks)
    assert len(dropped) > 1 or set(range(len(play.turns))) - whole <= hit


@relaxed
@given(plays(), st.sampled_from([2, 3, 8]), st.booleans())
def test_nothing_is_paired_by_guess_where_requests_are_pipelined(play: Play, depth: int, joined: bool) -> None:  # noqa: FBT001
    """Of batches of requests none has another's response, and what has none says so."""
    talk = Talk(step_ns=1_000_000)
    for start in range(0, len(play.turns), depth):
        batch = play.turns[start : start + depth]
        talk.client(*(request(f"/{start + place}", method=turn.method) for place, turn in enumerate(batch)))
        replies = [turn.reply for turn in batch]
        talk.server(*([b"".join(replies)] if joined else replies))
    for exchange in decode(talk.close().segments):
        asked, answered = number_of(exchange)
        assert asked == answered or None in {asked, answered}
        assert exchange.httpipe_marks or asked == answered


LINE = st.lists(
    st.sampled_from([b"HTTP", b"http", b"ICY", b"/", b"1.1", b"1", b".", b" ", b"\t", b"200", b"2", b"OK", b"x"]), max_size=9
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1", b"ICY ", b"http/1 ", b""]), LINE.map(b"".join))
def test_detection_and_parser_agree(start: bytes, rest: bytes) -> None:
    """What the parser takes for a status line begins a response, whole and at any length; what it does not take does not."""
    line = start + rest
    parsed = parse_status_line(line) is not None
    assert bool(line and begins_response(line)) == parsed
    if parsed:
        assert all(may_begin_response(line[:length]) for length in range(1, len(line) + 1))
        assert resumes_response(line)
