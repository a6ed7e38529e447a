"""WebSocket messages under any fragmentation and any cut of segments, and under any damage."""

import zlib
from collections import Counter
from itertools import pairwise

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.testing.packets import Talk
from tests.unit.decode.websocket_talks import ASK, BINARY, CONTINUATION, PING, accepted, frame, messages

MIB = 1 << 20
BODIES = BodyOptions(max_bytes=400)
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SAID = st.tuples(
    st.booleans(),  # by the client
    st.booleans(),  # compressed
    st.one_of(st.text(max_size=300).map(str.encode), st.binary(max_size=300)),
    st.lists(st.integers(0, 300), max_size=3).map(sorted),  # where it is cut into fragments
    st.booleans(),  # a ping after each fragment
)


def said(talks: list[tuple[bool, bool, bytes, list[int], bool]]) -> tuple[Talk, list[tuple[bool, bytes, int]]]:
    """What both sides say, and of each message its sender, its payload and the number of its frames."""
    streams = {client: zlib.compressobj(wbits=-15) for client in (True, False)}
    talk, expected = Talk(mss=1 << 16), []
    talk.client(ASK)
    talk.server(accepted(b"permessage-deflate"))
    for client, compressed, payload, cuts, pings in talks:
        wire = payload
        if compressed:
            wire = (streams[client].compress(payload) + streams[client].flush(zlib.Z_SYNC_FLUSH)).removesuffix(
                b"\x00\x00\xff\xff"
            )
        edges = [0, *(min(cut, len(wire)) for cut in cuts), len(wire)]
        out = b""
        for place, (begin, end) in enumerate(pairwise(edges)):
            opcode, final = CONTINUATION if place else BINARY, place == len(edges) - 2
            rsv = 0x40 if compressed and not place else 0
            out += frame(opcode, wire[begin:end], client=client, final=final, rsv=rsv)
            out += frame(PING, b"?", client=client) if pings else b""
        (talk.client if client else talk.server)(out)
        expected.append((client, payload, len(edges) - 1))
    return talk, expected


@relaxed
@given(st.lists(SAID, max_size=6), st.integers(1, 40))
def test_any_fragments_in_any_segments(talks: list[tuple[bool, bool, bytes, list[int], bool]], mss: int) -> None:
    """What was said is what is reported, wherever fragments and segments are cut."""
    talk, expected = said(talks)
    cut = Talk(mss=mss)
    for segment in talk.segments:
        if segment.payload:
            (cut.client if segment.key == talk.key else cut.server)(segment.payload)
    for each in (talk, cut):
        found = messages(each.segments, bodies=BODIES)
        assert [(one.httpipe_websocket_sender == "client", one.httpipe_websocket_fragments) for one in found] == [
            (client, fragments) for client, _, fragments in expected
        ]
        assert [one.httpipe_websocket_decoded_size for one in found] == [len(payload) for _, payload, _ in expected]
        assert all(not one.httpipe_marks for one in found)


@relaxed
@given(st.lists(SAID, min_size=1, max_size=6), st.data())
def test_any_loss_reports_nothing_wrong(talks: list[tuple[bool, bool, bytes, list[int], bool]], data: st.DataObject) -> None:
    """Whatever segments are missing or cut: each message with content and no mark is one that was said, by whom it says."""
    talk, expected = said(talks)
    small = Talk(mss=data.draw(st.integers(20, 400)))
    for segment in talk.segments:
        if segment.payload:
            (small.client if segment.key == talk.key else small.server)(segment.payload)
    kept = []
    for segment in small.segments:
        fate = data.draw(st.sampled_from(("whole", "whole", "whole", "cut", "gone")))
        if segment.payload[:4] in {b"GET ", b"HTTP"} or not segment.payload or fate == "whole":
            kept.append(segment)
        elif fate == "cut":
            kept.append(msgspec.structs.replace(segment, payload=segment.payload[: len(segment.payload) // 2], cut=True))
    spoken = {(client, payload) for client, payload, _ in expected}
    for one in messages(kept, bodies=BODIES):
        if one.httpipe_websocket_decoded_size is not None and one.httpipe_websocket_encoding is None and not one.httpipe_marks:
            content = (one.httpipe_websocket_content or "").encode()
            assert (one.httpipe_websocket_sender == "client", content) in spoken


@relaxed
@given(st.lists(SAID, min_size=1, max_size=4), st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), max_size=8))
def test_any_damage(talks: list[tuple[bool, bool, bytes, list[int], bool]], damage: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed: decode never fails, keeps its bound, and holds nothing behind the end."""
    talk, _ = said(talks)
    segments = list(talk.segments)
    behind = [place for place, each in enumerate(segments) if each.payload and each.payload[:4] not in {b"GET ", b"HTTP"}]
    for where, value in damage:
        if behind:
            place = behind[where % len(behind)]
            payload = bytearray(segments[place].payload)
            payload[where // 7 % len(payload)] = value
            segments[place] = msgspec.structs.replace(segments[place], payload=bytes(payload))
    counts: Counter[str] = Counter()
    options = DecodeOptions(websocket_messages=True, bodies=BODIES, max_memory_bytes=MIB)
    decoder = Decoder(options, source="t", count=lambda name, by: counts.update({name: by}))
    events = []
    for segment in segments:
        events += decoder.feed([segment])
        assert 0 <= decoder.held_bytes <= 2 * MIB
    events += decoder.finish()
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_bytes == decoder.connections == 0
