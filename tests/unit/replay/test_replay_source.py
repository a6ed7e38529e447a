"""The replay source: recordings of records and JSON lines of events come out as they went in."""

import gzip
from base64 import b64decode
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline.api import Context, Event, EventBatch, Exchange, InputError, Record, RecordBatch
from pipeline.codecs import records as codec
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.zstd import zstd
from pipeline.model.records import Opened, Segment
from pipeline.sources.replay.lines import LinesReader
from pipeline.sources.replay.source import ReplaySource

NOW_NS = 1_700_000_000_000_000_000
BATCHES: list[list[Record]] = [
    [Opened(b"k" * 12, NOW_NS)],
    [Segment(b"k" * 12, NOW_NS + number, number, 0, 24, b"GET", 3) for number in range(300)],
]
EVENTS = [
    Exchange(timestamp_ns=NOW_NS + number * 1_000_000, http_request_method="GET", url_path=f"/{number}", httpipe_marks=("gap",))
    for number in range(2000)
]


def recording() -> bytes:
    """The batches as a recording."""
    return codec.MAGIC + b"".join(map(codec.encode, BATCHES))


def lines() -> bytes:
    """The events as JSON lines."""
    return b"".join(JsonCodec().encode(event) + b"\n" for event in EVENTS)


async def played(path: Path | str, **options: Any) -> tuple[list[list[Record]], list[Event], list[tuple[int, int]], str]:
    """Batches of records, events, progress, and what was reported at the end."""
    progress: list[tuple[int, int]] = []
    context = Context("again", progress=lambda done, total: progress.append((done, total)))
    subject = ReplaySource(ReplaySource.Config(path=str(path), **options), context)
    batches: list[list[Record]] = []
    events: list[Event] = []
    problem = ""
    await subject.open()
    try:
        async for batch in subject.batches():
            if isinstance(batch, RecordBatch):
                batches.append(list(batch.records))
            else:
                assert isinstance(batch, EventBatch)
                events += batch.events
            await subject.acknowledge(batch.position)
    except InputError as error:
        problem = str(error)
    await subject.aclose()
    return batches, events, progress, problem


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
@pytest.mark.anyio
async def test_recordings_and_lines(tmp_path: Path, pack: Any) -> None:
    """Files of both kinds, compressed or not, play in order of name, each as what it is."""
    (tmp_path / "1.rec").write_bytes(pack(recording()))
    (tmp_path / "2.jsonl").write_bytes(pack(lines()))
    batches, events, progress, problem = await played(tmp_path / "*")
    assert not problem
    assert batches == BATCHES
    assert [event.replace(memory_bytes=0) for event in events] == [event.replace(memory_bytes=0) for event in EVENTS]
    total = len(pack(recording())) + len(pack(lines()))
    assert progress[-1] == (total, total)


@pytest.mark.anyio
async def test_bad_lines_are_handed_on_and_the_others_used(tmp_path: Path) -> None:
    """Lines that are not events, and half a line at the end, go to the dead letter with their number, reason and bytes."""
    path = tmp_path / "a.jsonl"
    good = lines().split(b"\n")[:3]
    path.write_bytes(b"\n".join([good[0], b"{oops", b"", good[1], b"[1]", good[2], good[0][:40]]))
    subject = ReplaySource(ReplaySource.Config(path=str(path)), Context("again", now_ns=lambda: NOW_NS))
    await subject.open()
    batches = [batch async for batch in subject.batches()]
    assert all(isinstance(batch, EventBatch) for batch in batches)
    events = [event for batch in batches for event in batch.events]  # type: ignore[union-attr]
    bad = [pair for batch in batches for pair in batch.undecodable]  # type: ignore[union-attr]
    assert [event.url_path for event in events if isinstance(event, Exchange)] == ["/0", "/1", "/2"]
    assert [event.attributes["httpipe.replay.line"] for event, _ in bad] == [2, 5, 7]
    assert [b64decode(str(event.attributes["httpipe.replay.content"])) for event, _ in bad] == [b"{oops", b"[1]", good[0][:40]]
    assert f"{path}, line 2, is not an event: not JSON" in str(bad[0][1])


@pytest.mark.anyio
async def test_any_cut_of_lines_is_the_same() -> None:
    """Reading byte by byte gives what reading at once gives."""
    data = lines()[:3000]
    whole, cut = LinesReader("x", lambda: NOW_NS), LinesReader("x", lambda: NOW_NS)
    expected = [*whole.feed(data)[0], *whole.finish()[0]]
    found = [event for at in range(len(data)) for part in cut.feed(data[at : at + 1]) for event in part]
    found += cut.finish()[0]
    assert found == expected
    assert len(expected) > 5


@pytest.mark.anyio
async def test_a_damaged_recording(tmp_path: Path) -> None:
    """What comes before the damage is played, and the offset is told."""
    path = tmp_path / "a.rec"
    path.write_bytes(recording()[:-5])
    batches, _, _, problem = await played(path)
    assert batches == BATCHES[:1]
    assert f"at byte {len(codec.MAGIC) + len(codec.encode(BATCHES[0]))}" in problem


@pytest.mark.anyio
async def test_damaged_compression(tmp_path: Path) -> None:
    """A compressed file that ends early says so."""
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(lines())[:-20])
    _, events, _, problem = await played(path)
    assert events
    assert "gzip data ends too early" in problem


@pytest.mark.anyio
async def test_realtime(tmp_path: Path) -> None:
    """Events keep their pauses."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines().split(b"\n")[:50]))
    begin = anyio.current_time()
    _, events, _, problem = await played(path, speed="realtime")
    assert (len(events), problem) == (50, "")
    assert anyio.current_time() - begin >= 0.038


@pytest.mark.anyio
async def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is known before anything starts."""
    with pytest.raises(InputError, match="No such file"):
        await played(tmp_path / "none.rec")
