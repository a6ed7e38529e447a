"""The pcap source: files, globs, pipes, both speeds, and what it says when something is wrong."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from pcap_packets import TS_NS, classic, ethernet, ipv4, tcp
from pydantic import ValidationError

from pipeline.api import Context, InputError, RecordBatch, Segment
from pipeline.sources.pcap.source import PcapSource

SECOND_NS = 1_000_000_000


def frame(number: int) -> bytes:
    """A packet that tells its number by its sequence number."""
    return ethernet(ipv4(tcp(seq=number)))


def source(path: Path | str, **options: Any) -> tuple[PcapSource, dict[str, int], list[tuple[int, int]]]:
    """A source, its counters and the progress it reported."""
    counts: dict[str, int] = {}
    progress: list[tuple[int, int]] = []
    context = Context(
        "capture",
        count=lambda name, by: counts.update({name: counts.get(name, 0) + by}),
        progress=lambda done, total: progress.append((done, total)),
    )
    return PcapSource(PcapSource.Config(path=str(path), **options), context), counts, progress


def numbers_of(batch: RecordBatch) -> list[int]:
    """The sequence numbers of a batch of segments."""
    return [record.seq for record in batch.records if isinstance(record, Segment)]


def open_files() -> int:
    """How many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def played(subject: PcapSource) -> list[int]:
    """The sequence numbers of all segments."""
    numbers: list[int] = []
    await subject.open()
    try:
        async for batch in subject.batches():
            assert isinstance(batch, RecordBatch)
            numbers += numbers_of(batch)
            await subject.acknowledge(batch.position)
    finally:
        await subject.aclose()
    return numbers


@pytest.mark.anyio
async def test_file(tmp_path: Path) -> None:
    """A file longer than one read comes out whole and in order, with progress to its end and a count of its packets."""
    path = tmp_path / "a.pcap"
    path.write_bytes(classic([frame(number) for number in range(5000)]))
    subject, counts, progress = source(path)
    assert await played(subject) == list(range(5000))
    assert counts == {"packets": 5000}
    assert progress[-1] == (path.stat().st_size, path.stat().st_size)
    assert progress == sorted(progress)


@pytest.mark.anyio
async def test_file_that_is_not_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page cache does not hold is read by a thread and is the same."""
    path = tmp_path / "a.pcap"
    path.write_bytes(classic([frame(number) for number in range(5000)]))

    def absent(*_: object) -> int:
        raise BlockingIOError(11, "not in memory")

    monkeypatch.setattr(os, "preadv", absent)
    assert await played(source(path)[0]) == list(range(5000))


@pytest.mark.anyio
async def test_stopping_in_the_middle(tmp_path: Path) -> None:
    """A source that is closed while it is read leaves no file open, and may be closed again or unopened."""
    path = tmp_path / "a.pcap"
    path.write_bytes(classic([frame(number) for number in range(5000)]))
    before = open_files()
    subject, _, _ = source(path)
    await subject.aclose()
    await subject.open()
    batches = subject.batches()
    await anext(batches)
    assert open_files() == before + 1
    await subject.aclose()
    await subject.aclose()
    assert open_files() == before


@pytest.mark.anyio
async def test_glob_in_order_of_time(tmp_path: Path) -> None:
    """Files of a ring come in order of their packets, not of their names; empty ones are passed over."""
    (tmp_path / "a.pcap").write_bytes(classic([frame(3), frame(4)], start_ns=TS_NS + SECOND_NS))
    (tmp_path / "b.pcap").write_bytes(classic([frame(1), frame(2)]))
    (tmp_path / "c.pcap").write_bytes(classic([]))
    (tmp_path / "d.pcap").write_bytes(b"")
    assert await played(source(tmp_path / "*.pcap")[0]) == [1, 2, 3, 4]


@pytest.mark.anyio
async def test_overlapping_files_are_merged(tmp_path: Path) -> None:
    """Captures of the same time, one for each direction, come merged by time."""
    (tmp_path / "a.pcap").write_bytes(classic([frame(2 * number) for number in range(1000)]))
    (tmp_path / "b.pcap").write_bytes(classic([frame(2 * number + 1) for number in range(1000)], start_ns=TS_NS + 500_000))
    (tmp_path / "c.pcap").write_bytes(classic([frame(9999)], start_ns=TS_NS + 9 * SECOND_NS))
    assert await played(source(tmp_path / "*.pcap")[0]) == [*range(2000), 9999]


@pytest.mark.anyio
async def test_one_damaged_file_of_several(tmp_path: Path) -> None:
    """The others are read to their ends, and then the damage is reported."""
    (tmp_path / "a.pcap").write_bytes(classic([frame(1), frame(2)]) + b"\xff" * 50)
    (tmp_path / "b.pcap").write_bytes(classic([frame(3)], start_ns=TS_NS + SECOND_NS))
    subject, _, _ = source(tmp_path / "*.pcap")
    await subject.open()
    numbers: list[int] = []
    with pytest.raises(InputError, match=r"a\.pcap: a packet that claims 4294967295 captured bytes.* at byte 218"):  # noqa: PT012  what comes before counts
        async for batch in subject.batches():
            numbers += numbers_of(batch)
    assert numbers == [1, 2, 3]


@pytest.mark.anyio
async def test_named_pipe_is_prompt(tmp_path: Path) -> None:
    """What a writer has written comes out before it writes more, and half a packet waits for its other half."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = classic([frame(1), frame(2)])
    go_on = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(data[:130])
            assert go_on.wait(10)
            pipe.write(data[130:])

    writer = threading.Thread(target=write)
    subject, _, _ = source(path)
    await subject.open()
    writer.start()
    numbers = []
    with anyio.fail_after(10):
        async for batch in subject.batches():
            numbers += numbers_of(batch)
            if numbers == [1]:
                go_on.set()
    writer.join()
    assert numbers == [1, 2]


PLAY = """
import anyio
from pipeline.api import Context
from pipeline.sources.pcap.source import PcapSource
async def main():
    source = PcapSource(PcapSource.Config(path="-"), Context("capture"))
    await source.open()
    async for batch in source.batches():
        for segment in batch.records:
            print(segment.seq, flush=True)
anyio.run(main)
"""


def test_standard_input_pipe_and_file(tmp_path: Path) -> None:
    """`"-"` reads a pipe and a redirected file."""
    data = classic([frame(1), frame(2)])
    piped = subprocess.run([sys.executable, "-c", PLAY], input=data, capture_output=True, timeout=20, check=True)
    assert piped.stdout == b"1\n2\n"
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    with path.open("rb") as file:
        redirected = subprocess.run([sys.executable, "-c", PLAY], stdin=file, capture_output=True, timeout=20, check=True)
    assert redirected.stdout == b"1\n2\n"


@pytest.mark.anyio
async def test_a_terminal_is_no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal `"-"` says what to type instead."""
    monkeypatch.setattr(os, "isatty", lambda _fd: True)
    with pytest.raises(InputError, match="tcpdump -U -w -"):
        await source("-")[0].open()


@pytest.mark.anyio
async def test_realtime_keeps_pauses(tmp_path: Path) -> None:
    """In real time a batch never holds what is due later than its first packet by more than the tolerance."""
    path = tmp_path / "a.pcap"
    path.write_bytes(classic([frame(number) for number in range(60)]))
    subject, _, _ = source(path, speed="realtime")
    await subject.open()
    begin = anyio.current_time()
    ends: list[tuple[int, float]] = []
    async for batch in subject.batches():
        ends += [(batch.records[-1].ts_ns - TS_NS, anyio.current_time() - begin)] if batch.records else []
    assert len(ends) > 2
    assert all(elapsed * 1e9 >= due_ns - 11_000_000 for due_ns, elapsed in ends)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.pcap", None, "cannot read .*missing.pcap: No such file"),
        ("*.pcap", None, r"no file matches path = .*\*\.pcap"),
        ("text.pcap", b"these are no packets, only words", "text.pcap: not a capture file: it begins with b'thes'"),
        ("wlan.pcap", classic([frame(1)], link=147), "link type 147 is not one that httpipe reads"),
        ("empty.pcap", b"", "empty.pcap: empty"),
        (".", None, "is a directory"),
    ],
)
@pytest.mark.anyio
async def test_what_cannot_be_read_is_known_before_the_start(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    """Opening names the file and what is wrong with it."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        await source(tmp_path / name)[0].open()


@pytest.mark.parametrize("options", [{"path": ""}, {"path": "x", "speed": "fast"}, {"path": "x", "sped": "max"}])
def test_bad_options(options: dict[str, str]) -> None:
    """Options that mean nothing are refused."""
    with pytest.raises(ValidationError):
        PcapSource.Config(**options)
