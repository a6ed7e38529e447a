"""The stdout sink on real pipes, files and pseudo-terminals."""

import json
import os
import resource
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from pydantic import ValidationError

from pipeline.api import Context, Event, Exchange, NotConnected
from pipeline.errors import Finished
from pipeline.sinks.stdout import sink as stdout
from pipeline.sinks.stdout.sink import StdoutConfig, StdoutSink
from tests.unit.packets.test_taker import SECOND, exchange, kept, talk

pytestmark = pytest.mark.anyio

BIG = 4 << 16
"""More than a pipe takes at once."""


def batch(count: int, size: int = 10, name: str = "a") -> list[Event]:
    """Exchanges whose JSON lines are a little longer than ``size``."""
    return [Exchange(timestamp_ns=0, url_path=name * size, httpipe_sequence=number) for number in range(count)]


def lines(events: list[Event]) -> bytes:
    """What the sink should print."""
    return b"".join(
        b'{"event.name":"http.exchange","timestamp":"1970-01-01T00:00:00.000000000Z","url.path":"%b","httpipe.sequence":%d}\n'
        % (event.url_path.encode(), event.httpipe_sequence)
        for event in events
        if isinstance(event, Exchange) and event.url_path is not None and event.httpipe_sequence is not None
    )


class Pipe:
    """A pipe in place of standard output."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def read_exactly(self, size: int) -> bytes:
        """Block until so many bytes have come; fail rather than wait for ever."""
        data, patience = b"", select.poll()
        patience.register(self.reader, select.POLLIN)
        while len(data) < size:
            if not patience.poll(10_000):
                os.close(self.reader)  # whoever still writes is set free
                self.reader = -1
                raise TimeoutError(f"only {len(data)} of {size} bytes came")
            data += os.read(self.reader, size - len(data))
        return data

    def close(self) -> None:
        """Both ends."""
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)

    def close_reader(self) -> None:
        """As ``head`` does when it has seen enough."""
        os.close(self.reader)
        self.reader = -1


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """Sinks made in the test print into it."""
    made = Pipe()
    monkeypatch.setattr(stdout, "_STDOUT", made.writer)
    yield made
    made.close()


def make(**options: Any) -> StdoutSink:
    """A sink as the engine makes it."""
    return StdoutSink(StdoutConfig(**{"format": "json", **options}), Context("out"))


async def test_prints_json_lines(pipe: Pipe) -> None:
    """One line an event, and nothing else."""
    sink = make()
    await sink.open()
    await sink.write(batch(3))
    await sink.write(batch(2))
    await sink.aclose()
    assert pipe.read_exactly(len(lines(batch(5)))) == lines(batch(3)) + lines(batch(2))


async def test_a_slow_reader_never_stops_the_loop(pipe: Pipe) -> None:
    """While a batch waits for the reader, other tasks run; then all of it arrives."""
    sink, events = make(), batch(4, BIG)
    beats = 0
    async with anyio.create_task_group() as group:
        group.start_soon(sink.write, events)
        while beats < 50:
            await anyio.lowlevel.checkpoint()
            beats += 1
        data = await anyio.to_thread.run_sync(pipe.read_exactly, len(lines(events)))
    assert data == lines(events)
    await sink.aclose()


@pytest.mark.parametrize("again", [True, False])
async def test_a_cancelled_batch_is_printed_once_and_whole(pipe: Pipe, *, again: bool) -> None:
    """After a time-out the same batch goes on where it stopped; another batch comes behind the whole of it."""
    sink, first, second = make(), batch(3, BIG, "x"), batch(2, 5, "y")
    with anyio.move_on_after(0.02) as scope:
        await sink.write(first)
    assert scope.cancelled_caught
    await sink.aclose()
    await sink.open()
    expected = lines(first) + (b"" if again else lines(second))
    async with anyio.create_task_group() as group:
        group.start_soon(sink.write, list(first) if again else second)
        assert await anyio.to_thread.run_sync(pipe.read_exactly, len(expected)) == expected
    await sink.write(batch(1))
    assert pipe.read_exactly(len(lines(batch(1)))) == lines(batch(1))
    await sink.aclose()


async def test_two_sinks_print_whole_batches(pipe: Pipe) -> None:
    """Two sinks on one standard output never mix their lines."""
    one, two = batch(3, BIG, "1"), batch(3, BIG, "2")
    sinks = make(), make()
    async with anyio.create_task_group() as group:
        group.start_soon(sinks[0].write, one)
        group.start_soon(sinks[1].write, two)
        data = await anyio.to_thread.run_sync(pipe.read_exactly, len(lines(one) + lines(two)))
    assert data in (lines(one) + lines(two), lines(two) + lines(one))
    for sink in sinks:
        await sink.aclose()


async def test_many_writes_at_once_stay_whole(pipe: Pipe) -> None:
    """With ``max_in_flight`` above one batches still come one after the other, each whole."""
    sink, batches = make(), [batch(2, BIG, name) for name in "abc"]
    async with anyio.create_task_group() as group:
        for each in batches:
            group.start_soon(sink.write, each)
        data = await anyio.to_thread.run_sync(pipe.read_exactly, sum(len(lines(each)) for each in batches))
    assert data == b"".join(lines(each) for each in batches)
    await sink.aclose()


async def test_a_reader_that_is_gone_ends_it_quietly(pipe: Pipe) -> None:
    """``| head`` is a wish, not a failure; also when the reader goes in the middle of a batch."""
    sink = make()
    async with anyio.create_task_group() as group:
        group.start_soon(_close_after, pipe, 1000)
        with pytest.raises(Finished):
            await sink.write(batch(3, BIG))
    with pytest.raises(Finished):
        await sink.write(batch(1))
    await sink.aclose()


async def _close_after(pipe: Pipe, size: int) -> None:
    await anyio.to_thread.run_sync(pipe.read_exactly, size)
    pipe.close_reader()


async def test_a_terminal_that_was_hung_up_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window was closed, the ssh session died."""
    controller, program = os.openpty()
    monkeypatch.setattr(stdout, "_STDOUT", program)
    os.close(controller)
    sink = make()
    with pytest.raises(Finished):
        await sink.write(batch(1))
    await sink.aclose()
    os.close(program)


async def test_a_closed_standard_output_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started with ``>&-`` descriptor 1 is somebody else's: nothing is written to it."""
    monkeypatch.setattr(sys, "__stdout__", None)
    with pytest.raises(Finished):
        await make().open()


async def test_a_full_disk_behind_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine hears why; when there is room again the batch goes on where it stopped, and no byte is there twice."""
    target = tmp_path / "redirected"
    fd = os.open(target, os.O_WRONLY | os.O_CREAT)
    monkeypatch.setattr(stdout, "_STDOUT", fd)
    sink, events = make(), batch(50, 1000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(NotConnected, match="standard output: File too large"):
            await sink.write(events)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.stat().st_size == 10_000
    await sink.aclose()
    await sink.open()
    await sink.write(events)
    await sink.aclose()
    os.close(fd)
    assert target.read_bytes() == lines(events)


async def test_dev_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """``> /dev/full`` is the classic test of every program that prints."""
    fd = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(stdout, "_STDOUT", fd)
    sink = make()
    with pytest.raises(NotConnected, match="standard output: No space left on device"):
        await sink.write(batch(1))
    await sink.aclose()
    os.close(fd)


STUCK = """
import anyio
from pipeline.api import Context, Exchange
from pipeline.sinks.stdout.sink import StdoutConfig, StdoutSink
from tests.unit.packets.test_taker import SECOND, exchange, kept, talk

async def main():
    sink = StdoutSink(StdoutConfig(format="json"), Context("out"))
    await sink.open()
    with anyio.move_on_after(0.05):
        await sink.write([Exchange(timestamp_ns=0, url_path="x" * 1_000_000)])
    await sink.aclose()

anyio.run(main)
"""


def test_a_stuck_terminal_does_not_hold_up_the_end() -> None:
    """A process whose reader has stopped reading ends all the same."""
    reader, writer = os.pipe()
    try:
        assert subprocess.run([sys.executable, "-c", STUCK], stdout=writer, timeout=20, check=False).returncode == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_a_run_without_standard_output_ends_well(tmp_path: Path) -> None:
    """``httpipe run … >&-`` is no internal error, and nothing is printed into whatever became descriptor 1."""
    recording, pipeline = tmp_path / "exchanges.jsonl", tmp_path / "pipeline.toml"
    recording.write_bytes(lines(batch(3)))
    pipeline.write_text(f'[sources.r]\ntype = "replay"\npath = "{recording}"\n[sinks.out]\ntype = "stdout"\ninputs = ["r"]\n')
    command = f"exec {sys.executable} -c 'from pipeline.cli.main import main; main()' run {pipeline} >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert (done.returncode, "internal error" in done.stderr) == (0, False), done.stderr
    assert "sink_finished" in done.stderr
    assert recording.read_bytes() == lines(batch(3))


async def test_only_raw_wants_heads() -> None:
    """Sources keep heads only where they are shown."""
    assert StdoutSink.wants_heads(StdoutConfig(format="raw"))
    assert not StdoutSink.wants_heads(StdoutConfig(format="line"))
    assert StdoutSink(StdoutConfig(format="raw"), Context("x")).needs_heads


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"format": "xml"}, "format"),
        ({"format": "line", "show_secrets": True}, r'show_secrets\n.*has no effect without format = "raw" or "har"; set that'),
        ({"format": "raw", "encoding": {"codec": "ecs"}}, r'encoding\n.*has no effect without format = "json"; set that'),
        ({"encoding": {"codec": "avro"}}, "codec"),
    ],
)
async def test_bad_options_are_refused(options: dict[str, Any], text: str) -> None:
    """Options that have no effect are errors, with a remedy."""
    with pytest.raises(ValidationError, match=text):
        StdoutConfig.model_validate(options)


async def test_threads_end_with_their_sinks(pipe: Pipe) -> None:
    """Closing a sink, twice or unopened too, leaves no thread behind."""
    sink, before = make(), threading.enumerate()
    await sink.aclose()
    await sink.write(batch(1))
    printers = [thread for thread in threading.enumerate() if thread.name == "stdout" and thread not in before]
    assert len(printers) == 1
    await sink.aclose()
    await sink.aclose()
    for thread in printers:
        await anyio.to_thread.run_sync(thread.join, 10)
        assert not thread.is_alive()
    assert json.loads(pipe.read_exactly(len(lines(batch(1)))))


async def test_packets_are_looked_for_beside_the_loop(pipe: Pipe) -> None:
    """Both those of a batch and the rest at the end, which may be all that is kept."""
    counts: list[tuple[str, int, int]] = []

    def count(name: str, by: int) -> None:
        counts.append((name, by, threading.get_ident()))

    context = Context("out", packets=kept(talk(1, 0)), count=count)
    sink = StdoutSink(StdoutConfig(format="pcapng"), context)
    await sink.open()
    await sink.write([exchange(1, SECOND)])
    await sink.aclose()
    assert [(name, by) for name, by, _ in counts] == [("packets", 5), ("connections", 1), ("packets", 1)]
    assert pipe.read_exactly(4) == b"\n\r\r\n"
    assert threading.get_ident() not in {thread for _, _, thread in counts}
