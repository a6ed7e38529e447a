"""Frames: what can be one, and where one is found."""

import random

import pytest

from pipeline.decode.http2 import frames
from pipeline.decode.http2.frames import HEADER, is_chain, is_plausible, second_of_three


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """A frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


GOOD = [
    frame(frames.DATA, b"abc", stream=1),
    frame(frames.DATA, flags=frames.END_STREAM, stream=1),
    frame(frames.HEADERS, b"\x82", flags=frames.END_HEADERS, stream=3),
    frame(frames.PRIORITY, b"12345", stream=1),
    frame(frames.RST_STREAM, b"1234", stream=1),
    frame(frames.SETTINGS, b"123456"),
    frame(frames.SETTINGS, flags=1),
    frame(frames.PUSH_PROMISE, b"12345", stream=1),
    frame(frames.PING, b"12345678"),
    frame(frames.GOAWAY, b"12345678"),
    frame(frames.WINDOW_UPDATE, b"1234"),
    frame(frames.CONTINUATION, b"1", stream=1),
]
BAD = [
    frame(frames.DATA, b"abc"),
    frame(frames.DATA, stream=1),
    frame(frames.DATA, b"abc", flags=4, stream=1),
    frame(frames.DATA, b"abc", stream=1 << 31),
    frame(frames.DATA, bytes(16_385), stream=1),
    frame(frames.HEADERS, b"\x82"),
    frame(frames.HEADERS, stream=1),
    frame(frames.RST_STREAM, b"12345", stream=1),
    frame(frames.SETTINGS, b"12345"),
    frame(frames.SETTINGS, b"123456", stream=1),
    frame(frames.SETTINGS, b"123456", flags=1),
    frame(frames.PING, b"1234567"),
    frame(frames.GOAWAY, b"1234567"),
    frame(99, b"abc"),
]


@pytest.mark.parametrize("good", GOOD)
def test_frames(good: bytes) -> None:
    """RFC 9113, section 6: each type with a length, flags and a stream that it may have."""
    assert is_plausible(good, 0) == len(good)


@pytest.mark.parametrize("bad", BAD)
def test_what_is_hardly_a_frame(bad: bytes) -> None:
    """A length, a flag or a stream that its type does not have."""
    assert not is_plausible(bad, 0)


def test_a_chain_ends_anywhere() -> None:
    """Frames one behind the other are a chain, wherever the last one is cut off; with a byte in front they are none."""
    whole = b"".join(GOOD)
    assert all(is_chain(whole[:end]) for end in range(HEADER, len(whole)))
    assert not any(is_chain(whole[:end]) for end in range(HEADER))
    assert not is_chain(b"x" + whole)
    assert not is_chain(bytes(100))


def test_resynchronisation_finds_a_frame() -> None:
    """In random bytes with frames behind them, what is found begins a frame; and it is found soon."""
    random.seed(7)
    found = 0
    for _ in range(300):
        noise = random.randbytes(random.randrange(200))
        stream = [random.choice(GOOD) for _ in range(8)]
        starts = {len(noise) + sum(map(len, stream[:number])) for number in range(8)}
        place = second_of_three(noise + b"".join(stream))
        assert place in starts
        found += 1
    assert found == 300
    assert second_of_three(random.randbytes(20_000)) == second_of_three(bytes(20_000)) == second_of_three(b"") == -1


def test_padding_and_priority_stand_in_front() -> None:
    """RFC 9113, section 6.2: a block stands between them and the padding; padding longer than the frame is an error."""
    payload = b"\x02" + b"\0\0\0\0\x10" + b"\x82\x86" + b"\0\0"
    header = (len(payload), frames.HEADERS, frames.PADDED | frames.PRIORITISED, 1)
    assert frames.block_of(payload, 0, header) == (6, 8)
    assert frames.block_of(b"\x0a" + payload[1:], 0, header) is None
    assert frames.block_of(payload, 0, (len(payload), frames.PUSH_PROMISE, 0, 1)) == (4, len(payload))
