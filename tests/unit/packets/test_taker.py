"""The packets of the connections of events: which they are, each once, and what is said of those that are gone."""

from collections.abc import Sequence

import pytest

from pipeline import native
from pipeline.api import Exchange
from pipeline.model.connection import Connection
from pipeline.model.packet import Packet
from pipeline.model.records import ACK, FIN, PSH, SYN, Chunk, Closed, Opened, Record, Segment, reverse, stream_key
from pipeline.packets.index import named_by
from pipeline.packets.store import Keeper, PacketStore
from pipeline.packets.taker import Taker

CLIENT, SERVER = b"\x0a\0\0\1", b"\x0a\0\0\2"
SECOND = 1_000_000_000


def key(port: int) -> bytes:
    """The direction from a client's port."""
    return CLIENT + SERVER + port.to_bytes(2, "big") + (80).to_bytes(2, "big")


def talk(port: int, begin_ns: int, opening: int = 1000, requests: int = 1) -> list[Segment]:
    """A connection: handshake, requests of 10 bytes and responses of 20, one a second, and its end."""
    there, back = key(port), reverse(key(port))
    found = [
        Segment(there, begin_ns, opening, 0, SYN, b"", 0),
        Segment(back, begin_ns + 1, 7000, opening + 1, SYN | ACK, b"", 0),
        Segment(there, begin_ns + 2, opening + 1, 7001, ACK, b"", 0),
    ]
    asked, answered, at = opening + 1, 7001, begin_ns + 2
    for number in range(requests):
        at = begin_ns + (number + 1) * SECOND
        found.append(Segment(there, at, asked, answered, ACK | PSH, b"q" * 10, 10))
        found.append(Segment(back, at + 1000, answered, asked + 10, ACK | PSH, b"a" * 20, 20))
        asked, answered = asked + 10, answered + 20
    return [*found, Segment(there, at + 5000, asked, answered, FIN | ACK, b"", 0)]


def exchange(port: int, at_ns: int, opening: int = 1000) -> Exchange:
    """The one whose request was sent then."""
    name = Connection(key(port), at_ns, opening).name().id
    return Exchange(timestamp_ns=at_ns, httpipe_duration_ms=0.001, url_path="/x", httpipe_connection=name)


def kept(*groups: Sequence[Record], max_bytes: int = 1 << 20, compiled: bool = True) -> PacketStore:
    """A store that a source has filled with these batches."""
    store = PacketStore()
    store.keep_for({"s": max_bytes})
    for group in groups:
        in_lane = compiled and native.lane is not None
        Keeper(store, "s", live=False).records(native.lane.Records.of(group) if native.lane and in_lane else list(group))
    return store


def times(packets: Sequence[Packet]) -> list[int]:
    """When they were captured."""
    return [packet.ts_ns for packet in packets]


@pytest.mark.parametrize("compiled", [True, False])
def test_the_connections_of_the_events_and_no_others(*, compiled: bool) -> None:
    """Whole, handshake and end included, in order of time, whatever the batches were."""
    one, two = talk(1, 0), talk(2, 10)
    mixed = sorted([*one, *two], key=lambda record: record.ts_ns)
    store = kept(mixed[:3], mixed[3:5], mixed[5:], compiled=compiled)
    taken = Taker(store).take([exchange(2, SECOND + 10)], last=True)
    assert times(taken.packets) == times_of(two)
    assert (taken.connections, taken.without_beginning, taken.gone) == (1, 0, 0)
    assert taken.remark(1) == "1 event of 1 connection"


def times_of(records: Sequence[Segment]) -> list[int]:
    """When these were captured."""
    return [record.ts_ns for record in records]


@pytest.mark.parametrize("compiled", [True, False])
def test_ports_that_are_used_again_are_another_connection(*, compiled: bool) -> None:
    """Told by the number that the opening began with, within one batch, too."""
    first, second = talk(1, 0), talk(1, 5 * SECOND, opening=9000)
    for store in (kept(first, second, compiled=compiled), kept([*first, *second], compiled=compiled)):
        assert times(Taker(store).take([exchange(1, SECOND)], last=True).packets) == times_of(first)
        later = exchange(1, 6 * SECOND, opening=9000)
        assert times(Taker(store).take([later], last=True).packets) == times_of(second)
        both = Taker(store).take([exchange(1, SECOND), later], last=True)
        assert (times(both.packets), both.connections) == ([*times_of(first), *times_of(second)], 2)


def test_whoever_goes_on_taking_gets_each_packet_once() -> None:
    """Up to the end of the exchange; what follows comes with the next one, and the rest at the end."""
    records = talk(1, 0, requests=3)
    taker = Taker(kept(records))
    assert times(taker.take([exchange(1, SECOND)]).packets) == times_of(records[:5])
    assert taker.take([exchange(1, SECOND)]).packets == []
    third = taker.take([exchange(1, 3 * SECOND)])
    assert (times(third.packets), third.connections) == (times_of(records[5:9]), 0)
    assert times(taker.take((), last=True).packets) == times_of(records[9:])
    assert taker.take((), last=True).packets == []


def test_a_packet_says_which_event_begins_in_it() -> None:
    """With its outcome; others say nothing."""
    taken = Taker(kept(talk(1, 0, requests=2))).take([exchange(1, 2 * SECOND)], last=True)
    assert {packet.ts_ns: packet.comment for packet in taken.packets if packet.comment} == {
        2 * SECOND: "httpipe: ? /x: no response, 0.001 ms"
    }


def test_no_more_is_kept_than_was_asked_for_and_what_is_gone_is_said() -> None:
    """The newest stays; a connection that began before it has lost its beginning, and one that ended before it all."""
    long = talk(1, 0, requests=500)
    batches = [long[at : at + 10] for at in range(0, len(long), 10)]
    store = kept(talk(2, 0), *batches, max_bytes=20_000, compiled=False)
    assert store.bytes <= 20_000
    assert store.put_bytes > 150_000
    taken = Taker(store).take([exchange(1, 400 * SECOND), exchange(2, SECOND)], last=True)
    assert 0 < len(taken.packets) <= 70
    assert times(taken.packets) == times_of(long[-len(taken.packets) :])
    assert taken.remark(2) == (
        "2 events of 1 connection; the beginning of 1 connection was not captured or is no longer kept; "
        "no packet of 1 event is kept any more"
    )


def test_what_will_soon_be_gone_is_taken_in_time() -> None:
    """Of connections that were asked for once, also without another exchange of theirs: nothing is missing at the end."""
    store = PacketStore()
    store.keep_for({"s": 20_000})
    keeper, taker = Keeper(store, "s", live=False), Taker(store)
    long = talk(1, 0, requests=500)
    got: list[Packet] = []
    for at in range(0, len(long), 10):
        keeper.records(long[at : at + 10])
        got += taker.take([exchange(1, SECOND)] if at == 0 else []).packets
    got += taker.take((), last=True).packets
    assert times(got) == times_of(long)


def test_what_is_dropped_of_a_connection_that_is_written_is_counted() -> None:
    """Exactly: what was taken and what was missed are all that there was."""
    store = PacketStore()
    store.keep_for({"s": 20_000})
    keeper, taker = Keeper(store, "s", live=False), Taker(store)
    long = talk(1, 0, requests=500)
    keeper.records(long[:10])
    got = taker.take([exchange(1, SECOND)])
    assert (len(got.packets), got.missed) == (5, 0)
    for at in range(10, len(long), 10):
        keeper.records(long[at : at + 10])
    rest = taker.take((), last=True)
    assert (rest.missed, rest.unseen > 80) == (5, True)
    assert len(got.packets) + len(rest.packets) + rest.missed + rest.unseen * 10 == pytest.approx(len(long), abs=6)
    assert times(rest.packets) == times_of(long[-len(rest.packets) :])
    assert taker.take((), last=True).unseen == 0


def test_an_index_forgets_what_the_store_has_dropped() -> None:
    """However long it is used."""
    store = PacketStore()
    store.keep_for({"s": 20_000})
    keeper, taker = Keeper(store, "s", live=False), Taker(store)
    for port in range(1, 1001):
        keeper.records(talk(port, port * SECOND))
        taker.take([exchange(port, (port + 1) * SECOND)])
    index = taker._index
    assert len(index._uses) == len(index._members) == store.bytes // 1830
    assert len(taker._taken) <= len(index._uses) + 1


def test_nothing_is_kept_unless_somebody_asks() -> None:
    """And nothing any more when nobody does."""
    store = PacketStore()
    keeper = Keeper(store, "s", live=False)
    keeper.records(talk(1, 0))
    assert (keeper.wanted, store.bytes) == (False, 0)
    store.keep_for({"s": 1000, "other": 0})
    keeper.records(talk(1, 0))
    assert keeper.wanted
    assert store.bytes > 0
    assert not store.wants("other")
    store.keep_for({"s": 0})
    assert store.bytes == 0


def test_plain_text_of_probes_becomes_segments_between_the_ends_of_the_event() -> None:
    """With a handshake, where the beginning was seen, numbers that count its bytes, and the end."""
    sent, received = stream_key(7, 1, sent=True), stream_key(7, 1, sent=False)
    records: list[Record] = [
        Opened(sent, 10),
        Chunk(sent, 20, b"GET / HTTP/1.1\r\n\r\n", 18),
        Chunk(received, 30, b"HTTP/1.1 200 OK\r\n\r\n", 19),
        Closed(sent, 40),
    ]
    event = Exchange(
        timestamp_ns=20, httpipe_duration_ms=0.00001, httpipe_connection=Connection(sent, 0).name().id,
        client_address="10.0.0.1", client_port=5, network_local_address="10.0.0.2", network_local_port=443,
    )  # fmt: skip
    taken = Taker(kept(records, compiled=False)).take([event], last=True)
    assert times(taken.packets) == [10, 10, 10, 20, 30, 40, 40]
    request = taken.packets[3]
    assert request.data[12:24] == CLIENT + SERVER + b"\0\5\1\xbb"
    assert request.data[40:] == b"GET / HTTP/1.1\r\n\r\n"
    assert "never on the wire" in request.interface.description
    unknown = Taker(kept(records, compiled=False)).take([Exchange(timestamp_ns=20, httpipe_connection=event.httpipe_connection)])
    assert unknown.packets == []
    assert unknown.remark(1).endswith("1 connection left out, whose addresses are not known")


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1:1", "10.0.0.1:99999999-10.0.0.2:80", "a:1-b:2", "10.0.0.1:1-10.0.0.2:80-x"])
def test_a_name_that_is_none_of_ours_names_nothing(text: str) -> None:
    """A transform may have put anything there."""
    assert named_by(text) is None


def test_every_name_of_a_connection_leads_back_to_its_key() -> None:
    """Of IPv4, of IPv6, of IPv4 mapped into it, of probes."""
    mapped = b"".join(bytes(10) + b"\xff\xff" + each for each in (CLIENT, SERVER)) + b"\0\1\0\x50"
    six = bytes(range(16)) + bytes(range(16, 32)) + b"\0\1\0\x50"
    for raw in (key(1), six, mapped, stream_key(3, 4, sent=True)):
        named = named_by(Connection(raw, 0, 17).name().id)
        assert named is not None
        assert {raw, reverse(raw)} & set(named.keys)
        assert named.opening == (0 if len(raw) == 17 else 17)
