"""One connection does not cost the others: time per record is bounded, memory is, and those beside it come out whole."""

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from types import FrameType
from typing import Any

import pytest

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Segment
from pipeline.testing.packets import Talk, flow_key, keep_alive, request, response
from tests.greedy_connections import CHUNKED, GREEDY, bursts

MIB = 1 << 20
BODIES = DecodeOptions(bodies=BodyOptions(max_bytes=MIB))


def steps(segments: Sequence[Segment]) -> list[int]:
    """Lines of decode that each record costs, the end among the last: the same on any machine."""
    decoder = Decoder(BODIES, source="test")
    done = 0

    def line(_frame: FrameType, event: str, _arg: Any) -> Callable[..., Any]:
        nonlocal done
        done += event == "line"
        return line

    costs, before = [], 0
    tracer = sys.gettrace()
    sys.settrace(lambda frame, _event, _arg: line if "/decode/" in frame.f_code.co_filename else None)
    try:
        for segment in segments:
            decoder.feed([segment])
            costs.append(done - before)
            before = done
        decoder.finish()
    finally:
        sys.settrace(tracer)
    return costs


@pytest.mark.slow
@pytest.mark.parametrize("kind", GREEDY)
def test_cost_grows_with_the_records(kind: str) -> None:
    """Twice as many messages cost twice as much, and each as much as a calm connection's, three times over at the most."""
    once, twice = steps(GREEDY[kind](1600)), steps(GREEDY[kind](3200))
    assert sum(twice) <= 2.5 * sum(once)
    assert sum(twice) / 3200 <= 3 * sum(steps(keep_alive(100))) / 100
    # What one record settles has waited: at most 256 requests and as many responses, or 1024 segments behind a missing one.
    assert max(twice) <= 400 * 1280


def run(batches: Sequence[Sequence[Segment]], options: DecodeOptions) -> tuple[list[Event], Counter[str], int]:
    """Events, counters, and the most that was held."""
    counts: Counter[str] = Counter()
    decoder = Decoder(options, source="test", count=lambda name, by: counts.update({name: by}))
    events, most = [], 0
    for batch in batches:
        events += decoder.feed(batch)
        most = max(most, decoder.held_bytes)
    events += decoder.finish()
    assert decoder.held_bytes == decoder.held_exchanges == decoder.connections == 0
    assert counts["decoder_internal_errors"] == 0
    return events, counts, most


def pipelined_uploads(count: int) -> list[Segment]:
    """A client that pipelines uploads nobody answers: their bodies are held."""
    talk = Talk(step_ns=1000, mss=16_000, acks=False)
    return talk.client(*(request(f"/{number}", method="POST", body=b"x" * 60_000) for number in range(count))).segments


def long_heads(count: int) -> list[Segment]:
    """A client that pipelines requests with long fields that were asked for."""
    talk = Talk(step_ns=1000, mss=16_000, acks=False)
    return talk.client(*(request(f"/{number}", fields=[f"X-Long: {number}" + "x" * 8000]) for number in range(count))).segments


def one_long_body(count: int) -> list[Segment]:
    """An answer whose body alone is more than may be held."""
    talk = Talk(step_ns=1000, mss=16_000, acks=False).client(request())
    return talk.server(CHUNKED, *[b"%x\r\n%b\r\n" % (8000, b"x" * 8000)] * count).segments


HOARDERS = {
    "pipelined uploads": pipelined_uploads,
    "long heads": long_heads,
    "one long body": one_long_body,
    "bursts with a response lost": bursts,
}


@pytest.mark.parametrize("kind", HOARDERS)
def test_those_beside_it_are_whole(kind: str) -> None:
    """A connection that holds more than may be held is let go itself; calm ones beside it lose nothing."""
    calm = [keep_alive(20, flow_key(client_port=1000 + number)) for number in range(20)]
    turns = chain.from_iterable(zip_longest(*calm, HOARDERS[kind](400)))
    options = DecodeOptions(max_memory_bytes=MIB, bodies=BodyOptions(max_bytes=8 * MIB), request_headers=("X-Long",))
    events, counts, most = run([[record] for record in turns if record is not None], options)
    beside = [e for e in events if isinstance(e, Exchange) and e.client_port < 2000]
    assert len(beside) == 400
    assert {(e.http_response_status_code, e.httpipe_marks) for e in beside} == {(200, ())}
    assert most <= MIB + 20_000  # it is looked at between records
    assert counts["decoder_connections_evicted"] <= 30  # how often the hoarder began anew


def test_memory_is_what_is_counted() -> None:
    """A body of one-byte chunks weighs what the bound on memory takes it for, and not an object a byte."""
    decoder = Decoder(BODIES, source="test")
    talk = Talk(step_ns=1000, acks=False).client(request()).server(CHUNKED)
    for number in range(500):
        talk.server(b"2\r\n%02x\r\n" % (number & 255) * 100)
    decoder.feed(talk.segments[:10])
    tracemalloc.start()
    decoder.feed(talk.segments[10:])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held <= 1.5 * decoder.held_bytes
    decoder.finish()


def test_a_calm_connection_keeps_its_place() -> None:
    """A segment that is late on a calm connection is waited for while another connection fills the memory."""
    talk = Talk(flow_key(client_port=1000), step_ns=1000).exchange(request("/0"), response(b"0"))
    talk.exchange(request("/1"), response(b"1" * 3000))
    *before, late, behind, after = [segment for segment in talk.segments if segment.length or segment.flags != 16]
    greedy = one_long_body(400)
    options = DecodeOptions(max_memory_bytes=MIB, bodies=BodyOptions(max_bytes=8 * MIB))
    events, counts, _ = run([[*before, behind], greedy, [late, after]], options)
    exchanges = [e for e in events if isinstance(e, Exchange) and e.client_port == 1000]
    assert [(e.url_path, e.http_response_body_size, e.httpipe_marks) for e in exchanges] == [("/0", 1, ()), ("/1", 3000, ())]
    assert counts["decoder_memory_pressure"] == 0
