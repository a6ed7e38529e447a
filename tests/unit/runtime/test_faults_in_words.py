"""What the log says of a plugin that is wrong: in words what it returned, and one traceback for each fault."""
# ruff: noqa: ARG002  made-up components have the whole interface

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from pipeline.api import DEFAULT, Context, Event, EventBatch, NotConnected, Sink, Source, Transform
from pipeline.config.options import RetryOptions, SinkOptions
from pipeline.decorators import transform
from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.testing.fakes import events
from pipeline.testing.plans import Part, plan

pytestmark = pytest.mark.anyio


class Three(Source):
    """Three batches."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Then the end."""
        for number in range(3):
            yield EventBatch(events(number, number + 1), None)


class Nowhere(Sink):
    """Takes everything."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Nothing."""


def returning(value: object) -> type[Transform]:
    """A transform that returns this, whatever it is given."""

    class Odd(Transform):
        def __init__(self, config: Any, context: Context) -> None:
            pass

        def process(self, batch: Sequence[Event]) -> Any:
            return value

    return Odd


@transform("answer", api_version=1)
def answer(_exchange: Any) -> Any:
    """Is no event."""
    return 42


async def run_it(*, t: type[Transform] | None = None, s: type[Source] = Three, o: type[Sink] = Nowhere) -> None:
    """A pipeline to its end."""
    parts = {"s": Part(s), "t": Part(t, ["s"])} if t else {"s": Part(s)}
    quick = SinkOptions(retry=RetryOptions(max_attempts=3, initial_backoff_secs=0.001, max_backoff_secs=0.001))
    options = RunOptions(configure_logs=False, handle_signals=False, control=False)
    await run(plan(**parts, o=Part(o, ["t" if t else "s"], options=quick)), options=options)


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (answer, "returned int, not an event"),
        (returning({DEFAULT: [None]}), "returned NoneType, not an event"),
        (returning({DEFAULT: 42}), "returned int, not a sequence of events"),
        (returning({DEFAULT: "text"}), "returned str, not a sequence of events"),
        (returning(42), "returned int, not a mapping from names of outputs to events"),
        (returning(None), "returned NoneType, not a mapping from names of outputs to events"),
        (returning({"erors": events(0, 1)}), 'returned events for "erors", which is not in its outputs'),
    ],
)
async def test_what_a_transform_returned_instead_of_events(
    odd: type[Transform], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In its words, not in those of what failed on it later."""
    await run_it(t=odd)
    errors = [vars(record)["error"] for record in caplog.records if hasattr(record, "error")]
    assert [error.partition(": ")[2] for error in errors] == [told]


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (42, "TypeError: gave int, not a RecordBatch or an EventBatch"),
        (EventBatch([42], None), "TypeError: returned int, not an event"),  # type: ignore[list-item]
    ],
)
async def test_what_a_source_gave_instead_of_a_batch(batch: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    """And the source is restarted."""

    class Odd(Three):
        given = 0

        async def batches(self) -> AsyncIterator[EventBatch]:
            type(self).given += 1
            if self.given == 1:
                yield batch

    await run_it(s=Odd)
    assert told in [vars(record)["error"] for record in caplog.records if hasattr(record, "error")]


class Failing(Nowhere):
    """Fails three times for each batch."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Fail."""
        raise ValueError("no")


class Gone(Nowhere):
    """Says in words that the other end is gone."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Fail."""
        raise NotConnected("gone")


class Breaks(Three):
    """Fails once."""

    failed = False

    async def batches(self) -> AsyncIterator[EventBatch]:
        """The first time."""
        if not self.failed:
            type(self).failed = True
            raise KeyError("no")
        yield EventBatch(events(0, 1), None)


@pytest.mark.parametrize(
    ("parts", "traces"),
    [({"o": Failing}, ["ValueError"]), ({"s": Breaks}, ["KeyError"]), ({"t": answer}, ["TypeError"]), ({"o": Gone}, [])],
    ids=["sink", "source", "transform", "on purpose"],
)
async def test_one_traceback_for_each_fault(parts: Any, traces: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """However often it comes; what a plugin raises on purpose says all in words."""
    caplog.set_level(logging.DEBUG, "httpipe")
    await run_it(**parts)
    assert [record.exc_info[0].__name__ for record in caplog.records if record.exc_info and record.exc_info[0]] == traces
