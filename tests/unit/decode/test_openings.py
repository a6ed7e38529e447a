"""Openings as captures have them: late, forged, of failed attempts, answered twice, missing. The data decides which holds."""

from collections import Counter
from itertools import permutations

import pytest
from decode_support import brief, decode

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import ACK, PSH, SYN, Segment, reverse
from pipeline.testing.packets import MASK, Talk, flow_key, request, response

KEY = flow_key()
FAR = 1 << 24
"""As far as a Linux host's initial sequence numbers go on in a quarter of a second."""


def exchanges(talk: Talk, count: int = 3) -> list[tuple[str, int]]:
    """So many exchanges; returns what must be reported of them."""
    for number in range(count):
        talk.exchange(request(f"/{number}"), response(b"ok", status=200 + number))
    return [(f"/{number}", 200 + number) for number in range(count)]


def found(segments: list[Segment], *, marks: tuple[str, ...] = ()) -> list[tuple[str | None, int | None]]:
    """Targets and status codes; only the first exchange may be marked, with ``marks``. Each batching gives the same."""
    outcomes = [decode(segments, batch=batch) for batch in (0, 1)]
    assert [brief(e) for e in outcomes[0]] == [brief(e) for e in outcomes[1]]
    assert [e.httpipe_marks for e in outcomes[0]] == [marks, *[()] * (len(outcomes[0]) - 1)]
    return [(e.httpipe_request_target, e.http_response_status_code) for e in outcomes[0]]


def syn(seq: int, at_ns: int = 0) -> Segment:
    """A SYN of the client."""
    return Segment(KEY, at_ns or Talk().now_ns, seq, 0, SYN, b"", 0)


def synack(seq: int, ack: int, at_ns: int = 0) -> Segment:
    """An answer to a SYN."""
    return Segment(reverse(KEY), at_ns or Talk().now_ns, seq, ack, SYN | ACK, b"", 0)


# The handshake is segments 0 to 2, the first request 3, its acknowledgement 4, the first response 5.
STRAY: dict[str, Segment] = {
    "an answer with another number": synack(5000 + FAR, 1001),
    "an answer with a number close by": synack(5100, 1001),
    "an answer with a number just before": synack(4900, 1001),
    "an answer to an attempt before": synack(7000, 900_000_001),
    "an answer to an attempt before, close by": synack(4900, 900_000_001),
    "a SYN with another number": syn(1000 + FAR),
    "a SYN with a number just before": syn(900),
    "a SYN with a number just behind": syn(1010),
    "the SYN again": syn(1000),
    "the answer again": synack(5000, 1001),
}


@pytest.mark.parametrize("place", range(12))
@pytest.mark.parametrize("name", STRAY)
def test_a_stray_opening(name: str, place: int) -> None:
    """A SYN or an answer that does not belong to a connection changes nothing on it, wherever the capture has it."""
    talk = Talk()
    expected = exchanges(talk)
    talk.close()
    assert found([*talk.segments[:place], STRAY[name], *talk.segments[place:]]) == expected


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_attempts_before(order: tuple[int, ...]) -> None:
    """Of several SYNs and several answers those hold that the data fits, in whatever order they were captured."""
    attempts = [(1000, 5000), (1000 + FAR, 5000 + FAR), (1000 + 2 * FAR, 5000 + 2 * FAR)]
    openings = [each for place in order for each in (syn(attempts[place][0]), synack(attempts[place][1], attempts[place][0] + 1))]
    for client_isn, server_isn in attempts:
        talk = Talk(client_isn=client_isn, server_isn=server_isn)
        expected = exchanges(talk)
        assert found([*openings, *talk.close().segments[3:]]) == expected


@pytest.mark.parametrize("stale", ["both", "SYN", "answer"])
@pytest.mark.parametrize("first", ["request", "response"])
def test_stale_opening(stale: str, first: str) -> None:
    """Data that fits no opening is joined midway, as if none had been seen."""
    old = {"SYN": [syn(900_000_000)], "answer": [synack(2_900_000_000, 900_000_001)]}
    openings = [segment for name, segments in old.items() if stale in {name, "both"} for segment in segments]
    talk = Talk(handshake=False)
    expected = exchanges(talk)
    segments = talk.close().segments
    if first == "response":
        segments[:3] = [segments[2], segments[0], segments[1]]
    assert found([*openings, *segments], marks=("mid_stream",)) == expected


def test_simultaneous_open() -> None:
    """Both ends may send a SYN (RFC 9293, section 3.5): the client is who sends requests."""
    talk = Talk(handshake=False)
    openings = [syn(1000), Segment(reverse(KEY), Talk().now_ns, 5000, 0, SYN, b"", 0), synack(5000, 1001)]
    openings.append(Segment(KEY, Talk().now_ns, 1000, 5001, SYN | ACK, b"", 0))
    expected = exchanges(talk)
    for order in permutations(openings):
        assert found([*order, *talk.segments]) == expected


@pytest.mark.parametrize("lost", [(), (0,), (1,), (2,), (0, 2), (1, 2)], ids=lambda lost: f"without {lost}")
@pytest.mark.parametrize("side", ["both", "client", "server"])
@pytest.mark.parametrize("distance", [FAR, 1 << 31, 5000])
def test_ports_used_again(lost: tuple[int, ...], side: str, distance: int) -> None:
    """A connection whose end was not seen ends where another with its ports begins, whichever of its first segments is seen."""
    first = Talk()
    expected = exchanges(first)
    second = Talk(client_isn=1000 + distance, server_isn=5000 + distance, start_ns=first.wait(1).now_ns)
    exchanges(second)
    segments = first.segments + [segment for place, segment in enumerate(second.close().segments) if place not in lost]
    if side != "both":
        segments = [segment for segment in segments if (segment.key == KEY) is (side == "client")]
    if all(place in lost for place in {"both": (0, 1), "client": (0,), "server": (1,)}[side]):
        return  # nothing of its opening is left
    reported = decode(segments)
    names = [(e.httpipe_request_target, e.http_response_status_code) for e in reported]
    half = {"both": lambda pair: pair, "client": lambda pair: (pair[0], None), "server": lambda pair: (None, pair[1])}[side]
    assert names == [half(pair) for pair in expected * 2]
    assert len({e.httpipe_connection for e in reported}) == 2
    if side == "both":
        assert not any("gap" in e.httpipe_marks for e in reported)


@pytest.mark.parametrize("distance", [1 << 30, 1 << 31, -(1 << 27), -900_000_000])
def test_neither_end_nor_opening_seen(distance: int) -> None:
    """Where both ends speak of sequence numbers far from all before, theirs is another connection, joined midway."""
    first = Talk()
    expected = exchanges(first)
    second = Talk(
        client_isn=1000 + distance & MASK, server_isn=5000 + distance & MASK, handshake=False, start_ns=first.wait(1).now_ns
    )
    exchanges(second)
    reported = decode(first.segments + second.close().segments)
    assert [(e.httpipe_request_target, e.http_response_status_code) for e in reported] == expected * 2
    assert [e.httpipe_marks for e in reported] == [(), (), (), ("mid_stream",), (), ()]


def test_forged_data_ends_nothing() -> None:
    """Segments far from all that was seen, which the other end takes no notice of, end no connection and are counted."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(), source="test", count=lambda name, by: counts.update({name: by}))
    talk, forged = Talk(), request("/forged")
    for number in range(30):
        talk.exchange(request(f"/{number}"), response(b"ok"))
        seq = talk.segments[-1].seq + (1 << 31) + number * 1000 & MASK
        talk.segments.append(Segment(KEY, talk.now_ns, seq, 12345, ACK | PSH, forged, len(forged)))
        talk.segments.append(Segment(reverse(KEY), talk.now_ns, seq, 1, ACK, b"", 0))
    events = [*decoder.feed(talk.close().segments), *decoder.finish()]
    assert [e.url_path for e in events if isinstance(e, Exchange)] == [f"/{number}" for number in range(30)]
    assert {e.httpipe_marks for e in events if isinstance(e, Exchange)} == {()}
    assert counts == {"decoder_stray_bytes": 30 * len(forged)}


def test_forged_opening_ends_nothing() -> None:
    """A SYN that nobody answers, in the middle of an exchange, does not end the connection."""
    talk = Talk().client(request("/0"))
    talk.segments.append(syn(123_456_789, talk.now_ns))
    talk.server(response(b"ok"))
    assert found(talk.close().segments) == [("/0", 200)]


@pytest.mark.parametrize("place", range(4, 10))
@pytest.mark.parametrize("seq", [1000 + FAR, 493_226_231, 3_000_000_000])
def test_forged_opening_with_data_ends_nothing(place: int, seq: int) -> None:
    """Data in a SYN is read when the other end acknowledges it; of nobody's it takes no response away from a request."""
    talk = Talk(acks=False)
    expected = exchanges(talk)
    segments = talk.close().segments
    payload = request("/forged")
    segments.insert(place, Segment(KEY, segments[place].ts_ns, seq, 0, SYN, payload, len(payload)))
    pairs = [(e.httpipe_request_target, e.http_response_status_code) for e in decode(segments)]
    assert [pair for pair in pairs if pair != ("/forged", None)] == expected


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("without", [None, 1])
@pytest.mark.parametrize("distance", [FAR, 1 << 28, 1 << 31])
def test_ports_used_again_by_fast_open(accepted: bool, without: int | None, distance: int) -> None:  # noqa: FBT001
    """A SYN with data (RFC 7413) begins another connection when the server has answered it, whether it took the data or not."""
    old = Talk()
    expected = exchanges(old)
    new = Talk(start_ns=old.now_ns, handshake=False, client_isn=1000 + distance, server_isn=5000 + distance)
    new.send(request("/new"), client=True, flags=SYN)
    if not accepted:
        new.skip(-len(request("/new")), client=True)
    new.send(client=False, flags=SYN | ACK)
    if not accepted:
        new.client(request("/new"))
    new.server(response(b"new", status=210)).exchange(request("/last"), response(b"x", status=211)).close()
    segments = [*old.segments, *(each for place, each in enumerate(new.segments) if place != without)]
    assert found(segments) == [*expected, ("/new", 210), ("/last", 211)]


def test_fast_open_answered_twice() -> None:
    """Data in a SYN, and two answers with different numbers: the data that follows shows which of them holds."""
    ask, answer = request("/0"), response(b"ok")
    for right in (5000, 5000 + FAR):
        segments = [
            Segment(KEY, 1, 1000, 0, SYN, ask, len(ask)),
            synack(5000, 1001 + len(ask), 2),
            synack(5000 + FAR, 1001 + len(ask), 3),
            Segment(reverse(KEY), 4, right + 1, 1001 + len(ask), ACK | PSH, answer, len(answer)),
        ]
        assert found(segments) == [("/0", 200)]


def orders(segments: list[Segment]) -> dict[str, list[Segment]]:
    """The same segments as captures merged of two interfaces may have them."""
    asked = [segment for segment in segments if segment.key == KEY]
    answered = [segment for segment in segments if segment.key != KEY]
    data = [segment for segment in segments[:6] if segment.length]
    return {
        "one direction behind the other": answered + asked,
        "the other behind the one": asked + answered,
        "first data in front of the answer": [segments[0], segments[3], segments[1], segments[2], *segments[4:]],
        "first data in front of the SYN": [segments[3], *segments[:3], *segments[4:]],
        "first response in front of all": [data[1], *[segment for segment in segments if segment is not data[1]]],
        "first data in front of all": [*data, *[segment for segment in segments if segment not in data]],
    }


@pytest.mark.parametrize("name", orders(Talk().exchange(request(), response()).segments))
def test_order_of_a_merged_capture(name: str) -> None:
    """An opening that comes behind data, or data of one direction behind all of the other's, costs nothing."""
    talk = Talk(step_ns=10_000)
    expected = exchanges(talk)
    reported = decode(orders(talk.close().segments)[name])
    assert sorted((e.httpipe_request_target or "", e.http_response_status_code or 0) for e in reported) == expected
    assert {mark for e in reported for mark in e.httpipe_marks} <= {"mid_stream"}
