"""Loss: whatever one segment is missing, nothing is paired wrongly, and marks say where it was."""

from collections.abc import Sequence

import pytest

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.exchange import Exchange
from pipeline.model.records import Record, Segment
from pipeline.testing.packets import Talk, flow_key, request, response

OPTIONS = DecodeOptions(response_headers=("X-N",))
CONNECTIONS, EACH = 10, 20


def answer(number: int, mss: int) -> bytes:
    """A response that names its number: short, of several segments, or chunked."""
    if number % 5 == 2:
        return response(b"x" * 3 * mss, fields=[f"X-N: {number}"])
    if number % 5 == 4:
        chunk = b"%x\r\n%b\r\n" % (mss, b"y" * mss)
        return b"HTTP/1.1 200 OK\r\nX-N: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % number + 2 * chunk + b"0\r\n\r\n"
    return response(b"x" * 50, fields=[f"X-N: {number}"])


def conversation(connection: int, step_ns: int, *, acks: bool) -> tuple[list[Segment], list[int | None]]:
    """A connection with twenty exchanges, and to which of them each segment belongs."""
    talk = Talk(flow_key(client_port=40000 + connection), step_ns=step_ns, mss=600, acks=acks)
    owners: list[int | None] = [None] * len(talk.segments)
    for number in range(EACH):
        body = b"b" * (1000 if number % 7 == 3 else 0)
        talk.client(request(f"/{number}", method="POST" if body else "GET", body=body))
        talk.server(answer(number, talk.mss))
        owners += [number] * (len(talk.segments) - len(owners))
    talk.close()
    return talk.segments, owners + [None] * (len(talk.segments) - len(owners))


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


@pytest.mark.parametrize("step_ns", [1_000, 1_000_000, 100_000_000], ids=["1us", "1ms", "100ms"])
@pytest.mark.parametrize("acks", [True, False], ids=["acks", "no acks"])
def test_drop_each_segment_in_turn(step_ns: int, acks: bool) -> None:  # noqa: FBT001
    """Every exchange but the one that was hit stays complete and unmarked, what was hit is marked, and none is paired wrongly."""
    segments, owners = conversation(0, step_ns, acks=acks)
    sizes = {number_of(e)[0]: (e.http_request_body_size, e.http_response_body_size) for e in decode(segments)}
    assert len(sizes) == EACH
    for dropped, hit in enumerate(owners):
        whole = set()
        for exchange in decode(segments[:dropped] + segments[dropped + 1 :]):
            asked, answered = number_of(exchange)
            assert asked == answered or None in {asked, answered}
            if asked == answered and (exchange.http_request_body_size, exchange.http_response_body_size) == sizes.get(asked):
                whole.add(asked)
                assert exchange.httpipe_marks == () or asked == hit
            else:
                assert set(exchange.httpipe_marks) & {"gap", "unmatched_request", "unmatched_response", "size_estimated"}
                assert hit in {asked, answered} or asked is answered is None
        assert set(range(EACH)) - whole <= {hit}


def test_drop_one_of_two_hundred() -> None:
    """Of 200 exchanges on ten connections, captured together, 199 stay complete whichever segment is missing."""
    everything: list[Segment] = []
    for connection in range(CONNECTIONS):
        talk = Talk(flow_key(client_port=40000 + connection), step_ns=50_000)
        for number in range(EACH):
            talk.exchange(request(f"/{number}"), response(b"x" * 50, fields=[f"X-N: {number}"]))
        everything += talk.close().segments
    everything.sort(key=lambda segment: segment.ts_ns)
    for dropped in range(len(everything)):
        exchanges = decode(everything[:dropped] + everything[dropped + 1 :])
        assert sum(None not in number_of(e) for e in exchanges if not e.httpipe_marks) >= CONNECTIONS * EACH - 1


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
