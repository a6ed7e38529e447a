"""What every sink must do, whatever it writes to. One line in a test file runs all of it.

::

    TestMySink = sink_contract(lambda folder: MySink(MyConfig(path=f"{folder}/out"), Context("my")), received=read_numbers)

``make`` gets an empty folder and gives a sink that is not open. ``received`` gets the folder and gives the numbers
(``httpipe.sequence``) that have arrived at the other end; without it the contract trusts what ``write`` says. ``down`` gets the
folder and gives an async context manager inside which the other end does not answer.
"""
# ruff: noqa: S101  a contract is a test

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from pipeline.api import Event, Sink
from pipeline.config.options import BatchOptions, RetryOptions, SinkOptions, WhenFull
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.memory import MemoryBuffer
from pipeline.delivery.session import CLOSE_SECS, Session
from pipeline.delivery.worker import Worker
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.contract import DEADLINE_SECS, cancelled_at, odd_events, ordinary_events, snapshot
from pipeline.testing.fakes import bounds

MAX_AWAITS = 200
"""More waits than a short life of a sink has."""

Make = Callable[[Path], Sink]
Received = Callable[[Path], Sequence[int]]
Down = Callable[[Path], AbstractAsyncContextManager[object]]


def sink_contract(make: Make, *, received: Received | None = None, down: Down | None = None) -> type["SinkContract"]:
    """A test class for pytest. Give it a name that begins with ``Test``."""
    return type(
        "TestSink",
        (SinkContract,),
        {
            "make": staticmethod(make),
            "received": staticmethod(received) if received else None,
            "down": staticmethod(down) if down else None,
        },
    )


class SinkContract:
    """The contract; ``sink_contract`` fills in what is tested."""

    make: Make
    received: Received | None = None
    down: Down | None = None

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """httpipe runs on asyncio only."""
        return "asyncio"

    async def test_closes_unopened_twice_and_opens_again(self, tmp_path: Path) -> None:
        """Open and close come in every order."""
        with anyio.fail_after(DEADLINE_SECS):
            sink = type(self).make(tmp_path)
            await sink.aclose()
            await sink.aclose()
            await sink.open()
            await sink.aclose()
            await sink.aclose()
            await sink.open()
            await sink.healthcheck()
            await sink.write(ordinary_events(0, 3))
            await sink.aclose()

    async def test_closes_within_the_deadline(self, tmp_path: Path) -> None:
        """The engine leaves behind a sink that takes longer."""
        sink = type(self).make(tmp_path)
        await sink.open()
        await sink.write(ordinary_events(0, 1000))
        with anyio.fail_after(CLOSE_SECS):
            await sink.aclose()

    async def test_delivers_in_order_and_changes_nothing(self, tmp_path: Path) -> None:
        """What was written has arrived, in order; events are shared with other sinks and stay as they are."""
        events = ordinary_events(0, 500)
        before = snapshot(events)
        await self._written(tmp_path, [events[at : at + 50] for at in range(0, 500, 50)])
        assert snapshot(events) == before
        if self.received is not None:
            assert list(type(self).received(tmp_path)) == list(range(500))  # type: ignore[misc]

    async def test_takes_whatever_the_wire_can_hold(self, tmp_path: Path) -> None:
        """Huge, empty and hostile text, missing fields, kinds of events that it does not know; and no event is changed."""
        events = odd_events()
        before = snapshot(events)
        await self._written(tmp_path, [events, *([event] for event in events)])
        assert snapshot(events) == before

    async def test_survives_cancellation_at_every_await(self, tmp_path: Path) -> None:
        """Wherever it is cancelled it closes, and a fresh one works."""
        for step in range(MAX_AWAITS):
            sink = type(self).make(tmp_path)
            cancelled = await cancelled_at(step, lambda sink=sink: _life(sink))  # type: ignore[misc]
            with anyio.fail_after(CLOSE_SECS):
                await sink.aclose()
            if not cancelled:
                return
        pytest.fail(f"a short life has more than {MAX_AWAITS} awaits")

    async def test_the_engine_delivers_everything_through_it(self, tmp_path: Path) -> None:
        """Queue, worker and sink together: the ledger balances and all of it arrived."""
        worker = self._worker(tmp_path, "block")
        await self._through(worker, 0, 1000)
        assert worker.buffer.ledger.sent == 1000
        assert worker.buffer.ledger.balance() == 0
        if self.received is not None:
            assert list(type(self).received(tmp_path)) == list(range(1000))  # type: ignore[misc]

    async def test_nothing_is_lost_while_the_other_end_is_away(self, tmp_path: Path) -> None:
        """It says so by an error, and after the other end is back everything arrives, at least once."""
        if self.down is None:
            pytest.skip("this contract has no way to take the other end away: pass `down`")
        worker = self._worker(tmp_path, "block")
        async with anyio.create_task_group() as group:
            async with type(self).down(tmp_path):  # type: ignore[misc]
                group.start_soon(worker.run)
                worker.buffer.offer_nowait(_batch_of(0, 100))
                with anyio.fail_after(DEADLINE_SECS):
                    while not worker.health.errors:  # noqa: ASYNC110  the sink decides when
                        await anyio.sleep(0.001)
                assert worker.buffer.ledger.sent == 0
            worker.buffer.offer_nowait(_batch_of(100, 200))
            worker.buffer.close()
        assert worker.buffer.ledger.balance() == 0
        if self.received is not None:
            assert set(type(self).received(tmp_path)) == set(range(200))  # type: ignore[misc]

    async def test_recovers_from_saturation(self, tmp_path: Path) -> None:
        """After its queue ran over fresh events pass, and what was dropped is counted."""
        worker = self._worker(tmp_path, "drop_oldest")
        for at in range(0, 5000, 100):
            worker.buffer.offer_nowait(_batch_of(at, at + 100))
        await self._through(worker, 5000, 5100)
        ledger = worker.buffer.ledger
        assert ledger.received == 5100
        assert ledger.sent + ledger.discarded[str(Reason.QUEUE_FULL), False] == 5100
        if self.received is not None:
            assert set(type(self).received(tmp_path)) >= set(range(5000, 5100))  # type: ignore[misc]

    async def _written(self, folder: Path, batches: Sequence[Sequence[Event]]) -> None:
        sink = type(self).make(folder)
        with anyio.fail_after(DEADLINE_SECS):
            await sink.open()
            for batch in batches:
                await sink.write(batch)
            await sink.aclose()

    async def _through(self, worker: Worker, first: int, last: int) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            with anyio.fail_after(DEADLINE_SECS):
                for at in range(first, last, 100):
                    await worker.buffer.offer(_batch_of(at, min(last, at + 100)))
                worker.buffer.close()

    def _worker(self, folder: Path, when_full: WhenFull) -> Worker:
        log = ComponentLog("contract")
        health = Health(log)
        options = SinkOptions(
            batch=BatchOptions(max_events=64), retry=RetryOptions(initial_backoff_secs=0.01, max_backoff_secs=0.05)
        )
        make = type(self).make
        return Worker(
            id="contract",
            buffer=MemoryBuffer(bounds(1000, 64 << 20, when_full), Ledger()),
            session=Session(lambda: make(folder), health, DEADLINE_SECS),
            options=options,
            health=health,
            log=log,
        )


async def _life(sink: Sink) -> None:
    await sink.open()
    await sink.write(ordinary_events(0, 10))
    await anyio.lowlevel.checkpoint()
    await sink.aclose()


def _batch_of(first: int, last: int) -> Batch:
    events = ordinary_events(first, last)
    return Batch(events, size_of(events), (), 0.0)
