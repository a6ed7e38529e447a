"""The border to the compiled lane: who decodes what, and what happens where the lane cannot."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest

from pipeline import native
from pipeline.config.options import BodyOptions
from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.lane import SERVED, Lane
from pipeline.decode.targets import KNOWN_METHODS
from pipeline.decode.transport import recently_closed, segments
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Chunk, Owner, Process, Segment, reverse, stream_key
from pipeline.model.secrets import SENSITIVE_PARAMETERS
from pipeline.testing.packets import Talk, flow_key, keep_alive, request, response

pytestmark = pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")


class Watched:
    """A decoder, and what its lane handed over to Python."""

    def __init__(self, options: DecodeOptions | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.handed: list[Any] = []
        take = Lane.take

        def watch(lane: Lane, items: Sequence[Any]) -> None:
            self.handed += items
            take(lane, items)

        self._patch = patch.object(Lane, "take", watch)
        self.decoder = Decoder(options or DecodeOptions(), source="test", count=lambda name, by: self.counts.update({name: by}))

    def decode(self, given: Sequence[Segment]) -> list[Exchange]:
        """All exchanges of these records, and what is held at the end."""
        with self._patch:
            events = [*self.decoder.feed(given), *self.decoder.finish()]
        return [event for event in events if isinstance(event, Exchange)]

    def decode_some(self, given: Sequence[Segment]) -> list[Exchange]:
        """The exchanges that these records complete."""
        with self._patch:
            return [event for event in self.decoder.feed(given) if isinstance(event, Exchange)]


def test_plain_connections_never_reach_python() -> None:
    """From the SYN to the last FIN."""
    watched = Watched()
    given = [*keep_alive(50), *keep_alive(1, flow_key("fd00::1", 2000, "fd00::2"))]
    assert len(watched.decode(given)) == 51
    last_acknowledgements = [each for each in watched.handed if each.length or each.flags != 0x10]
    assert last_acknowledgements == []


@pytest.mark.parametrize(
    ("asks", "answers"),
    [
        (request(body=b"b" * 9000, method="POST"), response(b"x" * 90_000)),
        (request(fields=["Transfer-Encoding: chunked"], method="PUT") + b"3\r\nabc\r\n0\r\n\r\n", response()),
        (request(), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nBB8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n"),
        (request(fields=["Cookie: " + "c" * 4000]), response(fields=["Set-Cookie: " + "c" * 4000])),
        (request(fields=["Expect: 100-continue"], method="POST", body=b"1"), b"HTTP/1.1 100 Continue\r\n\r\n" + response()),
        (request(method="HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (request(), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
    ids=["length", "chunked-upload", "chunked", "heads-in-segments", "informational", "head", "not-modified"],
)
def test_what_is_plain_is_taken_by_the_lane(asks: bytes, answers: bytes) -> None:
    """Bodies with a length or in chunks, heads in several segments, 1xx, and responses without a body."""
    watched = Watched(DecodeOptions(request_headers=("host",), response_headers=("set-cookie",)))
    talk = Talk(acks=False)
    for _ in range(3):
        talk.exchange(asks, answers)
    assert len(watched.decode(talk.segments)) == 3
    assert watched.handed == []


def test_a_connection_comes_back_when_it_is_at_rest() -> None:
    """One pipelined pair of requests among a hundred exchanges costs Python these and no others."""
    talk, watched = Talk(), Watched()
    for number in range(50):
        talk.exchange(request(f"/{number}"), response())
    talk.client(request("/a") + request("/b")).server(response() + response())
    for number in range(50):
        talk.exchange(request(f"/{number}"), response())
    exchanges = watched.decode(talk.segments)
    assert [each.httpipe_sequence for each in exchanges] == list(range(102))
    assert len(watched.handed) < 12


def test_a_connection_that_is_unusual_again_and_again_stays_with_python() -> None:
    """Handing it over and back each time would cost more than Python does."""
    talk, watched = Talk(acks=False), Watched()
    for _ in range(500):
        talk.client(request("/a") + request("/b")).server(response() + response())
    assert len(watched.decode(talk.segments)) == 1000
    assert sum(not isinstance(each, Segment) for each in watched.handed) < 15


def test_owners_are_told_in_the_lane() -> None:
    """Of the client before the first request, of the server behind it: as Python tells them, and Python is not asked."""
    watched, talk = Watched(), Talk()
    given = [*talk.segments, Owner(talk.key, talk.now_ns, Process(7, "curl", "c1"))]
    talk.segments.clear()
    talk.client(request("/a"))
    given += [*talk.segments, Owner(reverse(talk.key), talk.now_ns, Process(8, "nginx"))]
    talk.segments.clear()
    given += talk.server(response()).exchange(request("/b"), response()).close().segments
    exchanges = watched.decode(given)
    with patch.multiple(native, lane=None, missing="switched off"):
        decoder = Decoder(DecodeOptions(), source="test")
    assert exchanges == [*decoder.feed(given), *decoder.finish()]
    assert [(each.process_pid, each.httpipe_client_process_pid) for each in exchanges] == [(8, 7), (8, 7)]
    assert watched.handed == []


def test_connections_of_a_process_stay_with_python() -> None:
    """The lane knows no sequence numbers that nobody acknowledges, nor who observes."""
    watched = Watched()
    sent, received = (stream_key(7, 1, sent=each) for each in (True, False))
    given = [
        each
        for number in range(3)
        for each in (
            Chunk(received, 2 * number, request(f"/{number}"), len(request(f"/{number}"))),
            Chunk(sent, 2 * number + 1, response(), len(response())),
        )
    ]
    exchanges = [exchange for each in given for exchange in watched.decoder.feed([each])]
    assert [each.httpipe_sequence for each in exchanges if isinstance(each, Exchange)] == [0, 1, 2]


def test_who_opened_a_connection_without_data_is_remembered() -> None:
    """By Python, which has it when the next connection between the same ports begins."""
    watched, talk = Watched(), Talk()
    talk.reset()
    watched.decode([*talk.segments[:3], Owner(talk.key, talk.now_ns, Process(7, "curl")), *talk.segments[3:]])
    assert any(isinstance(each, Owner) for each in watched.handed)


READERS = {"pipeline.decode.detect", "pipeline.decode.handover", "pipeline.decode.http1.reader"}
READS = "from pipeline.decode import DecodeOptions, Decoder; from pipeline.testing.packets import keep_alive; import sys"


@pytest.mark.parametrize(
    ("does", "imported"),
    [
        ("Decoder(DecodeOptions(), source='t').finish()", False),
        ("decoder = Decoder(DecodeOptions(), source='t'); decoder.feed(keep_alive(2)); decoder.expire(1 << 62)", False),
        ("Decoder(DecodeOptions(), source='t').feed(keep_alive(2)[4:])", True),
        ("Decoder(DecodeOptions(), source='t', live=True)", True),
    ],
)
def test_what_only_python_reads_with_is_imported_when_it_is_needed(does: str, *, imported: bool) -> None:
    """For the first connection that the lane leaves to it; of a live capture at once, since nobody waits for it later."""
    code = f"{READS}; {does}; print(*{READERS} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) == (READERS if imported else set())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (DecodeOptions(bodies=BodyOptions()), "bodies asked for"),
        (DecodeOptions(request_headers=("Cookie",), max_connections=7), ""),
    ],
)
def test_options_that_the_lane_does_not_know_leave_all_to_python(options: DecodeOptions, why: str) -> None:
    """Also those that come later: only what is on the list is served."""
    assert Decoder(options, source="test").python_because == why


def test_raw_heads_leave_all_to_python() -> None:
    """No other way keeps them."""
    assert Decoder(DecodeOptions(), source="test", keep_heads=True).python_because == "a sink or the page asks for raw heads"


def test_the_list_of_served_options_names_options() -> None:
    """One that is renamed must not stay on it."""
    assert set(DecodeOptions.model_fields) >= SERVED


def test_without_the_extension_python_serves() -> None:
    """And says why."""
    with patch.multiple(native, lane=None, missing="switched off"):
        decoder = Decoder(DecodeOptions(), source="test")
    assert decoder.python_because == "switched off"
    assert len([*decoder.feed(keep_alive(3)), *decoder.finish()]) == 3


@pytest.mark.parametrize("failure", [ValueError("a bug"), native.lane.PanicException("a panic") if native.lane else None])
def test_a_lane_that_fails_is_left(failure: BaseException) -> None:
    """It is counted, costs what the lane held, and Python goes on with the next record."""
    watched = Watched()
    first, second = keep_alive(3, flow_key(client_port=1)), keep_alive(3, flow_key(client_port=2))
    assert len(watched.decoder.feed(first)) == 3
    lane = watched.decoder._lane
    assert lane is not None

    class Failing:
        """In place of the lane."""

        done = lane.done

        def feed(self, *_: object) -> int:
            """Fail at the first record."""
            self.done += 1
            raise failure

    lane._lane = Failing()  # type: ignore[assignment]
    events = [*watched.decoder.feed(second), *watched.decoder.feed(keep_alive(3)), *watched.decoder.finish()]
    assert len(events) == 6
    assert watched.counts["decoder_internal_errors"] == 1
    assert watched.decoder.python_because == "the lane failed"


def test_records_in_native_memory_are_records() -> None:
    """A sequence like any other, whose objects are made when somebody looks."""
    assert native.lane is not None
    odd = Owner(flow_key(), 5, Process(1))
    given = [*keep_alive(1), odd]
    records = native.lane.Records.of(given)
    assert list(records) == records.tolist() == given
    assert [records[0], records[-1], *records[2:4], *records[9:][:1]] == [given[0], odd, *given[2:4], *given[9:][:1]]
    assert (len(records), len(records[:0]), records.first_ns) == (len(given), 0, given[0].ts_ns)
    with pytest.raises(IndexError):
        records[len(given)]
    with pytest.raises(TypeError, match="one by one"):
        records[::2]


def test_events_in_native_memory_are_events() -> None:
    """A sequence like any other: each event is made when somebody looks, once, in whatever batch it is by then."""
    assert native.lane is not None
    watched = Watched()
    events = watched.decoder.feed(keep_alive(4))
    assert isinstance(events, native.EVENTS)
    with patch.multiple(native, lane=None, missing="switched off"):
        expected = list(Watched().decoder.feed(keep_alive(4)))
    assert list(events) == events.tolist() == expected
    assert events == expected
    assert events != expected[:3]
    assert [events[0], events[-1], *events[1:3]] == [expected[0], expected[3], *expected[1:3]]
    assert events[1] is events[1:][0]
    odd = Event(timestamp_ns=5)
    events.append(odd)
    more = native.lane.Events.joined([events[2:], expected[:1], events[:0]])
    assert list(more) == [*expected[2:], odd, expected[0]]
    assert more.sizes() == [event.memory_bytes for event in more]
    assert more.memory_bytes == sum(more.sizes())
    assert more.columns(["url_path", "process_pid"]) is None
    assert more[:2].columns(["url_path", "process_pid"]) == [(each.url_path, None) for each in expected[2:]]
    assert list(more.picked([3, 0])) == [expected[0], expected[2]]
    with pytest.raises(IndexError):
        more[4]
    with pytest.raises(IndexError):
        more.picked([4])
    with pytest.raises(TypeError, match="one by one"):
        more[::2]


def test_constants_that_both_have_are_the_same() -> None:
    """What Rust cannot import."""
    assert native.lane is not None
    assert set(native.lane.SECRETS) == SENSITIVE_PARAMETERS
    assert {method.encode() for method in native.lane.METHODS} <= KNOWN_METHODS
    assert native.lane.MAX_ENDED == recently_closed.MAX_ENDED
    assert native.lane.RESET_WINDOW == segments.RESET_WINDOW
