"""A component that awaits something which others cancelled has a fault of its own; the run, and its own task, go on."""
# ruff: noqa: ARG002  made-up components have the whole interface

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import anyio
import pytest

from pipeline.api import Context, Event, EventBatch, Sink, Source
from pipeline.cancellation import ForeignCancellation, guarded
from pipeline.delivery.health import Health
from pipeline.delivery.session import timed
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.runtime.summary import Outcome, Summary
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import events, numbers
from pipeline.testing.plans import Part, plan

pytestmark = pytest.mark.anyio

COUNT, STEP = 200, 20


async def library_task() -> None:
    """Await a task that its owner has cancelled."""
    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    await task


async def library_future() -> None:
    """Await a future that its owner cancels while we wait."""
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


async def own_task() -> None:
    """Cancel the task of the engine that runs us."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


WAYS = [library_task, library_future, own_task]


class Faulty:
    """Does it once, at the place where ``at`` says."""

    at: ClassVar[str] = ""
    way: ClassVar[Any] = None
    done: ClassVar[list[str]] = []

    async def maybe(self, place: str) -> None:
        """Once a test."""
        if place == self.at and not self.done:
            self.done.append(place)
            await type(self).way()


class Numbers(Faulty, Source):
    """Numbered events, again from the first one when it is built anew. ``acknowledge`` makes it a source that wants to know."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def open(self) -> None:
        """Maybe."""
        await self.maybe("open")

    async def batches(self) -> AsyncIterator[EventBatch]:
        """All, or half of them and then the fault."""
        for at in range(0, COUNT, STEP):
            if at == COUNT // 2:
                await self.maybe("batches")
                if self.at == "open" and not self.done:
                    raise OSError("so that it is opened again")
            yield EventBatch(events(at, at + STEP), at)

    async def acknowledge(self, position: object) -> None:
        """Maybe."""
        await self.maybe("acknowledge")

    async def aclose(self) -> None:
        """Maybe."""
        await self.maybe("aclose")


class Keeps(Faulty, Sink):
    """Keeps what it is given."""

    got: ClassVar[list[int]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def open(self) -> None:
        """Maybe."""
        await self.maybe("sink open")

    async def healthcheck(self) -> None:
        """Maybe."""
        await self.maybe("sink healthcheck")

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep."""
        await self.maybe("sink write")
        self.got += numbers(batch)

    async def aclose(self) -> None:
        """Maybe."""
        await self.maybe("sink aclose")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the classes keep belongs to one test."""
    monkeypatch.setattr(Faulty, "done", [])
    monkeypatch.setattr(Keeps, "got", [])


async def carried() -> Summary:
    """A run of the two."""
    options = RunOptions(handle_signals=False, configure_logs=False)
    with anyio.fail_after(20):
        return await run(plan(orders=Part(Numbers), kept=Part(Keeps, ["orders"])), options=options)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "place", ["batches", "acknowledge", "aclose", "sink open", "sink healthcheck", "sink write", "sink aclose"]
)
async def test_it_is_that_components_fault(place: str, way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it happens: every event arrives, the run ends well with its summary, and the component says what happened."""
    monkeypatch.setattr(Faulty, "at", place)
    monkeypatch.setattr(Faulty, "way", way)
    summary = await carried()
    assert Faulty.done == [place]
    assert set(Keeps.got) == set(range(COUNT))
    assert summary.outcome is Outcome.OK
    assert all(component.difference == 0 for component in summary.components)
    faulty = next(each for each in summary.components if each.id == ("kept" if place.startswith("sink") else "orders"))
    assert faulty.errors == 1
    assert faulty.error.startswith("ForeignCancellation: ")


@pytest.mark.parametrize("way", WAYS)
async def test_opening_again_is_tried_again(way: Any) -> None:
    """A source whose opening fails so while it is restarted is opened once more."""
    opened: list[int] = []

    class Reopened(Numbers):
        async def open(self) -> None:
            opened.append(1)
            if len(opened) == 2:
                await way()

        async def batches(self) -> AsyncIterator[EventBatch]:
            if len(opened) == 1:
                raise OSError("so that it is opened again")
            yield EventBatch(events(0, COUNT), 0)

    with anyio.fail_after(20):
        options = RunOptions(handle_signals=False, configure_logs=False)
        summary = await run(plan(orders=Part(Reopened), kept=Part(Keeps, ["orders"])), options=options)
    assert summary.outcome is Outcome.OK
    assert set(Keeps.got) == set(range(COUNT))


@pytest.mark.parametrize("way", WAYS[:2])
async def test_ours_passes_through_theirs_does_not(way: Any) -> None:
    """A scope's cancellation leaves as such, also behind a shield that theirs was met under."""

    def clocked(work: Any) -> Any:
        return timed(work, Health(ComponentLog("")))

    for through in (guarded, clocked):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await through(anyio.sleep_forever())
        assert scope.cancelled_caught
        with anyio.CancelScope() as outer:
            outer.cancel()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True), pytest.raises(ForeignCancellation):
                    await through(way())
        with anyio.move_on_after(0.01) as late:
            await through(anyio.sleep_forever())
        assert late.cancelled_caught


async def test_a_task_of_its_own_is_cancelled_by_its_owner() -> None:
    """Outside of task groups ``Task.cancel`` is how one is stopped."""
    task = asyncio.create_task(guarded(asyncio.sleep(3600)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
