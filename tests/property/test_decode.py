"""Decode under any cut, order, repetition and overlap of segments, and under any damage."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.decode.http1.fields import FieldParser
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Segment
from pipeline.testing.packets import Talk

MIB = 1 << 20
TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", min_size=1, max_size=12)
BODY = st.binary(max_size=300)
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


class Capture(list[Segment]):
    """Segments that show themselves in the words of a capture tool."""

    def __repr__(self) -> str:
        return "\n".join(f"{s.key[-4]} {s.flags:02x} {s.seq}+{s.length} ack {s.ack} {s.ts_ns} {s.payload!r}" for s in self)


@dataclass(frozen=True)
class Case:
    """One exchange: its bytes and what must be reported of it."""

    request: bytes
    response: bytes
    expected: tuple[str, str, int, int, int]


def chunked(data: bytes, sizes: Sequence[int], *, trailer: bool) -> bytes:
    """A chunked body; chunk sizes as far as they go, then the rest."""
    out, rest = b"", data
    for size in sizes:
        if size < len(rest):
            out += b"%X;name=value\r\n%b\r\n" % (size, rest[:size])
            rest = rest[size:]
    if rest:
        out += b"%x\r\n%b\r\n" % (len(rest), rest)
    return out + b"0\r\n" + (b"X-Sum: 1\r\n" if trailer else b"") + b"\r\n"


@st.composite
def framed(draw: st.DrawFn, start: bytes) -> tuple[bytes, int]:
    """A message with a body, by Content-Length or chunked."""
    body = draw(BODY)
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    fields = b"".join(
        f"{name}: {value}".encode() + end
        for name, value in draw(st.dictionaries(st.just("X-") | TOKEN.map("X-".__add__), TOKEN, max_size=3)).items()
    )
    if draw(st.booleans()):
        sizes = draw(st.lists(st.integers(1, 100), max_size=4))
        return start + end + fields + b"Transfer-Encoding: chunked" + end + end + chunked(
            body, sizes, trailer=draw(st.booleans())
        ), len(body)
    return start + end + fields + b"Content-Length: %d" % len(body) + end + end + body, len(body)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any valid exchange that leaves the connection open."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "REPORT"]))
    target = "/" + draw(TOKEN)
    status = draw(st.sampled_from([200, 204, 304, 404, 500]))
    request, asked = f"{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 0
    if method in {"POST", "PUT"}:
        request, asked = draw(framed(f"{method} {target} HTTP/1.1\r\nHost: a".encode()))
    if method == "HEAD" or status in {204, 304}:
        length = draw(st.sampled_from([b"", b"Content-Length: 77\r\n"]))
        response, answered = b"HTTP/1.1 %d X\r\n%b\r\n" % (status, length), 0
    else:
        response, answered = draw(framed(b"HTTP/1.1 %d X" % status))
    interim = draw(st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"]))
    return Case(request, interim + response, (method, target, status, asked, answered))


@st.composite
def captures(draw: st.DrawFn) -> tuple[list[Segment], list[tuple[str, str, int, int, int]]]:
    """A connection with some exchanges, pipelined or not, its segments cut, repeated, overlapped and reordered."""
    turns = draw(st.lists(st.lists(cases(), min_size=1, max_size=3), min_size=1, max_size=4))
    talk = Talk(
        client_isn=draw(st.sampled_from([1000, 0xFFFFFF80, 0xFFFFFFFF])),
        server_isn=draw(st.sampled_from([5, 0xFFFFFFF0])),
        step_ns=10_000,
    )
    segments = list(talk.segments)
    for turn in turns:
        for client in (True, False):
            talk.segments = []
            talk.mss = draw(st.sampled_from([1, 7, 100, 1460]))
            talk.acks = draw(st.booleans())
            data = b"".join(case.request if client else case.response for case in turn)
            (talk.client if client else talk.server)(data)
            segments += disorder(draw, [s for s in talk.segments if s.length], [s for s in talk.segments if not s.length])
    talk.segments = []
    segments += talk.close().segments
    return Capture(segments), [case.expected for turn in turns for case in turn]


def disorder(draw: st.DrawFn, burst: list[Segment], acks: list[Segment]) -> list[Segment]:
    """A burst of one direction in another order, with repetitions and with segments that reach into others."""
    if len(burst) > 1:
        for place in draw(st.lists(st.integers(0, len(burst) - 2), max_size=3)):
            first, second = burst[place], burst[place + 1]
            if first.seq + first.length & 0xFFFFFFFF == second.seq:
                joined = first.payload + second.payload
                burst.append(Segment(first.key, second.ts_ns, first.seq, first.ack, first.flags, joined, len(joined)))
        burst = draw(st.permutations(burst)) if len(burst) < 40 else burst
    for place in draw(st.lists(st.integers(0, max(0, len(burst) - 1)), max_size=3)):
        burst = [*burst, burst[place]]
    return [*burst, *acks]


def run(
    records: list[Segment], options: DecodeOptions | None = None, batch: int = 1000
) -> tuple[list[Exchange], Counter[str], int]:
    """Exchanges, counters, and the most bytes that were held."""
    counts: Counter[str] = Counter()
    decoder = Decoder(options or DecodeOptions(), source="test", count=lambda name, by: counts.update({name: by}))
    events, most = [], 0
    for start in range(0, len(records), batch):
        events += decoder.feed(records[start : start + batch])
        most = max(most, decoder.held_bytes)
    events += decoder.finish()
    assert decoder.held_bytes == decoder.connections == decoder.held_exchanges == 0
    return [event for event in events if isinstance(event, Exchange)], counts, most


def brief(exchange: Exchange) -> tuple[object, ...]:
    """What must be right whatever the order."""
    return (
        exchange.http_request_method, exchange.httpipe_request_target, exchange.http_response_status_code,
        exchange.http_request_body_size, exchange.http_response_body_size,
    )  # fmt: skip


@relaxed
@given(captures(), st.sampled_from([1, 3, 1000]), st.booleans())
def test_any_order_gives_the_same(capture: tuple[list[Segment], list[tuple[object, ...]]], batch: int, bodies: bool) -> None:  # noqa: FBT001
    """Valid messages give their exchanges, cut, repeated, overlapped and reordered in any way, in batches of any size."""
    segments, expected = capture
    exchanges, counts, _ = run(segments, DecodeOptions(bodies=BodyOptions() if bodies else None), batch)
    assert counts["decoder_internal_errors"] == 0
    assert [brief(exchange) for exchange in exchanges] == expected
    assert {exchange.httpipe_marks for exchange in exchanges} == {()}


@st.composite
def damage(draw: st.DrawFn) -> list[Segment]:
    """A capture in which anything may have happened to some segments."""
    segments, _ = draw(captures())
    for place in draw(st.lists(st.integers(0, len(segments) - 1), max_size=8)):
        seg = segments[place]
        kind = draw(st.sampled_from(["bytes", "drop", "flags", "numbers", "cut", "time", "junk"]))
        payload, length, flags, seq, ack, ts_ns = seg.payload, seg.length, seg.flags, seg.seq, seg.ack, seg.ts_ns
        if kind == "bytes" and payload:
            at = draw(st.integers(0, len(payload) - 1))
            payload = payload[:at] + draw(st.binary(max_size=4)) + payload[at + 1 :]
            length = len(payload)
        elif kind == "drop":
            payload, length = b"", 0
        elif kind == "flags":
            flags = draw(st.integers(0, 255))
        elif kind == "numbers":
            seq, ack = draw(st.integers(0, 0xFFFFFFFF)), draw(st.integers(0, 0xFFFFFFFF))
        elif kind == "cut":
            payload = payload[: len(payload) // 2]
        elif kind == "time":
            ts_ns = draw(st.integers(0, 1 << 62))
        else:
            payload = draw(st.binary(max_size=200))
            length = len(payload) + draw(st.sampled_from([0, 0, 5, 1 << 20]))
        segments[place] = Segment(seg.key, ts_ns, seq, ack, flags, payload, length, 0, draw(st.booleans()))
    return Capture(segments)


@pytest.mark.slow
@relaxed
@given(damage(), st.booleans())
def test_damage_never_raises(segments: list[Segment], bodies: bool) -> None:  # noqa: FBT001
    """Whatever the segments hold, decode goes on, counts no failure of its own and keeps its bounds."""
    options = DecodeOptions(bodies=BodyOptions(max_bytes=100) if bodies else None, max_memory_bytes=MIB, max_connections=4)
    exchanges, counts, most = run(segments, options, 1)
    assert counts["decoder_internal_errors"] == 0
    assert most <= 3 * MIB
    assert len(exchanges) <= 4 * len(segments)


PIECES = st.sampled_from(
    b"Content-Length|Transfer-Encoding|Host|X-A|:| |\t|\r|\n|\r\n|chunked|5|,|\x0b".split(b"|"),
)


@relaxed
@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_remembered_fields(lines: bytes) -> None:
    """A header block says the same whether it is read, or looked up by its lines, or looked up whole."""
    parser = FieldParser(("X-A",), request=True)
    block = b"\n" + lines
    read = parser._read(block)
    assert parser.parse(lines) == parser.parse(lines) == read
    while block not in parser.seen:
        assert parser.whole(block) == read
    assert parser.seen[block] == read
