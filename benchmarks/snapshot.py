"""Everything that decode makes of everything there is to decode, as text: write it before a change and after it, and compare.

``python -m benchmarks.snapshot FILE``. Each line names its case, then holds an event as JSON, or the counters of the case. The
cases are the captures of the tests and of ``../shared``, whole and damaged; simulated connections that lost segments; streams of
chunks; and the seeds of the fuzzer, mutated. All of it is the same in each run.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from pathlib import Path
from random import Random
from types import ModuleType
from typing import TextIO

from pipeline.codecs.json import JsonCodec
from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import RST, SYN, Chunk, Closed, Gap, Opened, Record, Segment, reverse
from pipeline.sources.pcap.reader import read_segments
from tests.greedy_connections import bursts, one_byte_chunks, one_byte_segments, unanswered, unanswered_together, window
from tests.lossy_captures import CLIENTS, Network, disordered

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "tests/replay/captures", ROOT.parent / "shared/corpus", ROOT.parent / "shared/cases")
CAPTURES = (".pcap", ".pcapng", ".gz", ".zst")
MUTATIONS = 40
PIECES = (b"", b"\r\n", b" ", b"0", b"HTTP/1.1 200 OK\r\n", b"GET / HTTP/1.1\r\n")
CONNECTIONS = 60
RATES = (0.0, 0.005, 0.02, 0.1, 0.3)

PLAIN = DecodeOptions(response_headers=("X-N",))
BODIES = DecodeOptions(bodies=BodyOptions(max_bytes=2000), request_headers=("Cookie",), response_headers=("Server", "X-N"))
NARROW = DecodeOptions(
    max_connections=2, max_memory_bytes=1 << 20, max_head_bytes=1024, max_pipelined_requests=4, response_timeout_secs=5.0
)

Case = tuple[str, DecodeOptions, Sequence[Record]]


def captures() -> Iterator[Case]:
    """Capture files, as they are and damaged."""
    for path in sorted(chain.from_iterable(folder.rglob("*") for folder in FOLDERS)):
        if path.suffix not in CAPTURES:
            continue
        records = [segment for batch in read_segments(path) for segment in batch]
        name = f"{path.parent.name}/{path.name}"
        yield f"{name} plain", PLAIN, records
        yield f"{name} bodies", BODIES, records
        if len(records) > 20_000:
            continue
        yield f"{name} narrow", NARROW, records
        rng = Random(name)
        yield f"{name} lossy", PLAIN, [record for record in records if rng.random() > 0.03]
        yield f"{name} one direction", PLAIN, [record for record in records if record.key < reverse(record.key)]
        yield f"{name} other direction", BODIES, [record for record in records if record.key > reverse(record.key)]
        yield f"{name} cut", BODIES, [shortened(record, cut=True) for record in records]
        yield f"{name} left out", PLAIN, [shortened(record, cut=False) for record in records]
        yield f"{name} late", PLAIN, late(records, rng)
        yield f"{name} stream", BODIES, stream(records, rng)


def shortened(segment: Segment, *, cut: bool) -> Segment:
    """Without what stands behind its first bytes."""
    return Segment(
        segment.key, segment.ts_ns, segment.seq, segment.ack, segment.flags, segment.payload[:300], segment.length, 0, cut
    )


def late(records: Sequence[Segment], rng: Random) -> list[Segment]:
    """Some come behind others."""
    out = list(records)
    for place in range(len(out) - 4):
        if rng.random() < 0.1:
            out.insert(place + rng.randrange(1, 4), out.pop(place))
    return out


def stream(records: Sequence[Segment], rng: Random) -> list[Record]:
    """What a source of byte streams would say."""
    out: list[Record] = []
    ended: dict[bytes, int] = {}
    for each in records:
        if each.flags & SYN and not each.length:
            if ended.pop(min(each.key, reverse(each.key)), None) is None:
                out.append(Opened(each.key, each.ts_ns))
        elif each.flags & RST:
            out.append(Closed(each.key, each.ts_ns))
        elif each.payload and rng.random() < 0.01:
            out.append(Gap(each.key, each.ts_ns, each.length * rng.randrange(2)))
        elif each.payload:
            out.append(Chunk(each.key, each.ts_ns, each.payload, each.length))
    return out


def simulated() -> Iterator[Case]:
    """Connections of each kind of client, alone and together, in order and not, and without segments."""
    for kind in CLIENTS:
        for rate in RATES:
            together: list[Segment] = []
            for number in range(CONNECTIONS):
                rng = Random(f"{kind} {rate} {number}")
                capture = Network(rng, kind, rng.choice((3, 10, 40))).run()
                if number % 3 == 0:
                    capture = disordered(capture, rng)
                left = [segment for segment in capture.segments if rng.random() >= rate]
                yield f"{kind} {rate} {number}", PLAIN, left
                if number % 5 == 0:
                    yield f"{kind} {rate} {number} in the middle", BODIES, left[len(left) // 3 :]
                together += left
            together.sort(key=lambda each: each.ts_ns)
            yield f"{kind} {rate} together", PLAIN, together
            yield f"{kind} {rate} narrow", NARROW, together


def greedy() -> Iterator[Case]:
    """Connections that hold as much as they can."""
    for make in (unanswered, unanswered_together, one_byte_chunks, one_byte_segments, bursts, window):
        records = make(4000)
        yield f"{make.__name__} plain", PLAIN, records
        yield f"{make.__name__} narrow", NARROW, records


def fuzzed() -> Iterator[Case]:
    """The fuzzer's seeds and what becomes of them, as its records."""
    read: Callable[[bytes], list[Record]] = fuzzer().records
    for seed in sorted((ROOT / "tests/fuzz/seeds").iterdir()):
        data = seed.read_bytes()
        for number in range(MUTATIONS):
            rng = Random(f"{seed.name} {number}")
            for options, name in ((PLAIN, "plain"), (NARROW, "narrow")):
                yield f"{seed.name} {number} {name}", options, read(mutated(data[1:], rng) if number else data[1:])


def fuzzer() -> ModuleType:
    """The fuzzer's module, without the library that drives it."""
    stand_in = ModuleType("atheris")
    stand_in.instrument_imports = lambda **_options: open("/dev/null", "rb")  # type: ignore[attr-defined]  # noqa: SIM115, PTH123
    sys.modules.setdefault("atheris", stand_in)
    return import_module("tests.fuzz.fuzz_decode")


def mutated(data: bytes, rng: Random) -> bytes:
    """Other kinds of segments, some bytes changed, some left out."""
    out = bytearray(data)
    pos = 0
    while pos + 1 < len(out):
        if rng.random() < 0.25:
            out[pos] = out[pos] & 3 | rng.randrange(18) << 2
        if rng.random() < 0.1 and pos + 2 < len(out):
            place = rng.randrange(pos + 2, min(len(out), pos + 2 + out[pos + 1]) + 1)
            out[place : place + rng.randrange(2)] = rng.choice(
                (b"", b"\r\n", b" ", b"0", b"HTTP/1.1 200 OK\r\n", b"GET / HTTP/1.1\r\n")
            )
        pos += 2 + out[pos + 1]
    return bytes(out)


def report(case: Case, out: TextIO) -> None:
    """The lines of one case."""
    name, options, records = case
    counts: Counter[str] = Counter()
    decoder = Decoder(options, source="snapshot", keep_heads=True, count=lambda name, by: counts.update({name: by}))
    events = [event for start in range(0, len(records), 64) for event in decoder.feed(records[start : start + 64])]
    events += decoder.finish()
    for event in events:
        heads = (event.request_head, event.response_head) if isinstance(event, Exchange) else ()
        out.write(f"{name}\t{JsonCodec().encode(event).decode()}\t{sum(len(head or b'') for head in heads)}\n")
    left = decoder.held_bytes, decoder.held_exchanges, decoder.connections
    out.write(f"{name}\t{sorted(counts.items())} {left}\n")


def main() -> None:
    """Write the file."""
    with Path(sys.argv[1]).open("w", encoding="utf-8") as out:
        for case in chain(captures(), simulated(), greedy(), fuzzed()):
            report(case, out)


if __name__ == "__main__":
    main()
