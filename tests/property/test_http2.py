"""HTTP/2 by any peer: frames of any kind in any order, mutated conversations, and header blocks that are bombs."""

from hypothesis import given, settings
from hypothesis import strategies as some

from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.http2.frames import END_HEADERS, END_STREAM, HEADERS, PREFACE
from pipeline.model.events.exchange import Exchange
from pipeline.testing.packets import Talk
from tests.fuzz.check_http2 import check

BLOCKS = [
    b"\x82\x86\x84\x41\x01h",
    b"\x88",
    b"\xbe\xbf",
    b"\x40\x01a\x01b",
    b"\0\0\0\2\x82",
    b"\0\0\0\x08",
    b"\x5f\x10application/grpc",
]
FLAGS = some.sampled_from([0, 1, 4, 5, 8, 9, 13, 0x25, 0x2D, 255])
STREAMS = some.sampled_from([0, 1, 1, 1, 2, 3, 5, 129])
ITEM = some.tuples(some.integers(0, 35), FLAGS, STREAMS, some.binary(max_size=30) | some.sampled_from(BLOCKS))


@settings(max_examples=200)
@given(some.integers(0, 15), some.lists(ITEM, max_size=25))
def test_any_frames(first: int, items: list[tuple[int, int, int, bytes]]) -> None:
    """Nothing raises, memory keeps its bound, and behind the end nothing is held."""
    check(bytes([first]) + b"".join(bytes([what, flags, stream, len(data)]) + data for what, flags, stream, data in items))


def frame(payload: bytes, stream: int) -> bytes:
    """A request without a body."""
    header = len(payload).to_bytes(3, "big") + bytes([HEADERS, END_HEADERS | END_STREAM]) + stream.to_bytes(4, "big")
    return header + payload


def test_bombs_are_bounded() -> None:
    """A block of references to one long entry stands for a thousand times its size: what is reported of it keeps its bound."""
    entry = b"\x40\x06cookie\x7f\x81\x1e" + b"x" * 3968
    talk = Talk(mss=16_000).client(PREFACE)
    for stream in range(1, 41, 2):
        talk.client(frame(b"\x82\x86\x84" + (entry if stream == 1 else b"") + b"\xbe" * 10_000, stream))
    most = 0
    events = []
    decoder = Decoder(DecodeOptions(request_headers=("Cookie",)), source="test")
    for segment in talk.segments:
        events += decoder.feed([segment])
        most = max(most, decoder.held_bytes)
    events += decoder.finish()
    assert most < 4 << 20
    exchanges = [event for event in events if isinstance(event, Exchange)]
    assert len(exchanges) == 20
    assert all(each.memory_bytes < 1 << 18 and "truncated" in each.httpipe_marks for each in exchanges)
