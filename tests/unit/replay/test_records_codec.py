"""Records ⇄ bytes: nothing is lost, any cut gives the same, and damage is told with its offset."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs import records as codec
from pipeline.model.records import Chunk, Closed, Gap, Opened, Owner, Process, Record, Segment, reverse

U32, U63 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 63) - 1)
KEYS = st.sampled_from([12, 17, 36]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
ENDPOINTS = st.sampled_from([0, 6, 18]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
PROCESSES = st.builds(Process, pid=U32, executable=st.text(max_size=20), container=st.text(max_size=20))
RECORDS = st.one_of(
    st.builds(
        Segment,
        key=KEYS,
        ts_ns=U63,
        seq=U32,
        ack=U32,
        flags=st.integers(0, 255),
        payload=st.binary(max_size=50),
        length=U32,
        last_ns=U63,
        cut=st.booleans(),
        vlan=st.integers(0, 4095),
        interface=U32,
    ),
    st.builds(Chunk, key=KEYS, ts_ns=U63, payload=st.binary(max_size=50), length=U32, cut=st.booleans()),
    st.builds(
        Opened,
        key=KEYS,
        ts_ns=U63,
        client=ENDPOINTS,
        server=ENDPOINTS,
        process=st.none() | PROCESSES,
        security=st.sampled_from(["", "tls", "openssl"]),
    ),
    st.builds(Owner, key=KEYS, ts_ns=U63, process=PROCESSES, local=ENDPOINTS, remote=ENDPOINTS),
    st.builds(Gap, key=KEYS, ts_ns=U63, length=U32),
    st.builds(Closed, key=KEYS, ts_ns=U63),
)


def recording(batches: list[list[Record]]) -> bytes:
    """A whole recording."""
    return codec.MAGIC + b"".join(map(codec.encode, batches))


def read(data: bytes, cuts: int) -> tuple[list[list[Record]], codec.RecordsReader]:
    """What a recording holds, fed in pieces."""
    reader = codec.RecordsReader()
    batches = [batch for at in range(0, len(data), cuts) for batch in reader.feed(data[at : at + cuts])]
    return batches + reader.finish(), reader


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(RECORDS, max_size=6), max_size=4), st.integers(1, 200))
def test_there_and_back(batches: list[list[Record]], cuts: int) -> None:
    """What was recorded comes back, record by record and batch by batch."""
    found, reader = read(recording(batches), cuts)
    assert reader.damage is None
    assert found == batches


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(RECORDS, max_size=4), min_size=1, max_size=3), st.data())
def test_any_damage_is_survived(batches: list[list[Record]], data: st.DataObject) -> None:
    """Whatever stands in the file nothing is raised, and batches before the damage are the recorded ones."""
    whole = recording(batches)
    at = data.draw(st.integers(len(codec.MAGIC), len(whole)))
    spoiled = whole[:at] + data.draw(st.binary(max_size=30))
    found, _ = read(spoiled, data.draw(st.integers(1, 100)))
    ends = [len(recording(batches[: number + 1])) for number in range(len(batches))]
    good = sum(end <= at for end in ends)
    assert found[:good] == batches[:good]


def test_a_recording_of_an_older_version() -> None:
    """What was recorded before connections had owners is read as it was; what is new since then has its default."""
    found, reader = read((Path(__file__).parent / "before_owner.rec").read_bytes(), 50)
    assert reader.damage is None
    key = bytes((10, 0, 0, 1, 10, 0, 0, 2)) + (40000).to_bytes(2, "big") + (80).to_bytes(2, "big")
    get, ok = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    assert found == [
        [Opened(key, 1, b"", b"", None, ""), Chunk(key, 2, get, len(get), cut=False), Chunk(reverse(key), 3, ok, len(ok))],
        [Gap(key, 4, 10), Closed(key, 5, unseen=True)],
        [
            Segment(key, 6, 1000, 5000, 0x18, get, len(get)),
            Segment(reverse(key), 7, 5000, 1000 + len(get), 0x18, ok, len(ok), 8, cut=True, vlan=7, interface=2),
        ],
    ]


def test_a_recording_that_ends_early() -> None:
    """Half a batch at the end is damage, told with the offset at which the batch begins."""
    first: list[Record] = [Opened(b"k" * 12, 1)]
    second: list[Record] = [Closed(b"k" * 12, 2)]
    found, reader = read(recording([first, second])[:-1], 7)
    assert found == [first]
    assert f"at byte {len(recording([first]))}" in str(reader.damage)


@pytest.mark.parametrize("data", [b'{"event.name": "http.exchange"}', b"httpipe records 9\n and more of it"])
def test_what_is_no_recording(data: bytes) -> None:
    """Anything else is refused by its beginning."""
    found, reader = read(data, 5)
    assert not found
    assert "no recording" in str(reader.damage)


def test_a_name_that_is_no_text() -> None:
    """A kind of record that is not UTF-8 is damage like any other."""
    frame = msgspec.msgpack.encode([["Opened", b"k" * 12, 1]]).replace(b"Opened", b"\x80pened")
    found, reader = read(codec.MAGIC + len(frame).to_bytes(4, "big") + frame, 9)
    assert not found
    assert "cannot be understood" in str(reader.damage)


def test_a_later_version_may_add_fields() -> None:
    """A record with one more value at its end is read without it."""
    opened = Opened(b"k" * 12, 1)
    frame = msgspec.msgpack.encode([["Opened", *msgspec.structs.astuple(opened), "new"]])
    found, reader = read(codec.MAGIC + len(frame).to_bytes(4, "big") + frame, 9)
    assert reader.damage is None
    assert found == [[opened]]
