"""TLS off the wire: whatever comes, nothing raises, what is held is bounded, and how it is cut does not matter."""

import random
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.tls import certificate, client_hello, server_hello
from pipeline.decode.tls.quic import frames, packets
from pipeline.model.records import Record
from pipeline.sources.pcap.reader import read_segments
from pipeline.testing.packets import Talk

CAPTURES = sorted((Path(__file__).parents[1] / "replay/captures/tls").glob("*.pcap"))
STREAMS = [
    [(each.key == found[0].key, each.payload) for each in found if each.payload]
    for path in CAPTURES
    if (found := [segment for segments in read_segments(path) for segment in segments])
]
"""What both directions say, in turns: of captures with one connection or two."""


def decode(records: list[Record]) -> int:
    """How many events; decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    decoder = Decoder(DecodeOptions(tls_handshakes=True), source="test", count=lambda name, by: counts.update({name: by}))
    events = [*decoder.feed(records), *decoder.finish()]
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return len(events)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(STREAMS) - 1), st.integers(0, 1 << 32), st.integers(1, 1500))
def test_damaged_handshakes_are_at_most_one_event(which: int, seed: int, mss: int) -> None:
    """Bytes changed, lost and repeated, in segments of any size."""
    chance = random.Random(seed)
    talk = Talk(mss=mss)
    for client, payload in STREAMS[which][:12]:
        damaged = bytearray(payload)
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(min(len(damaged), 200))] = chance.randrange(256)
        if chance.random() < 0.1:
            talk.skip(chance.randrange(100), client=client)
        (talk.client if client else talk.server)(bytes(damaged))
    records: list[Record] = list(talk.close().segments)
    for _ in range(chance.randrange(3)):
        place = chance.randrange(3, len(records))
        records.insert(place, records.pop(chance.randrange(3, len(records))))
    assert decode(records) <= 2


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    """No parser lets anything out but its answer."""
    client_hello.parse(data)
    client_hello.parse_ssl2(data)
    server_hello.parse(data)
    certificate.parse(data)
    frames.parse(data)
    for initial in packets.initials(b"\xc0\0\0\0\1" + data):
        packets.unprotect(initial, packets.keys_of(1, initial.destination, client=True))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=60)), max_size=8))
def test_any_records_behind_a_hello(pieces: list[tuple[bool, bytes]]) -> None:
    """Heads of records with anything in them."""
    talk = Talk()
    talk.client(STREAMS[0][0][1])
    for client, piece in pieces:
        record = bytes([20 + piece[0] % 5, 3, 3]) + len(piece).to_bytes(2, "big") + piece
        (talk.client if client else talk.server)(record)
    assert decode(list(talk.close().segments)) <= 1
