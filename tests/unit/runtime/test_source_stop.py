"""``Source.stop``: at the end of a run and before a reload a source gives what it still holds; who cannot is cancelled."""
# ruff: noqa: ARG002  made-up components have the whole interface

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import anyio
import pytest

from pipeline.api import Context, Event, EventBatch, Sink, Source
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.runtime.summary import Outcome, Summary
from pipeline.runtime.units import source as units
from pipeline.testing.fakes import events, numbers
from pipeline.testing.plans import Part, plan

pytestmark = pytest.mark.anyio


class Ring(Source):
    """Gives ten events, then nothing; holds ten more, which it gives when it is stopped."""

    can_wait = False

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing happened yet."""
        self.stopped = anyio.Event()

    async def batches(self) -> AsyncIterator[EventBatch]:
        """What comes, and what is held."""
        yield EventBatch(events(0, 10))
        await self.stopped.wait()
        yield EventBatch(events(10, 20))

    async def stop(self) -> None:
        """Wake up."""
        self.stopped.set()


class Deaf(Ring):
    """Does not end though it is asked to."""

    async def stop(self) -> None:
        """Nothing happens."""


class Faulty(Ring):
    """Raises when it is asked to end."""

    async def stop(self) -> None:
        """A fault of a plugin."""
        raise ZeroDivisionError("in stop")


class Absent(Ring):
    """Has no way to be asked."""

    stop = Source.stop  # type: ignore[assignment]  # as if the class above had not overridden it


class Keep(Sink):
    """Keeps numbers."""

    got: ClassVar[list[int]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Keep."""
        self.got.extend(numbers(batch))


async def ended(source: type[Source]) -> Summary:
    """A run that ends once the first events are delivered; its time limit is enough for no other way to end."""
    Keep.got = []
    with anyio.fail_after(20):
        options = RunOptions(handle_signals=False, control=False, configure_logs=False, for_secs=0.2)
        return await run(plan(n=Part(source), out=Part(Keep, ["n"])), options=options)


async def test_what_a_stopped_source_still_holds_is_delivered() -> None:
    """It is the last batch of the run, and the run ends well."""
    summary = await ended(Ring)
    assert Keep.got == list(range(20))
    assert summary.outcome is Outcome.OK


@pytest.mark.parametrize("source", [Deaf, Faulty, Absent])
async def test_a_source_that_does_not_end_is_cancelled(source: type[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it gave before is delivered all the same."""
    monkeypatch.setattr(units, "CLOSE_SECS", 0.1)
    summary = await ended(source)
    assert Keep.got == list(range(10))
    assert summary.outcome is Outcome.OK


class Stuck(Ring):
    """Never comes back from being asked to end."""

    async def stop(self) -> None:
        """Wait for ever."""
        await anyio.sleep_forever()


@pytest.mark.parametrize("source", [Deaf, Stuck])
async def test_the_log_names_a_source_that_does_not_end_in_time(
    source: type[Source], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether its ``stop`` hangs or its ``batches`` go on: what it still holds is lost."""
    monkeypatch.setattr(units, "CLOSE_SECS", 0.1)
    await ended(source)
    (line,) = [each for each in caplog.records if "after stop()" in each.message]
    assert (line.levelname, vars(line)["component"], vars(line)["waited_secs"]) == ("WARNING", "n", 0.1)
