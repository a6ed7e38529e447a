"""A reload that replaces a live source: connections go on, nothing is missing and nothing comes twice."""
# ruff: noqa: ARG002  made-up components have the whole interface

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import msgspec
import pytest

from pipeline.api import Config, Context, Emits, Event, Exchange, RecordBatch, Segment, Sink, Source
from pipeline.codecs.records import RecordsReader
from pipeline.config.options import RecordOptions
from pipeline.decode import Decoder
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.reload import reload
from pipeline.testing.packets import Talk, flow_key
from pipeline.testing.plans import Part, plan
from pipeline.topology.plan import Plan

pytestmark = pytest.mark.anyio


class Wire(Source):
    """A live source, one record a batch: each that is open has a ring of its own, into which all that is emitted goes."""

    emits = Emits.RECORDS
    can_wait = False
    rings: ClassVar[list["Wire"]] = []
    meanwhile: ClassVar[list[Segment]] = []
    """What passes while the next one has been opened and the one before still captures."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing captured yet."""
        self.ring: deque[Segment] = deque()
        self.news = asyncio.Event()
        self.context = context

    @classmethod
    def emit(cls, segments: Sequence[Segment]) -> None:
        """Traffic."""
        for each in cls.rings:
            each.ring.extend(segments)
            each.news.set()

    async def open(self) -> None:
        """Attach."""
        self.rings.append(self)
        self.emit(self.meanwhile)

    async def batches(self) -> AsyncIterator[RecordBatch]:
        """Until it is stopped; what the ring still holds then is the last batch."""
        while self in self.rings:
            self.news.clear()
            if self.ring:
                yield RecordBatch([self.ring.popleft()])
            else:
                await self.news.wait()
        rest = list(self.ring)
        self.ring.clear()
        yield RecordBatch(rest)

    async def stop(self) -> None:
        """Detach, and wake up."""
        self.rings.remove(self)
        self.news.set()

    async def aclose(self) -> None:
        """As the real one: what nobody took is counted."""
        if self.ring:
            self.context.count("unread_at_stop", len(self.ring))


class Tape(Wire):
    """The same, but it can wait."""

    can_wait = True


class Taken(Sink):
    """Keeps exchanges."""

    got: ClassVar[list[Exchange]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep."""
        self.got.extend(event for event in batch if isinstance(event, Exchange))


class Ports(Config):
    """Stands for any option."""


def conversation(talk: Talk, first: int, last: int) -> None:
    """Requests with these numbers, each answered."""
    for number in range(first, last):
        talk.client(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
        talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def live(key: str, record: Path | None = None) -> Plan:
    """The source with these options, and a sink."""
    made = plan(w=Part(Wire, key=key), out=Part(Taken, ["w"]))
    if record is None:
        return made
    spec = made.sources["w"]
    msgspec.structs.force_setattr(spec, "record", RecordOptions(path=str(record)))
    return made


@pytest.fixture(autouse=True)
def forget() -> None:
    """Classes remember between tests otherwise."""
    Wire.rings, Wire.meanwhile, Taken.got = [], [], []


@pytest.mark.parametrize(("source", "at_once"), [(Wire, True), (Tape, False)])
async def test_a_live_source_has_all_of_its_decoder_before_it_captures(source: type[Source], at_once: bool) -> None:  # noqa: FBT001
    """Nobody waits for an import when the first connection comes that the compiled lane does not take."""
    engine = Engine(plan(w=Part(source), out=Part(Taken, ["w"])), RunOptions(configure_logs=False))
    decoding = engine.graph.sources["w"].runner.decoding
    assert decoding is not None
    decoder = decoding.hand_over()
    assert isinstance(decoder, Decoder)
    assert (decoder._detect is not None) is at_once


@pytest.mark.parametrize("others", [0, 3])
async def test_a_live_source_is_replaced_in_the_middle_of_its_traffic(tmp_path: Path, others: int) -> None:
    """With a full ring, a request that waits for its answer, and both sources capturing for a moment."""
    record = tmp_path / "a.rec"
    talks = [Talk(flow_key(client_port=40_000 + number)) for number in range(1 + others)]
    engine = Engine(live("0", record), RunOptions(configure_logs=False))
    with anyio.fail_after(20):
        await engine.open()
        async with anyio.create_task_group() as group:
            group.start_soon(engine.run)
            while not engine.ready:  # noqa: ASYNC110
                await anyio.sleep(0.001)
            sent: list[Segment] = []
            for turn in range(5):
                for talk in talks:
                    conversation(talk, turn * 50, turn * 50 + 49)
                    talk.client(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % (turn * 50 + 49))
                segments = _taken(talks, sent)
                half = len(segments) // 2
                Wire.emit(segments[:half])
                Wire.meanwhile = segments[half:]
                await reload(engine, live(str(turn + 1), record))
                for talk in talks:
                    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                Wire.emit(_taken(talks, sent))
            for talk in talks:
                talk.close()
            Wire.emit(_taken(talks, sent))
            while len(Taken.got) < 250 * len(talks):  # noqa: ASYNC110
                await anyio.sleep(0.001)
            engine.stop()
    await engine.aclose()
    by_port = {
        port: [each.url_path for each in Taken.got if each.client_port == port]
        for port in {each.client_port for each in Taken.got}
    }
    assert list(by_port.values()) == [[f"/{number}" for number in range(250)]] * len(talks)
    assert {each.httpipe_marks for each in Taken.got} == {()}
    assert {each.http_response_status_code for each in Taken.got} == {200}
    status = engine.snapshot().of("w")
    assert (status.received, status.difference) == (250 * len(talks), 0)
    assert "unread_at_stop" not in status.counters
    reader = RecordsReader()
    assert [segment for batch in reader.feed(record.read_bytes()) for segment in batch] == sent
    assert os.listdir(tmp_path) == ["a.rec"]  # noqa: PTH208  one system call in a test


def _taken(talks: Sequence[Talk], sent: list[Segment]) -> list[Segment]:
    """What they have said since, in the order of time."""
    segments = sorted((segment for talk in talks for segment in talk.segments), key=lambda segment: segment.ts_ns)
    for talk in talks:
        talk.segments.clear()
    sent += segments
    return segments
