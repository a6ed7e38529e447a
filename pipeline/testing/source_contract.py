"""What every source must do. One line in a test file runs all of it.

::

    TestMySource = source_contract(lambda folder: MySource(MyConfig(path=f"{folder}/in"), Context("my")), prepare=write_input)

``make`` gets an empty folder and gives a source that is not open. ``prepare`` gets the folder first, to put something there
to read. The contract reads at most ``batches`` batches, so the source may be endless; something must come within ten seconds.
"""
# ruff: noqa: S101  a contract is a test

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import Emits, Event, EventBatch, RecordBatch, Source
from pipeline.delivery.session import CLOSE_SECS
from pipeline.model.records import Record
from pipeline.testing.contract import DEADLINE_SECS, cancelled_at

MAX_AWAITS = 300
"""More waits than a short life of a source has."""

Make = Callable[[Path], Source]
Prepare = Callable[[Path], object]


def source_contract(make: Make, *, prepare: Prepare = lambda _folder: None, batches: int = 3) -> type["SourceContract"]:
    """A test class for pytest. Give it a name that begins with ``Test``."""
    body = {"make": staticmethod(make), "prepare": staticmethod(prepare), "batches": batches}
    return type("TestSource", (SourceContract,), body)


class SourceContract:
    """The contract; ``source_contract`` fills in what is tested."""

    make: Make
    prepare: Prepare
    batches: int

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """httpipe runs on asyncio only."""
        return "asyncio"

    async def test_closes_unopened_and_twice(self, tmp_path: Path) -> None:
        """Open and close come in every order."""
        type(self).prepare(tmp_path)
        source = type(self).make(tmp_path)
        with anyio.fail_after(DEADLINE_SECS):
            await source.aclose()
            await source.aclose()
            opened = type(self).make(tmp_path)
            await opened.open()
            await opened.aclose()
            await opened.aclose()

    async def test_gives_batches_of_what_it_says(self, tmp_path: Path) -> None:
        """Records or events, in batches of their kind; positions come back in order and in steps."""
        type(self).prepare(tmp_path)
        source = type(self).make(tmp_path)
        with anyio.fail_after(DEADLINE_SECS):
            await source.open()
            for batch in await _some(source, self.batches):
                match batch:
                    case RecordBatch():
                        assert source.emits is not Emits.EVENTS
                        assert all(isinstance(each, Record) for each in batch.records)
                    case EventBatch():
                        assert source.emits is not Emits.RECORDS
                        assert all(isinstance(each, Event) for each in batch.events)
                await source.acknowledge(batch.position)
            await source.aclose()

    async def test_closes_within_the_deadline_while_it_reads(self, tmp_path: Path) -> None:
        """Whatever it is waiting for."""
        type(self).prepare(tmp_path)
        source = type(self).make(tmp_path)
        await source.open()
        await _some(source, 1)
        with anyio.fail_after(CLOSE_SECS):
            await source.aclose()

    async def test_stop_ends_its_input(self, tmp_path: Path) -> None:
        """Where it says that it can: before anything was read, while it reads, and twice."""
        type(self).prepare(tmp_path)
        source = type(self).make(tmp_path)
        if type(source).stop is Source.stop:
            return
        with anyio.fail_after(CLOSE_SECS):
            await source.stop()
            await source.aclose()
        source = type(self).make(tmp_path)
        with anyio.fail_after(DEADLINE_SECS):
            await source.open()
        with anyio.fail_after(CLOSE_SECS):
            async with anyio.create_task_group() as reading:
                reading.start_soon(_read_to_the_end, source)
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
                await source.stop()
                await source.stop()
        await source.aclose()

    async def test_a_second_one_can_follow(self, tmp_path: Path) -> None:
        """After a fault the engine makes a new one: the first must have let go of everything."""
        type(self).prepare(tmp_path)
        for _ in range(2):
            source = type(self).make(tmp_path)
            with anyio.fail_after(DEADLINE_SECS):
                await source.open()
                assert await _some(source, 1)
                await source.aclose()

    async def test_survives_cancellation_at_every_await(self, tmp_path: Path) -> None:
        """Wherever it is cancelled it closes."""
        type(self).prepare(tmp_path)
        for step in range(MAX_AWAITS):
            source = type(self).make(tmp_path)
            cancelled = await cancelled_at(step, lambda source=source: _life(source))  # type: ignore[misc]
            with anyio.fail_after(CLOSE_SECS):
                await source.aclose()
            if not cancelled:
                return
        pytest.fail(f"a short life has more than {MAX_AWAITS} awaits")


async def _life(source: Source) -> None:
    await source.open()
    await _some(source, 1)
    await source.aclose()


async def _read_to_the_end(source: Source) -> None:
    async for _batch in source.batches():
        pass


async def _some(source: Source, count: int) -> list[RecordBatch | EventBatch]:
    """The first batches, as far as there are so many; the iterator is closed as the engine closes it."""
    iterator = source.batches()
    found: list[RecordBatch | EventBatch] = []
    try:
        async for batch in iterator:
            found.append(batch)
            if len(found) >= count:
                break
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await close()
    return found
