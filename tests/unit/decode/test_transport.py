"""TCP as captures have it: late, repeated, overlapping, cut and missing segments, connections without beginning or end."""

import gc
import tracemalloc
from collections import Counter

import msgspec
import pytest
from decode_support import brief, decode, talk_of

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import ACK, FIN, MULTIPATH, PSH, RST, SYN, Chunk, Closed, Gap, Opened, Segment, reverse
from pipeline.testing.packets import Talk, flow_key, keep_alive, request, response

GET = request("/")
OK = response(b"abc")
WHOLE = ("GET", "/", 200, 0, 3)
SECOND = 1_000_000_000


def test_segments_seen_on_several_interfaces() -> None:
    """A segment that is captured twice counts once."""
    segments = [segment for segment in keep_alive(5) for _ in range(2)]
    assert len(decode(segments)) == 5


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_copies_behind_the_end(ending: str) -> None:
    """A connection that is captured again after its end, SYN and all, is not reported again; another with its ports is."""
    talk = Talk().exchange(GET, OK)
    segments = getattr(talk, ending)().segments
    again = Talk(client_isn=70_000, start_ns=talk.now_ns).exchange(GET, OK).segments
    for copies in (segments, segments[1:], segments[3:], [*segments[3:], *segments]):
        assert [brief(e) for e in decode([*segments, *copies, *again, *copies])] == [WHOLE, WHOLE]


def test_repetition_with_other_bytes() -> None:
    """Of bytes sent twice the first copy counts, whether it was delivered or still waits."""
    talk = talk_of(("C", GET), close=False)
    sent = next(segment for segment in talk.segments if segment.payload)
    other = Segment(sent.key, sent.ts_ns + 1, sent.seq, sent.ack, sent.flags, b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n", 22)
    talk.segments.append(other)
    assert [brief(e) for e in decode(talk.server(OK).close().segments)] == [WHOLE]
    early = Segment(sent.key, sent.ts_ns, sent.seq + 4, sent.ack, sent.flags, sent.payload[4:], sent.length - 4)
    talk = Talk()
    talk.segments += [early, other, sent]
    talk.skip(sent.length, client=True).server(OK)
    assert decode(talk.close().segments)[0].httpipe_request_target == "/"


@pytest.mark.parametrize("client", [True, False])
def test_what_comes_behind_a_reset(*, client: bool) -> None:
    """A response that was under way when its client gave up is reported; a server that goes on has not reset the connection."""
    talk = Talk().client(GET)
    talk.send(client=client, flags=RST | ACK)
    talk.server(OK)
    assert [brief(e) for e in decode(talk.segments)] == [WHOLE]
    if not client:
        assert [brief(e) for e in decode(talk.wait(5).exchange(GET, OK).close().segments)] == [WHOLE, WHOLE]


def test_opening_behind_what_it_opened() -> None:
    """A SYN that the capture has behind the first data belongs to their connection; with another number it opens a new one."""
    syn, synack, ack, *rest = talk_of(("C", GET), ("S", OK)).segments
    assert [brief(e)[:5] for e in decode([rest[0], syn, synack, ack, *rest[1:]])] == [WHOLE]
    again = Talk(client_isn=syn.seq + (1 << 30)).exchange(GET, OK)
    assert [brief(e)[:3] for e in decode([rest[0], *again.segments])] == [("GET", "/", None), WHOLE[:3]]


def test_forged_end() -> None:
    """A FIN without ACK, which the receiver drops, does not hide what the server sends behind it."""
    talk = Talk().client(GET)
    forged = talk.send(client=False, flags=FIN)
    talk.segments.append(Segment(forged.key, forged.ts_ns + 1, forged.seq, talk.segments[-3].seq, ACK | PSH, OK, len(OK)))
    assert [brief(e) for e in decode(talk.segments)] == [WHOLE]


def test_reset_is_reported_in_a_second() -> None:
    """What was reset is reported when nothing more can be under way, with the times of what was seen."""
    decoder = Decoder(DecodeOptions(), source="test")
    talk = Talk().client(GET).server(OK[:-1]).reset()
    assert decoder.feed(talk.segments) == []
    (exchange,) = decoder.expire(talk.now_ns + SECOND)
    assert isinstance(exchange, Exchange)
    assert (*brief(exchange), exchange.error_type) == (*WHOLE[:4], 2, "reset")
    assert decoder.connections == 0


def test_wrap_of_sequence_numbers() -> None:
    """Sequence numbers wrap within a message, in order and out of order."""
    talk = Talk(client_isn=0xFFFFFFF0, server_isn=0xFFFFFFFF, mss=10, acks=False)
    talk.exchange(GET, OK).exchange(GET, OK).close()
    swapped = list(talk.segments)
    swapped[4], swapped[5] = swapped[5], swapped[4]
    for segments in (talk.segments, swapped):
        assert [brief(e) for e in decode(segments)] == [WHOLE, WHOLE]


def test_keep_alive_and_window_probes() -> None:
    """A byte from before, or the next one alone, disturbs nothing."""
    talk = Talk().exchange(GET, OK)
    before = talk.segments[-1]
    talk.segments.append(Segment(talk.key, talk.now_ns, before.seq - 1, before.ack, ACK, b"\0", 1))
    talk.segments.append(Segment(talk.key, talk.now_ns, before.seq, before.ack, ACK, GET[:1], 1))
    assert [brief(e) for e in decode(talk.exchange(GET, OK).close().segments)] == [WHOLE, WHOLE]


def test_fast_open() -> None:
    """A request that came with the SYN (RFC 7413) is read, also where it is sent again after the handshake."""
    key = flow_key()
    opening = Segment(key, 1, 1000, 0, SYN, GET, len(GET))
    answer = Segment(reverse(key), 2, 5000, 1001, SYN | ACK, b"", 0)
    again = Segment(key, 3, 1001, 5001, ACK | PSH, GET, len(GET))
    reply = Segment(reverse(key), 4, 5001, 1001 + len(GET), ACK | PSH, OK, len(OK))
    for segments in ([opening, answer, reply], [opening, answer, again, reply]):
        assert [brief(e) for e in decode(segments)] == [WHOLE]


def test_ports_used_again() -> None:
    """A SYN with another sequence number begins another connection, with another name."""
    first = Talk().exchange(GET, OK)
    second = Talk(client_isn=77_000, start_ns=first.now_ns).exchange(GET, OK).close()
    exchanges = decode(first.segments + second.segments)
    assert [brief(e) for e in exchanges] == [WHOLE, WHOLE]
    assert len({e.httpipe_connection for e in exchanges}) == 2


def test_half_close() -> None:
    """A client may close its side and still get its answer."""
    talk = Talk().client(GET)
    talk.send(client=True, flags=FIN | ACK)
    talk.server(OK)
    talk.send(client=False, flags=FIN | ACK)
    assert [brief(e) for e in decode(talk.segments)] == [WHOLE]


@pytest.mark.parametrize("missing", ["SYN", "SYN and ACK", "FIN"])
def test_control_segments_that_the_capture_lost(missing: str) -> None:
    """Where a connection's beginning is known from one of its two SYNs, or its end from an acknowledgement, nothing is marked."""
    talk = talk_of(("C", GET), ("S", b"HTTP/1.0 200 OK\r\n\r\nabc"))
    lost = {"SYN": 0, "SYN and ACK": 1, "FIN": len(talk.segments) - 3}[missing]
    (exchange,) = decode(talk.segments[:lost] + talk.segments[lost + 1 :])
    assert (brief(exchange), exchange.error_type) == (WHOLE, None)


def test_joined_midway() -> None:
    """A connection joined midway is marked until its first exchange is over."""
    talk = Talk(handshake=False).exchange(GET, OK).exchange(GET, OK).close()
    assert [brief(e) for e in decode(talk.segments)] == [(*WHOLE, "mid_stream"), WHOLE]


def test_one_direction_only() -> None:
    """Half a conversation gives halves of exchanges, marked."""
    talk = Talk().exchange(GET, OK).exchange(GET, OK).close()
    asked = decode([segment for segment in talk.segments if segment.key == talk.key])
    answered = decode([segment for segment in talk.segments if segment.key != talk.key])
    assert [(e.http_request_method, e.http_response_status_code) for e in asked] == [("GET", None)] * 2
    assert [(e.http_request_method, e.http_response_status_code) for e in answered] == [(None, 200)] * 2
    assert {e.httpipe_marks for e in asked} == {("unmatched_request",)}
    assert {e.httpipe_marks for e in answered} == {("unmatched_response",)}


@pytest.mark.parametrize("client", [True, False])
def test_what_is_not_shown_is_not_lost(*, client: bool) -> None:
    """Of a direction that a capture does not show at all nothing counts as lost; of one that it shows, what is missing does."""
    talk = Talk(step_ns=30_000_000)
    for _ in range(5):
        talk.exchange(GET, OK)
    half = [segment for segment in talk.close().segments if (segment.key == talk.key) is client]
    shown = [segment for segment in talk.segments if segment in half or not segment.payload]
    for segments, counter in ((half, "decoder_unseen_bytes"), (shown, "decoder_lost_bytes")):
        counts: Counter[str] = Counter()
        decoder = Decoder(DecodeOptions(), source="test", count=lambda name, by, to=counts: to.update({name: by}))
        decoder.feed(segments)
        decoder.finish()
        assert set(counts) == {counter}
        assert counts[counter] in {5 * len(OK if client else GET) + fin for fin in (0, 1)}


def test_one_direction_does_not_pile_up() -> None:
    """Where responses are never seen, requests do not wait for them longer than it takes to know."""
    talk = Talk(acks=False, step_ns=30_000_000)
    for _ in range(50):
        talk.exchange(GET, OK)
    decoder = Decoder(DecodeOptions(), source="test")
    for segment in talk.segments:
        if segment.key == talk.key:
            decoder.feed([segment])
            assert decoder.held_exchanges <= 4


def test_response_captured_before_its_request() -> None:
    """Captures merged of several interfaces may hold a response in front of its request."""
    talk = Talk(acks=False).exchange(GET, OK).exchange(GET, OK).close()
    segments = talk.segments
    segments[3], segments[4], segments[5], segments[6] = segments[4], segments[3], segments[6], segments[5]
    assert [brief(e) for e in decode(segments)] == [WHOLE, WHOLE]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n"


@pytest.mark.parametrize(
    ("payload", "length", "cut", "expected"),
    [
        (HEAD, len(HEAD) + 100_000, False, (100_000,)),
        (HEAD, len(HEAD) + 100_000, True, (100_000, "gap")),
        (HEAD[:20], len(HEAD) + 100_000, True, (None, "gap")),
        (CHUNKED, len(CHUNKED) + 9000, False, (9000, "size_estimated")),
        (b"HTTP/1.0 200 OK\r\n\r\n", 19 + 5000, False, (None,)),
    ],
    ids=["body left out", "body cut", "head cut", "chunks left out", "until close"],
)
def test_bytes_that_were_not_copied(payload: bytes, length: int, cut: bool, expected: tuple[object, ...]) -> None:  # noqa: FBT001
    """Bytes left out on purpose are counted; bytes cut off leave a mark; the next exchange is right either way."""
    talk = Talk().client(GET)
    talk.send(payload, client=False, length=length, cut=cut)
    exchanges = decode(talk.exchange(request("/next"), OK).close().segments)
    if expected[0] is None and not cut:  # until the server closes, unless the client goes on before
        assert brief(exchanges[0]) == ("GET", "/", 200, 0, 5000, "protocol_error")
    else:
        assert brief(exchanges[0]) == ("GET", "/", 200, 0, *expected)
    assert brief(exchanges[1]) == ("GET", "/next", 200, 0, 3)


def test_last_byte_of_merged_ranges() -> None:
    """A range that was merged of many segments ends when its last byte was captured."""
    talk = Talk(acks=False, step_ns=1_000_000).client(GET)
    talk.server(HEAD)
    body = talk.send(client=False, length=100_000)
    talk.segments[-1] = Segment(body.key, body.ts_ns, body.seq, body.ack, body.flags, b"", 100_000, body.ts_ns + SECOND)
    (exchange,) = decode(talk.close().segments)
    assert (exchange.httpipe_ttfb_ms, exchange.httpipe_duration_ms) == (1.0, 1002.0)


def test_timings_under_pipelining() -> None:
    """Time to first byte and duration are those of each message, not of the segments' neighbours."""
    talk = Talk(acks=False, step_ns=1_000_000).client(GET, GET)
    talk.wait(1).server(OK).wait(1).server(OK)
    first, second = decode(talk.close().segments)
    assert (first.httpipe_ttfb_ms, second.httpipe_ttfb_ms) == (1002.0, 2002.0)


def test_byte_stream() -> None:
    """Chunks of a decrypted stream need no sequence numbers."""
    key = flow_key()
    records = [
        Opened(key, 1), Chunk(key, 2, GET[:9], 9), Chunk(key, 3, GET[9:], len(GET) - 9), Chunk(reverse(key), 4, OK, len(OK)),
        Chunk(key, 5, GET, len(GET)), Gap(reverse(key), 6, 10), Closed(key, 7),
    ]  # fmt: skip
    first, second = decode(records)
    assert brief(first) == WHOLE
    assert brief(second) == ("GET", "/", None, 0, None, "gap", "unmatched_request")


def test_a_connection_that_the_capture_leaves() -> None:
    """What is complete by then is reported so; a request that waits is not said to have been refused or cut off by anybody."""
    talk = Talk().client(GET).server(OK)
    left = Closed(talk.segments[-1].key, talk.now_ns, unseen=True)
    (whole,) = decode([*talk.segments, left])
    assert brief(whole) == WHOLE
    _, waiting = decode([*talk.client(GET).segments, left])
    assert (waiting.httpipe_marks, waiting.error_type) == (("unmatched_request",), None)


def test_response_timeout() -> None:
    """A request on a silent connection is reported after the time-out; the connection is forgotten after another."""
    talk = talk_of(("C", GET), close=False)
    decoder = Decoder(DecodeOptions(response_timeout_secs=120, idle_timeout_secs=300), source="test")
    assert decoder.feed(talk.segments) == []
    assert decoder.expire(talk.now_ns + 100 * SECOND) == []
    (exchange,) = decoder.expire(talk.now_ns + 151 * SECOND)
    assert isinstance(exchange, Exchange)
    assert (exchange.httpipe_marks, exchange.error_type) == (("unmatched_request",), "timeout")
    assert (decoder.connections, decoder.held_exchanges) == (1, 0)
    decoder.expire(talk.now_ns + 331 * SECOND)
    assert decoder.connections == 0


def test_missing_segment_is_given_up() -> None:
    """A segment that never comes is waited for no longer than the time-out, without any further traffic."""
    talk = Talk().client(GET)
    talk.skip(len(OK), client=False)
    talk.acks = False
    talk.server(OK)
    decoder = Decoder(DecodeOptions(), source="test")
    assert decoder.feed(talk.segments) == []
    (exchange,) = decoder.expire(talk.now_ns + 3 * SECOND)
    assert isinstance(exchange, Exchange)
    assert exchange.http_response_status_code == 200


def test_too_many_connections() -> None:
    """Beyond the bound the connection that was idle longest goes, counted; what it held is reported."""
    lost: list[str] = []
    decoder = Decoder(DecodeOptions(max_connections=10), source="test", count=lambda name, _by: lost.append(name))
    events = []
    for number in range(30):
        talk = Talk(flow_key(client_port=1000 + number), start_ns=number * SECOND).client(request(f"/{number}"))
        events += decoder.feed(talk.segments)
        assert decoder.connections <= 10
    assert lost.count("decoder_connections_evicted") == 20
    assert [e.url_path for e in events if isinstance(e, Exchange)] == [f"/{number}" for number in range(20)]


def test_memory_bound() -> None:
    """Segments behind holes are held within the bound for all connections together."""
    decoder = Decoder(DecodeOptions(max_memory_bytes=1 << 20), source="test")
    for number in range(20):
        talk = Talk(flow_key(client_port=1000 + number)).client(GET)
        talk.skip(10, client=False)
        talk.acks = False
        talk.server(b"x" * 200_000)
        decoder.feed(talk.segments)
        assert decoder.held_bytes <= 1 << 20


def test_pipelined_requests_are_bounded() -> None:
    """Requests that nobody answers are reported when too many of one connection wait, counted."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(max_pipelined_requests=5), source="test", count=lambda name, by: counts.update({name: by}))
    talk = Talk()
    talk.client(*(request(f"/{number}") for number in range(20)))
    events = decoder.feed(talk.segments)
    assert decoder.held_exchanges <= 5
    assert len(events) == counts["decoder_pipeline_overflow"] == 20 - decoder.held_exchanges


def test_chunked_upload_that_was_not_copied() -> None:
    """Where the kernel left out a chunked upload its size is estimated, and the next exchanges are whole."""
    talk = Talk().client(b"POST /u HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nxxx")
    talk.send(client=True, length=5000)
    talk.server(OK).exchange(GET, OK).exchange(GET, OK)
    assert [brief(e) for e in decode(talk.close().segments)] == [("POST", "/u", 200, 5003, 3, "size_estimated"), WHOLE, WHOLE]


def test_time_stamp_from_the_far_future() -> None:
    """One record with a garbage time stamp ends no other connection, wherever in a batch it stands; two move the clock."""
    garbage = Talk(flow_key(client_port=2), start_ns=Talk().now_ns + 10**18, handshake=False).client(GET).segments[:1]
    for batch in (1, 2, 3, 100):
        talk = Talk().client(GET)
        asked = len(talk.segments)
        talk.server(OK)
        exchanges = decode(talk.segments[:asked] + garbage + talk.segments[asked:], batch=batch)
        assert brief(exchanges[0]) == WHOLE
    decoder = Decoder(DecodeOptions(), source="test")
    decoder.feed(Talk().client(GET).segments)
    late = Talk(flow_key(client_port=3), start_ns=Talk().now_ns + 2000 * SECOND, handshake=False).client(GET).segments
    assert [brief(e) for e in decoder.feed(late) if isinstance(e, Exchange)] == [("GET", "/", None, 0, None, "unmatched_request")]


def test_http2_is_recognized() -> None:
    """A connection of HTTP/2 is counted once, its opening seen or not."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
    for handshake in (True, False):
        counted: list[str] = []
        decoder = Decoder(DecodeOptions(), source="test", count=lambda name, _by, to=counted: to.append(name))
        talk = Talk(handshake=handshake).client(preface).server(b"\0\0\0\x04\0\0\0\0\0")
        talk.client(b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84").close()
        events = [*decoder.feed(talk.segments), *decoder.finish()]
        assert [event.httpipe_stream_id for event in events if isinstance(event, Exchange)] == [1]
        assert counted.count("decoder_http2") == 1


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["close", "reset", "finish", "evict", "time-out"])
def test_connections_leave_nothing_behind(ending: str) -> None:
    """However a connection ends, its memory is free at once: the collector of cycles does not look for what decode holds."""
    decoder = Decoder(DecodeOptions(max_connections=10 if ending == "evict" else 1000), source="test")

    def use(count: int) -> int:
        for number in range(count):
            talk = Talk(flow_key(client_port=number)).exchange(GET, OK).client(GET)
            talk.skip(10, client=False).server(b"late")
            talk = talk.close() if ending == "close" else talk.reset() if ending == "reset" else talk
            decoder.feed(talk.segments)
        if ending == "time-out":
            decoder.expire(Talk().now_ns + 10_000 * SECOND)
        decoder.finish()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        use(150)
        before = use(150)
        assert use(150) - before < 10_000
    finally:
        tracemalloc.stop()


def test_forged_reset_ahead_of_the_data_hides_nothing() -> None:
    """A reset whose number lies ahead, and whose sender goes on: nothing counts as lost, and what follows is decoded."""
    talk = Talk(step_ns=40_000_000).exchange(GET, OK).client(GET)
    forged = Segment(reverse(talk.key), talk.now_ns, talk.segments[-1].seq + 500, 0, RST, b"", 0)
    talk.segments.append(forged)
    talk.wait(0.2).server(OK).exchange(GET, OK)
    assert [brief(exchange) for exchange in decode(talk.close().segments)] == [WHOLE] * 3


def over(talk: Talk, *ends: bool) -> list[Segment]:
    """The segments of a connection whose client, and whose server, offers MPTCP."""
    offers = dict(zip((True, False), ends, strict=True))
    return [
        msgspec.structs.replace(segment, flags=segment.flags | MULTIPATH)
        if segment.flags & SYN and offers[segment.key == talk.key]
        else segment
        for segment in talk.segments
    ]


def test_one_of_several_subflows() -> None:
    """What went over another subflow of MPTCP is missing (`gap`), and nobody's fault; what a head breaks still is."""
    long, upload = response(b"x" * 50), request("/up", method="POST", body=b"u" * 50)
    talk = Talk().exchange(GET, long[:-20]).exchange(request("/next"), OK)
    talk.exchange(upload[:-20], OK).exchange(b"GET /bad HTTP/1.1\r\n\r\n", OK).client(GET).close()
    assert [brief(e) for e in decode(over(talk, True, True))] == [
        ("GET", "/", 200, 0, 30, "gap"),
        ("GET", "/next", 200, 0, 3),
        ("POST", "/up", 200, 30, 3, "gap"),
        ("GET", "/bad", 200, 0, 3, "protocol_error"),
        ("GET", "/", None, 0, None, "gap", "unmatched_request"),
    ]


@pytest.mark.parametrize("ends", [(True, False), (False, False)])
def test_no_subflows(ends: tuple[bool, bool]) -> None:
    """Where one end does not answer MPTCP, both speak TCP, and a body that stops short is a fault."""
    talk = Talk().exchange(GET, response(b"x" * 50)[:-20]).exchange(request("/next"), OK)
    assert [e.httpipe_marks for e in decode(over(talk, *ends))] == [("protocol_error",), ()]


def test_subflow_with_whole_messages() -> None:
    """Answers that have no body whatever their heads announce are whole on a subflow, too."""
    ask = request(method="HEAD")
    talk = Talk().exchange(ask, response(b"x" * 9)[:-9]).exchange(GET, b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n").close()
    assert [e.httpipe_marks for e in decode(over(talk, True, True))] == [(), ()]
