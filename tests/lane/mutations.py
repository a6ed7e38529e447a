"""What may become of the segments of a capture: lost, doubled, late, swapped, split, cut, and any of their numbers changed."""

from collections.abc import Callable, Iterator
from random import Random

from msgspec.structs import replace

from pipeline.model.records import ACK, FIN, PSH, RST, SYN, Segment

MASK = 0xFFFFFFFF
ODD_BYTES = b"\r\n \t:;/?=%&GHPT/1.0129\x00\xff\x80a"
RATES = (0.002, 0.01, 0.05, 0.2)

Mutation = Callable[[Segment, Random], Iterator[Segment]]


def drop(_segment: Segment, _rng: Random) -> Iterator[Segment]:
    """The capture lost it."""
    yield from ()


def duplicate(segment: Segment, _rng: Random) -> Iterator[Segment]:
    """It comes twice."""
    yield segment
    yield segment


def change(segment: Segment, rng: Random) -> Iterator[Segment]:
    """Some bytes of its beginning are others."""
    data = bytearray(segment.payload)
    for _ in range(rng.randint(1, 3) if data else 0):
        data[rng.randrange(min(len(data), 400))] = rng.choice(ODD_BYTES)
    yield replace(segment, payload=bytes(data))


def acknowledge(segment: Segment, rng: Random) -> Iterator[Segment]:
    """It acknowledges more, or less."""
    yield replace(segment, ack=segment.ack + rng.choice((1, -1, 100, -100, 1 << 20)) & MASK)


def move(segment: Segment, rng: Random) -> Iterator[Segment]:
    """Its bytes stand elsewhere."""
    yield replace(segment, seq=segment.seq + rng.choice((1, -1, 100, -100, 1 << 28)) & MASK)


def flip(segment: Segment, rng: Random) -> Iterator[Segment]:
    """One of its flags is another."""
    yield replace(segment, flags=segment.flags ^ rng.choice((FIN, SYN, RST, ACK, PSH)))


def lengthen(segment: Segment, rng: Random) -> Iterator[Segment]:
    """More was on the wire than was captured."""
    yield replace(segment, length=segment.length + rng.choice((1, 10, 1000)), cut=rng.random() < 0.5)


def delay(segment: Segment, rng: Random) -> Iterator[Segment]:
    """Its time is another."""
    yield replace(segment, ts_ns=max(0, segment.ts_ns + rng.choice((10**9, -(10**6), 10**11, 400 * 10**9))))


def cut(segment: Segment, rng: Random) -> Iterator[Segment]:
    """The end of it was not captured, by a bound or on purpose; it may stand for several."""
    kept = rng.randrange(len(segment.payload) + 1)
    last_ns = segment.ts_ns + rng.choice((0, 5000))
    yield replace(segment, payload=segment.payload[:kept], cut=rng.random() < 0.5, last_ns=last_ns)


def leave_out(segment: Segment, rng: Random) -> Iterator[Segment]:
    """The kernel left bytes of a body out."""
    head = segment.payload.find(b"\r\n\r\n") + 4
    kept = min(len(segment.payload), head if head > 3 else rng.choice((0, 1000)))
    yield replace(segment, payload=segment.payload[:kept], last_ns=segment.ts_ns + rng.choice((0, 5000)))


def split(segment: Segment, rng: Random) -> Iterator[Segment]:
    """It comes in two."""
    if not len(segment.payload) == segment.length > 1:
        yield segment
        return
    place = rng.randrange(1, segment.length)
    yield replace(segment, payload=segment.payload[:place], length=place, flags=segment.flags & ~(FIN | RST))
    rest = segment.payload[place:]
    yield replace(segment, seq=segment.seq + place & MASK, payload=rest, length=len(rest))


MUTATIONS: tuple[Mutation, ...] = (
    drop, drop, duplicate, change, acknowledge, move, flip, lengthen, delay, cut, leave_out, leave_out, split, split,
)  # fmt: skip


def mutated(segments: list[Segment], rng: Random) -> tuple[str, list[Segment]]:
    """The name of what was done to some of them, and all of them."""
    rate = rng.choice((*RATES, 1.0))
    if rng.random() < 0.1:
        return "swap", swapped(segments, rng, rate)
    mutation = rng.choice(MUTATIONS)
    if rate == 1.0 and mutation not in {split, leave_out}:
        return "none", segments
    out: list[Segment] = []
    for segment in segments:
        if rng.random() < rate:
            out += mutation(segment, rng)
        else:
            out.append(segment)
    return mutation.__name__, out


def swapped(segments: list[Segment], rng: Random, rate: float) -> list[Segment]:
    """Some come behind the one that follows them."""
    out = list(segments)
    for place in range(len(out) - 1):
        if rng.random() < rate:
            out[place], out[place + 1] = out[place + 1], out[place]
    return out
