"""Loss: whatever one segment is missing, nothing is paired wrongly, and marks say where it was."""

from random import Random

import pytest

from pipeline.model.records import Segment
from pipeline.testing.packets import Talk, flow_key, request, response
from tests.lossy_captures import CLIENTS, Network, Verdict, decode, disordered, judge, number_of

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


@pytest.mark.slow
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


def test_losses_of_a_busy_connection_do_not_add_up() -> None:
    """A thousand exchanges while one missing segment is waited for, and more missing then: only what was hit is not whole."""
    talk = Talk(step_ns=5_000)
    for number in range(2000):
        talk.exchange(request(f"/{number}"), response(b"x" * 50, fields=[f"X-N: {number}"]))
    segments = talk.close().segments
    rng = Random(1)
    left = [segment for segment in segments if rng.random() >= 0.01]
    hit = sum(segment.length > 0 for segment in segments) - sum(segment.length > 0 for segment in left)
    exchanges = decode(left)
    assert len(exchanges) == 2000
    assert sum(bool(exchange.httpipe_marks) for exchange in exchanges) == hit
    assert all(asked == answered or None in {asked, answered} for asked, answered in map(number_of, exchanges))


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
    """Responses behind a hole are paired as soon as there are as many, with the hole, as there were requests."""
    talk = Talk(step_ns=30_000)
    talk.client(b"".join(request(f"/{n}") for n in range(4)))
    talk.server(response(b"a" * 100, fields=["X-N: 0"]))
    talk.skip(300, client=False)
    talk.server(response(b"c" * 100, fields=["X-N: 2"]), response(b"d" * 100, fields=["X-N: 3"]))
    exchanges = decode(talk.close().segments)
    assert [number_of(exchange) for exchange in exchanges] == [(0, 0), (1, None), (2, 2), (3, 3)]
    assert [exchange.httpipe_marks for exchange in exchanges] == [(), ("gap", "unmatched_request"), (), ()]


def test_nothing_is_paired_by_guess() -> None:
    """Where several requests wait and a hole may have swallowed any number of responses, what is behind it stays unmatched."""
    talk = Talk(step_ns=30_000)
    talk.client(b"".join(request(f"/{n}") for n in range(4)))
    talk.server(response(b"a" * 100, fields=["X-N: 0"]))
    talk.skip(300, client=False)
    talk.server(response(b"d" * 100, fields=["X-N: 3"]))
    exchanges = decode(talk.reset().segments)
    assert number_of(exchanges[0]) == (0, 0)
    assert exchanges[0].httpipe_marks == ()
    assert all(None in number_of(exchange) and "gap" in exchange.httpipe_marks for exchange in exchanges[1:])


def test_response_in_front_of_its_request_where_a_capture_begins() -> None:
    """A capture joins a connection, and its first two segments came in the wrong order: they are paired all the same."""
    talk = Talk(handshake=False, acks=False)
    talk.exchange(request("/0"), response(fields=["X-N: 0"])).exchange(request("/1"), response(fields=["X-N: 1"]))
    asked, answered, *rest = talk.segments
    exchanges = decode([answered, asked, *rest])
    assert [number_of(exchange) for exchange in exchanges] == [(0, 0), (1, 1)]
    assert [exchange.httpipe_marks for exchange in exchanges] == [("mid_stream",), ()]


def test_capture_that_joins_pipelined_requests() -> None:
    """Requests that were sent together with some from before the capture get none of the responses to those."""
    talk = Talk(handshake=False)
    talk.client(b"".join(request(f"/{n}") for n in (2, 3)))
    talk.server(*(response(fields=[f"X-N: {n}"]) for n in range(4)))
    exchanges = decode(talk.reset().segments)
    assert all(asked == answered or None in {asked, answered} for asked, answered in map(number_of, exchanges))
    assert len(exchanges) >= 4


KINDS = [Network(Random(seed), kind, 20).run() for kind in ("waits", "batches") for seed in range(3)]


@pytest.mark.parametrize("place", range(len(KINDS)))
def test_drop_each_segment_of_real_timing(place: int) -> None:
    """As above with delays, think times and clients that pipeline: what was hit is marked, nothing is paired wrongly."""
    capture = KINDS[place]
    for dropped, hit in enumerate(capture.owners):
        verdict = judge(capture, {dropped})
        assert (verdict.wrong, verdict.unmarked) == (0, 0)
        assert verdict.whole >= verdict.exchanges - max(1, len(hit))


@pytest.mark.slow
@pytest.mark.parametrize("kind", CLIENTS)
def test_two_hundred_exchanges(kind: str) -> None:
    """Of 200 exchanges on one connection, pipelined or not, 198 stay complete whichever segment is missing, and unmarked."""
    network = Network(Random(f"200 {kind}"), kind, 200)
    network.joined, network.ends = False, "client"
    capture = network.run()
    for dropped in range(0, len(capture.segments), len(capture.segments) // 100):
        verdict = judge(capture, {dropped})
        assert verdict.whole >= 198
        assert (verdict.wrong, verdict.unmarked, verdict.blamed) == (0, 0, 0)


@pytest.mark.parametrize("kind", CLIENTS)
def test_disorder_loses_nothing(kind: str) -> None:
    """Segments of both directions in another order, and some twice: all exchanges are whole and unmarked."""
    total = Verdict()
    for seed in range(60):
        rng = Random(f"{kind} {seed}")
        total.add(judge(disordered(Network(rng, kind, 20).run(), rng), set()))
    assert (total.whole, total.wrong, total.unmarked, total.blamed) == (total.exchanges, 0, 0, 0)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("rate", [0.005, 0.02])
def test_random_loss(kind: str, rate: float) -> None:
    """Nothing is paired wrongly in captures without some segments, but where the whole first window of requests is missing."""
    total = Verdict()
    for seed in range(40):
        rng = Random(f"{kind} {rate} {seed}")
        capture = Network(rng, kind, 20).run()
        total.add(judge(capture, {place for place in range(len(capture.segments)) if rng.random() < rate}))
    assert total.unmarked == 0
    assert total.wrong <= (total.exchanges // 50 if kind == "window" else 0)
    if kind == "waits":
        assert total.blamed == 0
