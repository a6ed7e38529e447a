"""Loss: whatever one segment is missing, nothing is paired wrongly, and marks say where it was."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.exchange import Exchange
from pipeline.model.records import Record, Segment
from pipeline.testing.packets import Talk, flow_key, request, response

EXCHANGES = 200
OPTIONS = DecodeOptions(response_headers=("X-N",))


def conversation() -> tuple[list[Segment], list[int | None]]:
    """200 exchanges on ten connections, some with bodies of several segments; and to which exchange each segment belongs."""
    segments: list[Segment] = []
    owners: list[int | None] = []
    for number in range(10):
        talk = Talk(flow_key(client_port=40000 + number), start_ns=1_700_000_000_000_000_000 + number, step_ns=30_000)
        marks: list[int | None] = [None] * len(talk.segments)
        for n in range(number * 20, number * 20 + 20):
            body = b"b" * (2000 if n % 7 == 3 else 0)
            talk.client(request(f"/{n}", method="POST" if body else "GET", body=body))
            talk.server(response(b"x" * (4000 if n % 5 == 2 else 50), fields=[f"X-N: {n}"]))
            marks += [n] * (len(talk.segments) - len(marks))
        talk.close()
        marks += [None] * (len(talk.segments) - len(marks))
        segments += talk.segments
        owners += marks
    return segments, owners


def decode(records: Sequence[Record]) -> list[Exchange]:
    """All exchanges; decode must not have failed inside."""
    failures: list[str] = []
    decoder = Decoder(OPTIONS, source="test", count=lambda name, _by: failures.append(name))
    events = [*decoder.feed(records), *decoder.finish()]
    assert "decoder_internal_errors" not in failures
    return [event for event in events if isinstance(event, Exchange)]


def number_of(exchange: Exchange) -> tuple[int | None, int | None]:
    """The number in the request's target, and the one in the response's header."""
    asked = int(exchange.url_path[1:]) if exchange.url_path else None
    answer = exchange.http_response_headers.get("x-n")
    return asked, int(answer[0]) if answer else None


def test_drop_each_segment_in_turn() -> None:
    """Of 200 exchanges at least 198 stay complete, none is paired wrongly, what was hit is marked and nothing else is."""
    segments, owners = conversation()
    size = {number_of(e)[0]: (e.http_request_body_size, e.http_response_body_size) for e in decode(segments)}
    starts = [index for index, segment in enumerate(segments) if segment.flags == 2] + [len(segments)]
    for first, last in pairwise(starts):
        whole = {n for n in owners[first:last] if n is not None}
        for dropped in range(first, last):
            hit = owners[dropped]
            seen: set[int | None] = set()
            for exchange in decode(segments[first:dropped] + segments[dropped + 1 : last]):
                asked, answered = number_of(exchange)
                n = asked if asked is not None else answered
                assert asked == answered or None in {asked, answered}
                if asked == answered and (exchange.http_request_body_size, exchange.http_response_body_size) == size[n]:
                    seen.add(n)
                else:
                    assert n == hit or n is None
                    assert set(exchange.httpipe_marks) & {"gap", "unmatched_request", "unmatched_response"}
                if n != hit:
                    assert exchange.httpipe_marks == () or n is None
            assert whole - seen <= {hit}


@pytest.mark.parametrize("dropped", ["request", "response"])
def test_marks_of_a_lost_half(dropped: str) -> None:
    """A lost request leaves an unmatched response, a lost response an unmatched request, both with a gap."""
    talk = Talk()
    talk.exchange(request("/0"), response(fields=["X-N: 0"]))
    if dropped == "request":
        talk.skip(len(request("/1")), client=True)
        talk.server(response(fields=["X-N: 1"]))
    else:
        talk.client(request("/1"))
        talk.skip(len(response(fields=["X-N: 1"])), client=False)
    talk.exchange(request("/2"), response(fields=["X-N: 2"]))
    marks = [exchange.httpipe_marks for exchange in sorted(decode(talk.close().segments), key=lambda e: e.timestamp_ns)]
    assert marks == [(), ("gap", f"unmatched_{'response' if dropped == 'request' else 'request'}"), ()]


def test_pipelined_responses_behind_a_hole() -> None:
    """Where several requests wait and a hole may have swallowed any number of responses, nothing is paired by guess."""
    talk = Talk(step_ns=30_000)
    talk.client(b"".join(request(f"/{n}") for n in range(4)))
    talk.server(response(b"a" * 100, fields=["X-N: 0"]))
    talk.skip(300, client=False)
    talk.server(response(b"c" * 100, fields=["X-N: 2"]), response(b"d" * 100, fields=["X-N: 3"]))
    exchanges = decode(talk.close().segments)
    assert number_of(exchanges[0]) == (0, 0)
    assert exchanges[0].httpipe_marks == ()
    assert all(None in number_of(exchange) and "gap" in exchange.httpipe_marks for exchange in exchanges[1:])
