"""Ready means: sources are read, and every required sink has been opened once."""
# ruff: noqa: ARG002  made-up components have the whole interface

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import anyio
import anyio.lowlevel
import pytest
from anyio.to_thread import run_sync

from pipeline.api import Context, Event, EventBatch, NotConnected, Sink, Source
from pipeline.config.options import HealthcheckOptions, RetryOptions, SinkOptions
from pipeline.runtime.control.service import ControlService
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.telemetry.exposition import Exposition
from pipeline.testing.fakes import events
from pipeline.testing.plans import Part, plan

pytestmark = pytest.mark.anyio


async def nothing_to_reload() -> Sequence[str]:
    """For an engine that came from no file."""
    return ()


RETRY = RetryOptions(initial_backoff_secs=0.001, max_backoff_secs=0.002)


class Silent(Source):
    """Brings nothing, and does not end."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Nothing."""
        await anyio.sleep_forever()
        yield EventBatch(())


class Talks(Silent):
    """Brings an event now and then."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """For ever."""
        while True:
            yield EventBatch(events(0, 1))
            await anyio.sleep(0.001)


class Locked(Sink):
    """Cannot be opened, or is not healthy, until it is unlocked."""

    open_now: ClassVar[bool] = False
    healthy_now: ClassVar[bool] = True
    writes: ClassVar[int] = 0

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def open(self) -> None:
        """Raises while locked."""
        if not self.open_now:
            raise NotConnected("the door is locked")

    async def healthcheck(self) -> None:
        """Raises while ill."""
        if not self.healthy_now:
            raise NotConnected("the door is open, but nobody is there")

    async def write(self, batch: Sequence[Event]) -> None:
        """Count."""
        type(self).writes += 1


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the class keeps belongs to one test."""
    for name, value in (("open_now", False), ("healthy_now", True), ("writes", 0)):
        monkeypatch.setattr(Locked, name, value)


class Watched:
    """A running engine, and what it told."""

    def __init__(self, source: type[Source], options: SinkOptions) -> None:
        self.ready = anyio.Event()
        self.waiting: list[Sequence[str]] = []
        told = RunOptions(configure_logs=False, on_ready=self.ready.set, on_waiting=self.waiting.append)
        self.engine = Engine(plan(s=Part(source), out=Part(Locked, ["s"], options=options)), told)
        self._exposition = Exposition("127.0.0.1:0", "1", ControlService(self.engine, nothing_to_reload))

    async def __aenter__(self) -> Self:
        await self.engine.open()
        self._exposition.start()
        self._group = await anyio.create_task_group().__aenter__()
        self._group.start_soon(self.engine.run)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.engine.stop_now()
        await self._group.__aexit__(*failure)
        await self.engine.aclose()
        await run_sync(self._exposition.close)

    def why_not_ready(self) -> str:
        """What /ready says; empty where it says 200."""
        return self._exposition._why_not_ready()

    async def tried(self) -> None:
        """Until an attempt to open has failed."""
        while not self.engine.snapshot().of("out").error:  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.001)


async def test_a_required_sink_that_cannot_be_opened_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Not ready, and it says which sink and why; ready as soon as it opens, although no event has come."""
    with anyio.fail_after(10):
        async with Watched(Silent, SinkOptions(retry=RETRY)) as watched:
            await watched.tried()
            assert not watched.engine.ready
            assert watched.waiting == [("out",)]
            assert watched.why_not_ready() == "not opened yet: out: NotConnected: the door is locked"
            assert "not ready; events are queued meanwhile" in caplog.text
            Locked.open_now = True
            await watched.ready.wait()
            assert watched.why_not_ready() == ""
            assert watched.engine.snapshot().of("out").state == "ok"


async def test_one_whose_check_fails_is_not_open_either() -> None:
    """Its healthcheck belongs to the opening at the start, unless it is switched off."""
    Locked.open_now, Locked.healthy_now = True, False
    with anyio.fail_after(10):
        async with Watched(Silent, SinkOptions(retry=RETRY)) as watched:
            await watched.tried()
            assert watched.why_not_ready() == "not opened yet: out: NotConnected: the door is open, but nobody is there"
            Locked.healthy_now = True
            await watched.ready.wait()
        Locked.healthy_now = False
        async with Watched(Silent, SinkOptions(healthcheck=HealthcheckOptions(enabled=False))) as watched:
            await watched.ready.wait()


async def test_the_first_write_opens_it_too() -> None:
    """Events that wait are an attempt of their own; what was delivered was opened."""
    with anyio.fail_after(10):
        async with Watched(Talks, SinkOptions(retry=RETRY)) as watched:
            await watched.tried()
            Locked.open_now = True
            await watched.ready.wait()
            while not Locked.writes:  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.001)


async def test_a_sink_is_never_opened_while_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that fails while a write waits to open it: it is closed in between."""
    open_now, wrong, checks, talk = [False], [], [0], anyio.Event()

    class Prompted(Silent):
        async def batches(self) -> AsyncIterator[EventBatch]:
            await talk.wait()
            yield EventBatch(events(0, 1))
            await anyio.sleep_forever()

    async def opens(_sink: Locked) -> None:
        wrong.extend(["opened twice"] if open_now[0] else [])
        open_now[0] = True

    async def checked(_sink: Locked) -> None:
        checks[0] += 1
        if checks[0] == 2:  # the writers are there by now, and have something to write
            talk.set()
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        if checks[0] <= 2:
            raise NotConnected("not yet")

    async def closed(_sink: Locked) -> None:
        await anyio.lowlevel.checkpoint()
        open_now[0] = False

    for name, method in (("open", opens), ("healthcheck", checked), ("aclose", closed)):
        monkeypatch.setattr(Locked, name, method)
    with anyio.fail_after(10):
        async with Watched(Prompted, SinkOptions(retry=RETRY)) as watched:
            await watched.ready.wait()
            while not Locked.writes:  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.001)
    assert not wrong


async def test_a_sink_that_is_not_required_is_not_waited_for() -> None:
    """Ready without it; it is still degraded, and opened when it can be."""
    with anyio.fail_after(10):
        async with Watched(Silent, SinkOptions(required=False, retry=RETRY)) as watched:
            await watched.ready.wait()
            await watched.tried()
            assert watched.waiting == []
            assert watched.why_not_ready() == ""
            Locked.open_now = True
            while watched.engine.snapshot().of("out").state != "ok":  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.001)


async def test_it_ends_at_once_while_it_waits() -> None:
    """A stop does not wait for the next attempt."""
    with anyio.fail_after(10):
        async with Watched(Silent, SinkOptions(retry=RetryOptions(initial_backoff_secs=3600, max_backoff_secs=3600))) as watched:
            await watched.tried()
            watched.engine.stop()


async def test_a_file_sink_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The case of a service without its log folder: the real sink is not opened either."""
    from pipeline.sinks.file.sink import FileConfig, FileSink  # noqa: PLC0415  only here

    (tmp_path / "log").write_text("a file where a folder should be")
    sink = Part(FileSink, ["s"], FileConfig(path=f"{tmp_path}/log/out.jsonl"), options=SinkOptions(retry=RETRY))
    engine = Engine(plan(s=Part(Silent), out=sink), RunOptions(configure_logs=False))
    with anyio.fail_after(10):
        await engine.open()
        async with anyio.create_task_group() as group:
            group.start_soon(engine.run)
            while not engine.snapshot().of("out").error:  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.001)
            assert not engine.ready
            (tmp_path / "log").unlink()
            while not engine.ready:  # noqa: ASYNC110  nobody tells
                await anyio.sleep(0.001)
            engine.stop()
        await engine.aclose()
