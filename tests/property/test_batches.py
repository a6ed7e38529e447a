"""Decode is a function of its records: however a capture falls into batches, the same events come out, in the same order."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_decode import Capture, captures, damage

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Segment
from pipeline.testing.packets import flow_key

SECOND = 1_000_000_000
PAUSES_SECS = (0.01, 0.06, 1.0, 3.0, 20.0, 70.0, 400.0)
relaxed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

OPTIONS = st.builds(
    DecodeOptions.model_construct,  # with bounds that these captures reach; a user's are larger
    bodies=st.sampled_from([None, BodyOptions(max_bytes=50)]),
    max_connections=st.sampled_from([1, 2, 100]),
    max_memory_bytes=st.sampled_from([300, 3000, 1 << 28]),
    max_head_bytes=st.sampled_from([100, 65536]),
    max_pipelined_requests=st.sampled_from([1, 2, 256]),
    response_timeout_secs=st.sampled_from([2.0, 30.0]),
    idle_timeout_secs=st.sampled_from([5.0, 60.0]),
    reorder_timeout_secs=st.sampled_from([0.05, 2.0]),
)


def moved(segment: Segment, port: int, ts_ns: int) -> Segment:
    """The same on a connection of the client's port ``port``, at another time."""
    key = flow_key(client_port=port) if segment.key == flow_key() else flow_key("10.0.0.2", 80, "10.0.0.1", port)
    return Segment(
        key, ts_ns, segment.seq, segment.ack, segment.flags, segment.payload, segment.length,
        ts_ns + segment.last_ns - segment.ts_ns if segment.last_ns else 0, segment.cut,
    )  # fmt: skip


@st.composite
def traffic(draw: st.DrawFn) -> list[Segment]:
    """Some connections at a time, with pauses, lost segments, ranges that were not copied, and anything else that may happen."""
    connections = draw(st.lists(captures().map(lambda pair: pair[0]) | damage(), min_size=1, max_size=4))
    left = {port: list(segments) for port, segments in enumerate(connections, 40000)}
    pauses = draw(st.dictionaries(st.integers(0, 200), st.sampled_from(PAUSES_SECS), max_size=6))
    lost = draw(st.sets(st.integers(0, 200), max_size=5))
    ranges = draw(st.sets(st.integers(0, 200), max_size=5))
    now_ns, out = 1_700_000_000 * SECOND, Capture()
    rng = draw(st.randoms(use_true_random=False))
    place = 0
    while left:
        port = rng.choice(sorted(left))
        segment = left[port].pop(0)
        now_ns += int(pauses.get(place, 0.000_1) * SECOND)
        if place not in lost:
            out.append(moved(segment, port, now_ns - (rng.randrange(3) * SECOND if place in ranges else 0)))
            if place in ranges:  # left out by the kernel, told late
                body = out.pop()
                out.append(Segment(body.key, body.ts_ns, body.seq, body.ack, body.flags, b"", body.length, now_ns))
        place += 1
        if not left[port]:
            del left[port]
    return out


def events(records: Sequence[Segment], options: DecodeOptions, sizes: Sequence[int]) -> tuple[list[Exchange], Counter[str]]:
    """What comes out where batches have these sizes, again and again."""
    counts: Counter[str] = Counter()
    decoder = Decoder(options, source="test", count=lambda name, by: counts.update({name: by}))
    found, at, turn = [], 0, 0
    while at < len(records):
        size = sizes[turn % len(sizes)]
        found += decoder.feed(records[at : at + size])
        at, turn = at + size, turn + 1
    found += decoder.finish()
    assert decoder.held_bytes == decoder.connections == decoder.held_exchanges == 0
    return [event for event in found if isinstance(event, Exchange)], counts


@pytest.mark.slow
@relaxed
@given(traffic(), OPTIONS, st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_batches_give_the_same(records: list[Segment], options: DecodeOptions, sizes: list[int]) -> None:
    """Time-outs, what is waited for and every bound act at the same records, whatever batches these come in."""
    expected, counts = events(records, options, [1])
    assert counts["decoder_internal_errors"] == 0
    for others in (sizes, [64], [len(records) or 1]):
        assert events(records, options, others) == (expected, counts)
