"""The decoder with and without the compiled lane must say the same of anything: ``python -m tests.lane.differential``.

Captures, conversations, the loss simulator and random records, as they are and mutated, in any cut of batches, with any options
that the lane knows. Events must be equal but for their order among connections; so must their lines, counters, and what is held.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

from msgspec import structs

from pipeline import native
from pipeline.codecs.json import JsonCodec
from pipeline.decode import DecodeOptions, Decoder
from pipeline.delivery.batch import joined
from pipeline.model.events.event import Event
from pipeline.model.records import SYN, Owner, Process, Record, Segment, reverse
from pipeline.sources.files.damage import DamagedInputError
from pipeline.sources.pcap.reader import read_segments
from tests.fuzz.any_frames import segments as any_frames
from tests.fuzz.any_records import records as any_records
from tests.lane.conversations import conversations
from tests.lane.http2_conversations import http2_conversations
from tests.lane.mutations import mutated
from tests.lossy_captures import CLIENTS, Network, disordered

TESTS = Path(__file__).parents[1]
CAPTURES = TESTS / "replay" / "captures"
CORPUS = TESTS.parents[1] / "shared" / "corpus"
SEEDS = TESTS / "fuzz" / "seeds"
PYTHON: dict[str, Any] = {"lane": None, "missing": "not wanted"}
MAX_SEGMENTS = 3000
"""Of a capture that is mutated."""

OPTIONS = (
    DecodeOptions(),
    DecodeOptions(),
    DecodeOptions(request_headers=("X-A", "host", "User-Agent"), response_headers=("server", "X-A", "Content-Length")),
    DecodeOptions(max_head_bytes=1024, max_memory_bytes=1 << 20),
    DecodeOptions(response_timeout_secs=1, idle_timeout_secs=2),
)
CROWDED = DecodeOptions(max_connections=2)
"""Which connection makes room is told to within a look at all of them, so only for what takes less time than that; and not for
captures, in which more connections are being opened at once than Python then remembers."""
CROWDED_NS = 60_000_000_000

ITEMS = (*range(20), *range(20), *range(34))
FLAGS = (0, 1, 4, 5, 5, 5, 8, 0x25, 255)
BLOCKS = (
    b"\x82\x86\x84\x41\x01h", b"\x88", b"\xbe\xbf", b"\x40\x01a\x01b", b"\0\0\0\2\x82", b"\0\0\0\x08",
    b"\x82\x86\x84\x5f\x10application/grpc",
)  # fmt: skip
"""Of frames one after the other: what they are, and what is in them (``tests.fuzz.any_frames``)."""


class Outcome(NamedTuple):
    """What a decoder made of some records."""

    events: list[Event]
    lines: list[bytes]
    counts: Counter[str]
    held: tuple[int, int]
    end: tuple[int, int, int]


class Case(NamedTuple):
    """Records, and how they are decoded: in batches that end at ``cuts``."""

    name: str
    records: Sequence[Record]
    cuts: Sequence[int]
    options: DecodeOptions


def outcome(case: Case, *, compiled: bool) -> Outcome:
    """What is reported with or without the lane, sorted by connection."""
    counts: Counter[str] = Counter()

    def count(name: str, by: int) -> None:
        counts[name] += by

    with nullcontext() if compiled else patch.multiple(native, **PYTHON):
        decoder = Decoder(case.options, source="test", count=count)
    if compiled and decoder.python_because:
        raise AssertionError(f"the lane does not serve: {decoder.python_because}")
    parts: list[Sequence[Event]] = []
    begin = 0
    for end in case.cuts:
        parts.append(decoder.feed(case.records[begin:end]))
        begin = end
    parts.append(decoder.expire(max((record.ts_ns for record in case.records), default=0) + 10**9))
    held = decoder.connections, decoder.held_exchanges
    parts.append(decoder.finish())
    found = joined(parts)
    with nullcontext() if compiled else patch.multiple(native, **PYTHON):
        lines = sorted(JsonCodec().encode_each(found)) if found else []  # before an object is made of any
    if isinstance(found, native.EVENTS) and found.sizes() != [event.memory_bytes for event in found]:
        raise AssertionError("sizes")
    return Outcome(
        sorted(found, key=order), lines, counts, held, (decoder.connections, decoder.held_exchanges, decoder.held_bytes)
    )


def order(event: Event) -> tuple[str, int]:
    """Connections by name; within one the order counts."""
    return getattr(event, "httpipe_connection", None) or "", getattr(event, "httpipe_sequence", None) or 0


def difference(case: Case) -> str:
    """How the two ways differ; empty where they do not."""
    python, compiled = outcome(case, compiled=False), outcome(case, compiled=True)
    if python == compiled:
        return ""
    lines = [f"{case.name}: {len(case.records)} records, {case.options.model_dump(exclude_defaults=True)}, Python | lane"]
    lines += [
        f"  {name}: {mine} | {theirs}"
        for name, mine, theirs in zip(Outcome._fields[2:], python[2:], compiled[2:], strict=True)
        if mine != theirs
    ]
    lines += [f"  {mine!r}\n  {theirs!r}" for mine, theirs in zip(python.lines, compiled.lines, strict=False) if mine != theirs][
        :1
    ]
    if len(python.events) != len(compiled.events):
        lines.append(f"  events: {len(python.events)} | {len(compiled.events)}")
    for mine, theirs in zip(python.events, compiled.events, strict=False):
        if mine != theirs:
            lines.append(f"  {mine!r:.300}\n  {theirs!r:.300}")
            lines += [f"    {name}: {a!r} | {b!r}" for name, a, b in _fields(mine, theirs) if a != b]
            break
    return "\n".join(lines)


def _fields(mine: Event, theirs: Event) -> Iterator[tuple[str, Any, Any]]:
    for name, value in structs.asdict(mine).items():
        yield name, value, getattr(theirs, name, "absent")


def captures() -> dict[str, list[Segment]]:
    """The segments of all captures that are here, by the name of the file."""
    found = {}
    for path in sorted([*CAPTURES.rglob("*"), *CORPUS.rglob("*")]):
        if path.is_file() and any(kind in path.name for kind in (".pcap", ".trace", ".cap")):
            segments: list[Segment] = []
            try:
                for batch in read_segments(path):
                    segments += batch
            except DamagedInputError:
                pass
            if segments:
                found[path.name] = segments
    return found


class Cases:
    """Cases without end."""

    def __init__(self, seed: int, known: dict[str, list[Segment]]) -> None:
        self._rng = Random(seed)
        self._captures = {name: segments for name, segments in known.items() if len(segments) <= MAX_SEGMENTS}
        self._seeds = [path.read_bytes() for path in sorted(SEEDS.iterdir())]
        self._kinds: tuple[Callable[[], tuple[str, Sequence[Record]]], ...] = (
            self._capture, self._conversations, self._conversations, self._http2, self._http2, self._network, self._random,
            self._frames,
        )  # fmt: skip

    def next(self) -> Case:
        """One more."""
        rng = self._rng
        name, records = rng.choice(self._kinds)()
        count = len(records)
        cuts = sorted({*rng.sample(range(count + 1), min(count, rng.choice((0, 3, 20)))), count})
        times = [record.ts_ns for record in records]
        may_crowd = times and max(times) - min(times) < CROWDED_NS and name.split(", ")[0] not in self._captures
        return Case(name, records, cuts, rng.choice((*OPTIONS, CROWDED) if may_crowd else OPTIONS))

    def _mutated(self, name: str, segments: list[Segment]) -> tuple[str, Sequence[Record]]:
        what, segments = mutated(segments, self._rng)
        return f"{name}, {what}", segments if self._rng.random() < 0.8 else self._owned(segments)

    def _owned(self, segments: list[Segment]) -> list[Record]:
        """With owners among them, early and late."""
        rng, out = self._rng, list[Record]()
        for segment in segments:
            out.append(segment)
            if rng.random() < (0.5 if segment.flags & SYN else 0.05):
                key = segment.key if rng.random() < 0.8 else reverse(segment.key)
                out.append(Owner(key, segment.ts_ns, Process(rng.randrange(1, 9), rng.choice(("", "nginx")))))
        return out

    def _capture(self) -> tuple[str, Sequence[Record]]:
        name = self._rng.choice(list(self._captures))
        return self._mutated(name, self._captures[name])

    def _conversations(self) -> tuple[str, Sequence[Record]]:
        return self._mutated("conversations", conversations(self._rng))

    def _http2(self) -> tuple[str, Sequence[Record]]:
        return self._mutated("http2", http2_conversations(self._rng))

    def _network(self) -> tuple[str, Sequence[Record]]:
        rng = self._rng
        capture = Network(rng, rng.choice(CLIENTS), rng.choice((3, 20, 60))).run()
        capture = disordered(capture, rng) if rng.random() < 0.3 else capture
        loss = rng.choice((0.0, 0.01, 0.1))
        return "network", [segment for segment in capture.segments if rng.random() >= loss]

    def _random(self) -> tuple[str, Sequence[Record]]:
        rng = self._rng
        data = bytearray(rng.choice(self._seeds))
        for _ in range(rng.randint(0, 6)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        return "random records", any_records(bytes(data))

    def _frames(self) -> tuple[str, Sequence[Record]]:
        rng, out = self._rng, bytearray([self._rng.choice((3, 3, 3, 0, 1, 2))])
        for _ in range(rng.randint(1, 60)):
            payload = rng.choice(BLOCKS) if rng.random() < 0.7 else rng.randbytes(rng.choice((0, 4, 8, 30)))
            out += bytes([rng.choice(ITEMS), rng.choice(FLAGS), rng.choice((0, 1, 1, 1, 2, 3, 5, 129)), len(payload)]) + payload
        return "any frames", any_frames(bytes(out))


def main() -> int:
    """Compare until so many segments have been compared; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=5_000_000)
    parser.add_argument("--secs", type=float, default=1e9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=3, help="differences after which to stop")
    asked = parser.parse_args()
    known = captures()
    cases, done, segments, differences, until = Cases(asked.seed, known), 0, 0, 0, time.monotonic() + asked.secs
    whole = [Case(name, each, [len(each)], DecodeOptions()) for name, each in known.items()]
    while segments < asked.segments and differences < asked.most and time.monotonic() < until:
        case = whole.pop() if whole else cases.next()
        found = difference(case)
        done, segments, differences = done + 1, segments + len(case.records), differences + bool(found)
        if found:
            print(f"case {done}: {found}", flush=True)  # noqa: T201  a program for people
    print(f"{done:,} cases, {segments:,} segments, {differences} differences (seed {asked.seed})")  # noqa: T201  as above
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
