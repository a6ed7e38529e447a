"""What each stage costs on the way from a capture file, or from JSON lines, to JSON lines, so that a regression has an address.

``python -m benchmarks stages``: µs of CPU and, where Valgrind is, instructions of each stage for an exchange, with 64 keep-alive
connections and with a connection for each exchange. Instructions hardly change from run to run, also on a machine that others
use: compare those; µs are the best of some rounds. ``whole`` is a run of the engine without its start, ``engine`` what is left of
it when the stages are taken off: as these run alone, with other caches warm, it is right to a few per cent of the whole and may
come out below nothing.

A stage that works on what the one before has made is run alone: read, frames, dissect, head (what start lines and header fields
say), build, encode, write. The others inside the decoder are differences between decoders of which more and more does its work:
one whose connections nobody reads (table, order), one that reads but pairs what comes with what came last (body: where messages
begin and end, whole or in parts), the real one (pairing).

The way from JSON lines is that of benchmarks/file_to_file.py: ``replay`` (lines to events), ``filter``, ``set``, ``encode``,
``write``; beside it ``plain loop``, the same with the standard library and nothing else.

With the compiled lane there are no such stages: ``frames`` stands for all up to segments, ``decode`` for all up to events.
HTTPIPE_LANE=0 leaves the lane out.
"""

import gc
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio

from benchmarks import callgrind, captures
from benchmarks.file_to_file import PLAIN_LOOP, through_filter
from pipeline import native
from pipeline.api import DEFAULT, Transform
from pipeline.api import Context as TransformContext
from pipeline.cli.loading import load
from pipeline.codecs.json import JsonCodec
from pipeline.decode import DecodeOptions, Decoder
from pipeline.decode.detect import Detect
from pipeline.decode.http1.context import Context
from pipeline.decode.message import Message, Request, Response
from pipeline.decode.pairing.build import build
from pipeline.decode.pairing.pairing import Pairing
from pipeline.decode.shared import Shared
from pipeline.decode.standins import Unread
from pipeline.model.events.event import Event
from pipeline.model.records import Record, Segment
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.sources.files.inputs import READ_BYTES
from pipeline.sources.pcap.classic import FILE_HEADER_BYTES, ClassicCapture
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.frames import Frame
from pipeline.sources.pcap.reader import CaptureReader, read_segments
from pipeline.sources.replay.lines import LinesReader

EXCHANGES = 20_000
COUNTED = 1_500
"""Exchanges under callgrind, where everything takes fifty times as long."""
ROUNDS = 5
WAYS = {
    "keep-alive": lambda exchanges: captures.keep_alive(exchanges, 64),
    "one each": captures.one_each,
}
LINES = "JSON lines"
STAGES = ("read", "frames", "dissect", "table", "order", "head", "body", "pairing", "build", "encode", "write")

Work = Callable[[], object]


class Passing(Detect):
    """Nobody reads what connections carry."""

    def start(self, direction: Any, start: Any) -> None:  # noqa: ANN401
        """Bytes pass by."""
        super().start(direction, start)
        for each in (direction, direction.other):
            each.protocol = Unread(each.protocol)


class Latest(Pairing, gc=False, eq=False):
    """A response belongs to the request before it, whatever anybody says, and nothing becomes of them."""

    def requested(self, request: Request) -> Message | None:
        """Keep it."""
        self.pending.append(request)
        return None

    def match(self, _response: Response) -> Request | None:
        """The one that is kept."""
        return self.pending.pop()

    def uploaded(self, _request: Request) -> None:
        """Nothing comes of it."""
        self.asking = None

    def answered(self, _response: Response, _end: int) -> Message | None:
        """Nothing comes of it."""
        self.answering = None
        return None


def decode(segments: Sequence[Segment]) -> list[Event]:
    """All events, fed as the source does: some hundred segments at once."""
    decoder = Decoder(DecodeOptions(), source="bench")
    events: list[Event] = []
    for at in range(0, len(segments), 256):
        events += decoder.feed(segments[at : at + 256])
    return [*events, *decoder.finish()]


def passing(segments: Sequence[Segment]) -> None:
    """Table and order, and nobody who reads."""
    with patch("pipeline.decode.decoder.Detect", Passing):
        decode(segments)


def unpaired(segments: Sequence[Segment]) -> None:
    """Table, order, heads and bodies."""
    with patch("pipeline.decode.detect.Pairing", Latest):
        decode(segments)


def built(segments: Sequence[Segment]) -> list[tuple[Any, ...]]:
    """What ``build`` is given."""
    given: list[tuple[Any, ...]] = []

    def remembering(*arguments: Any) -> Any:  # noqa: ANN401
        given.append(arguments)
        return build(*arguments)

    with patch("pipeline.decode.pairing.pairing.build", remembering):
        decode(segments)
    return given


def look_up(segments: Sequence[Segment], kept: dict[bytes, int]) -> None:
    """Find each segment's direction, open and close the connections: they come without payload."""
    find = kept.get
    for segment in segments:
        find(segment.key)
    passing([segment for segment in segments if segment.flags & 7])


def read(path: Path) -> list[bytes]:
    """The file in the pieces in which the source reads it."""
    pieces = []
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            pieces.append(piece)
    return pieces


def framed(pieces: Sequence[bytes]) -> list[tuple[bytes, list[Frame]]]:
    """The pieces, and where the packets lie in them."""
    capture = ClassicCapture(pieces[0][:FILE_HEADER_BYTES])
    return [capture.feed(piece[0 if number else FILE_HEADER_BYTES :]) for number, piece in enumerate(pieces)]


def dissected(blocks: Sequence[tuple[bytes, list[Frame]]]) -> None:
    """Their segments."""
    dissector = Dissector()
    for block, frames in blocks:
        dissector.segments(block, frames)


def records(pieces: Sequence[bytes]) -> list[Sequence[Record]]:
    """What the source makes of the pieces: with the lane, segments in its own memory."""
    reader = CaptureReader()
    return [found for piece in pieces for found in reader.feed(piece)]


def decode_batches(batches: Sequence[Sequence[Record]]) -> list[Event]:
    """All events, fed as the source does."""
    decoder = Decoder(DecodeOptions(), source="bench")
    events: list[Event] = []
    for batch in batches:
        events += decoder.feed(batch)
    return [*events, *decoder.finish()]


def encode(events: Sequence[Event]) -> list[bytes | bytearray]:
    """JSON lines, in the batches that a sink is given."""
    codec = JsonCodec()
    return [codec.encode_batch(events[at : at + 1000]) for at in range(0, len(events), 1000)]


def write(path: Path, texts: Sequence[bytes | bytearray]) -> None:
    """Append them to a file."""
    with path.open("wb", buffering=0) as file:
        for text in texts:
            file.write(text)


def whole(pipeline: Path) -> None:
    """A run of the engine."""
    options = RunOptions(handle_signals=False, control=False, configure_logs=False)
    anyio.run(partial(run, load(str(pipeline)), options=options))


def heads(segments: Sequence[Segment]) -> list[tuple[bool, bytes, bytes]]:
    """Start line and header block of each message, and whether it is a request. Each begins a segment here."""
    found = []
    for segment in segments:
        if segment.payload:
            line, _, rest = segment.payload.partition(b"\r\n")
            block = rest[: rest.index(b"\r\n\r\n") + 4]
            found.append((not line.startswith(b"HTTP/"), line, b"\n" + block))
    return found


def parse(found: Sequence[tuple[bool, bytes, bytes]]) -> None:
    """Read them, with what a decoder remembers of lines and blocks that it has seen."""
    options = DecodeOptions()
    context = Context(options, Shared(options, source="", capture="", keep_heads=False, count=lambda _name, _by: None))
    requests, responses = context.request_fields, context.response_fields
    for client, line, block in found:
        if client:
            assert context.request_lines.get(line) or context.request_line(line, block)
            requests.seen.get(block) or requests.whole(block)
        else:
            assert context.status_lines.get(line) or context.status_line(line)
            responses.seen.get(block) or responses.whole(block)


def works(folder: Path, way: str, exchanges: int) -> Iterator[tuple[str, Work]]:
    """What is measured for a way of using connections, by name."""
    path, pipeline = folder / "in.pcap", folder / "pipeline.toml"
    captures.write(path, WAYS[way](exchanges))
    pipeline.write_text(
        f'[sources.cap]\ntype = "pcap"\npath = "{path}"\n'
        f'[sinks.out]\ntype = "file"\ninputs = ["cap"]\npath = "{folder}/out.jsonl"\n'
    )
    segments = [segment for segments in read_segments(path) for segment in segments]
    events = decode(segments)
    assert len(events) == exchanges
    pieces = read(path)
    blocks, texts = framed(pieces), encode(events)
    yield "read", partial(read, path)
    if native.lane is not None:
        batches = records(pieces)
        yield "frames", partial(records, pieces)
        yield "decode", partial(decode_batches, batches)
        events = decode_batches(batches)
        texts = encode(events)
    else:
        yield "frames", partial(framed, pieces)
        yield "dissect", partial(dissected, blocks)
        found, given = heads(segments), built(segments)
        yield "look up", partial(look_up, segments, dict.fromkeys((segment.key for segment in segments), 0))
        yield "passing", partial(passing, segments)
        yield "head", partial(parse, found)
        yield "unpaired", partial(unpaired, segments)
        yield "build", lambda: [build(*arguments) for arguments in given]
        yield "decode", partial(decode, segments)
    yield "encode", partial(encode, events)
    yield "write", partial(write, folder / "written.jsonl", texts)
    yield "whole", partial(whole, pipeline)


def lines_works(folder: Path, exchanges: int) -> Iterator[tuple[str, Work]]:
    """The same on the way from events to events."""
    path, pipeline = folder / "events.jsonl", folder / "pipeline.toml"
    captures.write(folder / "in.pcap", WAYS["keep-alive"](exchanges))
    events = decode([segment for segments in read_segments(folder / "in.pcap") for segment in segments])
    write(path, encode(events))
    pipeline.write_text(through_filter(folder))
    pieces = read(path)
    plan = load(str(pipeline))
    kept, named = (spec.component(spec.config, TransformContext(name)) for name, spec in plan.transforms.items())
    passed = batched(events, kept)
    changed = batched(passed, named)
    yield "read", partial(read, path)
    yield "replay", lambda: [LinesReader("", int).feed(piece) for piece in pieces]
    yield "filter", lambda: batched(events, kept)
    yield "set", lambda: batched(passed, named)
    yield "encode", partial(encode, changed)
    texts = encode(changed)
    yield "write", partial(write, folder / "written.jsonl", texts)
    yield "plain loop", partial(plain_loop, folder)
    yield "whole", partial(whole, pipeline)


def batched(events: Sequence[Event], transform: Transform) -> list[Event]:
    """What a transform makes of events, in batches as replay gives them."""
    found: list[Event] = []
    for at in range(0, len(events), 256):
        outputs = transform.process(events[at : at + 256])
        found += outputs[DEFAULT] if isinstance(outputs, Mapping) else outputs
    return found


def plain_loop(folder: Path) -> None:
    """The yardstick of file_to_file, in this process."""
    with patch.object(sys, "argv", ["", f"{folder}/events.jsonl", f"{folder}/plain.jsonl"]):
        exec(compile(PLAIN_LOOP, "plain loop", "exec"), {})  # noqa: S102  a text of ours


def works_of(folder: Path, way: str, exchanges: int) -> Iterator[tuple[str, Work]]:
    """What is measured."""
    return lines_works(folder, exchanges) if way == LINES else works(folder, way, exchanges)


def lines_stages(cost: dict[str, float]) -> dict[str, float]:
    """Costs of what was run, as costs of stages; the plain loop comes last."""
    found = {name: cost[name] for name in ("read", "replay", "filter", "set", "encode", "write")}
    return {**found, "engine": cost["whole"] - sum(found.values()), "whole": cost["whole"], "plain loop": cost["plain loop"]}


def stages(cost: dict[str, float]) -> dict[str, float]:
    """Costs of what was run, as costs of stages."""
    found = {name: cost[name] for name in ("read", "frames")}
    if "passing" in cost:
        found["dissect"] = cost["dissect"]
        found["table"] = cost["look up"]
        found["order"] = cost["passing"] - cost["look up"]
        found["head"] = cost["head"]
        found["body"] = cost["unpaired"] - cost["passing"] - found["head"]
        found["pairing"] = cost["decode"] - cost["unpaired"] - cost["build"]
        found["build"] = cost["build"]
    else:
        found["decode"] = cost["decode"]
    found |= {name: cost[name] for name in ("encode", "write")}
    return {**found, "engine": cost["whole"] - sum(found.values()), "whole": cost["whole"]}


def seconds(folder: Path, way: str) -> dict[str, float]:
    """Seconds of CPU of each work, the best of some rounds taken in turn; of the engine without its start."""
    best: dict[str, float] = {}
    for name, times in (("start", 0), ("", EXCHANGES)):
        found = [each for each in works_of(folder, way, times) if times or each[0] == "whole"]
        for _ in range(ROUNDS):
            for work_name, work in found:
                began = time.process_time()
                work()
                key = name or work_name
                best[key] = min(best.get(key, 1e9), time.process_time() - began)
    return {**best, "whole": best["whole"] - best["start"]}


def count_here(way: str, run_only: str = "") -> None:
    """Under callgrind: each work once to warm up, once counted; or only a run of the engine, ``whole`` or its ``start``."""
    with tempfile.TemporaryDirectory() as name:
        work = dict(works_of(Path(name), way, 0 if run_only == "start" else COUNTED))
        whole_run = work.pop("whole")
        for label, each in {run_only: whole_run}.items() if run_only else work.items():
            each()
            with callgrind.counted(label):
                each()


def instructions(way: str) -> dict[str, float]:
    """Instructions of each work. Runs of the engine have processes of their own, since they leave threads behind."""
    cost: dict[str, float] = {}
    for arguments in ([way], [way, "whole"], [way, "start"]):
        cost |= callgrind.measure("benchmarks.stages", arguments)
    return {**cost, "whole": cost["whole"] - cost["start"]}


def show(title: str, rows: dict[str, dict[str, float]], shown: str) -> None:
    """A table, one line a stage."""
    print(f"{title:34}" + "".join(f"{way:>14}" for way in rows))
    for stage in next(iter(rows.values())):
        print(f"  {stage:32}" + "".join(f"{format(row[stage], shown):>14}" for row in rows.values()))
    print(flush=True)


def main() -> None:
    """The tables; with arguments, what counts for one of them."""
    gc.disable()  # what a stage has made lives on here, for the next one to work on; in a run it does not
    logging.disable()  # under callgrind everything takes too long, and the engine says so
    if sys.argv[1:]:
        count_here(*sys.argv[1:])
        return
    print(f"compiled lane: {'used' if native.lane else native.missing}\n")
    with tempfile.TemporaryDirectory() as name:
        taken = {way: per_exchange(seconds(Path(name), way), EXCHANGES / 1e6) for way in (*WAYS, LINES)}
    tables("µs of CPU an exchange", taken, ".2f")
    if why := callgrind.missing():
        print(f"instructions are not counted: {why}")
        return
    tables("instructions an exchange", {way: per_exchange(instructions(way), COUNTED) for way in (*WAYS, LINES)}, ",.0f")


def per_exchange(cost: dict[str, float], exchanges: float) -> dict[str, float]:
    """Of so many."""
    return {name: value / exchanges for name, value in cost.items()}


def tables(title: str, cost: dict[str, dict[str, float]], shown: str) -> None:
    """That of captures, that of lines."""
    lines = cost.pop(LINES)
    show(title, {way: stages(found) for way, found in cost.items()}, shown)
    show(title, {LINES: lines_stages(lines)}, shown)


if __name__ == "__main__":
    main()
