"""What transforms do beside events (``Transform.run``): begun, begun again, and ended with the object it belongs to."""

# ruff: noqa: ARG002  made-up components have the whole interface

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import anyio
import pytest

from pipeline.api import DEFAULT, Context, Event, EventBatch, Outputs, Sink, Source, Transform
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.reload import reload
from pipeline.runtime.units import transform as units
from pipeline.testing.fakes import events, numbers
from pipeline.testing.plans import Part, plan
from pipeline.topology.plan import Plan

pytestmark = pytest.mark.anyio


class Bell(Source):
    """An event for each ring."""

    rings: ClassVar[list[anyio.Semaphore]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """For ever."""
        number = 0
        while True:
            await self.rings[0].acquire()
            yield EventBatch(events(number, number + 1), None)
            number += 1


class Beside(Transform):
    """Counts what happens to its task."""

    log: ClassVar[list[str]] = []
    faults: ClassVar[list[Exception]] = []
    faulty_batches: ClassVar[list[int]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing."""
        self.ready = False

    async def run(self) -> None:
        """Until it is cancelled, or has a fault to raise."""
        self.log.append("begins")
        self.ready = True
        try:
            if self.faults:
                raise self.faults.pop()
            await anyio.sleep_forever()
        finally:
            self.log.append("ends")

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Raise where it should."""
        if self.faulty_batches:
            raise ValueError(self.faulty_batches.pop())
        return {DEFAULT: batch}


class Keep(Sink):
    """Keeps numbers."""

    got: ClassVar[list[int]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep them."""
        self.got.extend(numbers(batch))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what another one did, and none waits a second."""
    Bell.rings[:] = [anyio.Semaphore(0)]
    for each in (Beside.log, Beside.faults, Beside.faulty_batches, Keep.got):
        each.clear()
    monkeypatch.setattr(units, "LOOK_SECS", 0.01)


def of(key: str = "") -> Plan:
    """A pipeline with it."""
    return plan(bell=Part(Bell), beside=Part(Beside, ["bell"], key=key), keep=Part(Keep, ["beside"]))


async def until(condition: Any) -> None:
    """Wait for it."""
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110  any condition
            await anyio.sleep(0.005)


async def test_it_runs_from_the_start_to_the_end() -> None:
    """While events pass."""
    engine = Engine(of(), RunOptions())
    await engine.open()
    async with anyio.create_task_group() as group:
        group.start_soon(engine.run)
        await until(lambda: Beside.log == ["begins"])
        Bell.rings[0].release()
        await until(lambda: Keep.got == [0])
        engine.stop()
    await engine.aclose()
    assert Beside.log == ["begins", "ends"]


async def test_one_that_fails_is_begun_again_and_events_pass() -> None:
    """It is an error that is seen, and no batch is lost for it."""
    Beside.faults[:] = [ValueError("no contact")]
    engine = Engine(of(), RunOptions())
    await engine.open()
    async with anyio.create_task_group() as group:
        group.start_soon(engine.run)
        await until(lambda: Beside.log == ["begins", "ends", "begins"])
        health = engine.graph.transforms["beside"].health
        assert (health.errors, health.error) == (1, "ValueError: no contact")
        Bell.rings[0].release()
        await until(lambda: Keep.got == [0])
        engine.stop()
    await engine.aclose()


async def test_a_transform_that_is_made_again_runs_again() -> None:
    """Its task belongs to the object, not to the place."""
    Beside.faulty_batches[:] = [1]
    engine = Engine(of(), RunOptions())
    await engine.open()
    async with anyio.create_task_group() as group:
        group.start_soon(engine.run)
        await until(lambda: Beside.log == ["begins"])
        Bell.rings[0].release()
        Bell.rings[0].release()
        await until(lambda: Keep.got == [1] and Beside.log == ["begins", "ends", "begins"])
        transform = engine.graph.transforms["beside"].node.transform
        assert isinstance(transform, Beside)
        assert transform.ready
        engine.stop()
    await engine.aclose()


async def test_a_reload_ends_the_old_one() -> None:
    """And begins the new one; one that did not change runs on."""
    engine = Engine(of(), RunOptions())
    await engine.open()
    async with anyio.create_task_group() as group:
        group.start_soon(engine.run)
        await until(lambda: Beside.log == ["begins"])
        await reload(engine, of())
        assert Beside.log == ["begins"]
        await reload(engine, of(key="changed"))
        await until(lambda: sorted(Beside.log) == ["begins", "begins", "ends"])
        engine.stop()
    await engine.aclose()
    assert sorted(Beside.log) == ["begins", "begins", "ends", "ends"]
