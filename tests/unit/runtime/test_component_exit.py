"""What would end the process (``sys.exit``, ``KeyboardInterrupt``, a panic) ends only the component that raised it."""
# ruff: noqa: ARG002  components that look at nothing they are given

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import anyio
import pytest

from pipeline.api import DEFAULT, Context, Event, EventBatch, Outputs, Sink, Source, Transform
from pipeline.config.options import RetryOptions, SinkOptions
from pipeline.delivery.clock import Clock
from pipeline.isolation.loop import EventLoop
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.runtime.summary import Summary
from pipeline.testing.fakes import events, numbers
from pipeline.testing.plans import Part, plan

QUICK = SinkOptions(retry=RetryOptions(initial_backoff_secs=0.001, max_backoff_secs=0.001))


class PanicException(BaseException):
    """As PyO3 names a panic of Rust."""


class Faults:
    """Where the component under test raises, what, and how often still."""

    place: ClassVar[str] = ""
    error: ClassVar[type[BaseException]] = SystemExit
    left: ClassVar[int] = 0

    @classmethod
    def at(cls, place: str) -> None:
        """Raise, if this is the place."""
        if place == cls.place and cls.left:
            Faults.left -= 1
            raise cls.error(3)


class Numbers(Source):
    """A hundred events, in batches of ten; begins again where a fault cut it short."""

    read: ClassVar[int] = 0

    def __init__(self, config: Any, context: Context) -> None:
        """May fail."""
        if Numbers.read:
            Faults.at("source again")

    async def open(self) -> None:
        """May fail, but not at the start of the run."""
        if Numbers.read:
            Faults.at("source opened again")

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Ten by ten."""
        while Numbers.read < 100:
            at = Numbers.read
            Numbers.read += 10
            yield EventBatch(events(at, at + 10), at)
            if at == 50:
                Faults.at("source")
                if Faults.place.startswith("source ") and Faults.left:
                    raise OSError("to be restarted")

    async def acknowledge(self, position: object) -> None:
        """May fail."""
        Faults.at("acknowledge")

    async def aclose(self) -> None:
        """May fail."""
        Faults.at("source closed")


class Pass(Transform):
    """Everything goes on."""

    def __init__(self, config: Any, context: Context) -> None:
        """May fail, but not at the start of the run."""
        if Numbers.read:
            Faults.at("transform again")

    def process(self, batch: Sequence[Event]) -> Outputs:
        """May fail."""
        Faults.at("process")
        if Faults.place == "transform again" and Faults.left and numbers(batch)[0] == 50:
            raise ZeroDivisionError
        return {DEFAULT: batch}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """May fail."""
        Faults.at("flush")
        return {}


class Keep(Sink):
    """Keeps numbers."""

    got: ClassVar[list[int]] = []

    def __init__(self, config: Any, context: Context) -> None:
        """May fail."""
        Faults.at("sink")

    async def open(self) -> None:
        """May fail."""
        Faults.at("open")

    async def healthcheck(self) -> None:
        """May fail."""
        Faults.at("healthcheck")

    async def write(self, batch: Sequence[Event]) -> None:
        """May fail."""
        Faults.at("write")
        async with anyio.create_task_group() as group:
            group.start_soon(self._write, batch)

    async def _write(self, batch: Sequence[Event]) -> None:
        Faults.at("write in a task group")
        Keep.got += numbers(batch)

    async def aclose(self) -> None:
        """May fail."""
        Faults.at("aclose")


async def finished() -> Summary:
    """Run to the end; every ledger must balance."""
    parts = {
        "numbers": Part(Numbers),
        "through": Part(Pass, inputs=["numbers"]),
        "keep": Part(Keep, inputs=["through"], options=QUICK),
    }
    with anyio.fail_after(10):
        options = RunOptions(handle_signals=False, control=False, configure_logs=False, clock=Clock(random=lambda: 1.0))
        summary = await run(plan(**parts), options=options)
    assert [each.difference for each in summary.components] == [0] * 3
    return summary


SINK = ("sink", "open", "healthcheck", "write", "write in a task group", "aclose")
SOURCE = ("source", "source again", "source opened again", "acknowledge", "source closed")
TRANSFORM = ("process", "transform again", "flush")


ERRORS = (SystemExit, PanicException, KeyboardInterrupt)
EVERYWHERE = [(place, error) for place in (*SINK, *SOURCE, *TRANSFORM) for error in ERRORS]
EVERYWHERE.remove(("write in a task group", KeyboardInterrupt))  # in a task of its own it cannot be told from Ctrl-C
LOST = {"process": 10, "transform again": 50}
"""Events that came in the batch of the fault, and while the transform waited to be made again."""


@pytest.mark.parametrize(("place", "error"), EVERYWHERE)
def test_whatever_a_component_raises_is_its_own_fault(
    place: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """The component is restarted, the run goes on to its end, and only a transform loses the batch that it was given."""
    Faults.place, Faults.error, Faults.left = place, error, 1
    Numbers.read, Keep.got = 0, []
    with caplog.at_level("DEBUG", logger="httpipe"):
        summary = anyio.run(finished, backend_options={"loop_factory": EventLoop})
    assert Faults.left == 0
    assert len(Keep.got) == 100 - LOST.get(place, 0)
    faulty = next(each for each in summary.components if each.id == _component(place))
    assert faulty.errors > 0
    assert error.__name__ in " ".join([faulty.error, *(str(vars(record).get("error", "")) for record in caplog.records)])


def _component(place: str) -> str:
    return "keep" if place in SINK else "numbers" if place in SOURCE else "through"
