"""The contracts find what is wrong: each of these components breaks one rule, and the test of that rule fails."""
# ruff: noqa: ARG002  made-up components have the whole interface

import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from pipeline.api import DEFAULT, Context, Event, EventBatch, Outputs, RecordBatch, Sink, Source, Transform
from pipeline.model.events.exchange import Exchange
from pipeline.testing.fakes import numbers
from pipeline.testing.sink_contract import sink_contract
from pipeline.testing.source_contract import source_contract
from pipeline.testing.transform_contract import transform_contract

pytestmark = pytest.mark.anyio


class GoodSink(Sink):
    """Appends numbers to a file, whole batches at a time."""

    def __init__(self, folder: Path, context: Context) -> None:
        """Remember where."""
        self.file = folder / "out"

    async def write(self, batch: Sequence[Event]) -> None:
        """Append."""
        with self.file.open("a") as out:
            out.writelines(json.dumps(number) + "\n" for number in numbers(batch))


def received(folder: Path) -> list[int]:
    """What it wrote."""
    return [int(line) for line in (folder / "out").read_text().split()]


class Forgetful(GoodSink):
    """Loses the last event of each batch."""

    async def write(self, batch: Sequence[Event]) -> None:
        """All but one."""
        await super().write(batch[:-1])


class Delicate(GoodSink):
    """Raises on events that are no exchanges."""

    async def write(self, batch: Sequence[Event]) -> None:
        """If they are."""
        if not all(isinstance(event, Exchange) for event in batch):
            raise TypeError
        await super().write(batch)


class Clumsy(GoodSink):
    """Cannot be closed unopened."""

    opened = False

    async def open(self) -> None:
        """Note."""
        self.opened = True

    async def aclose(self) -> None:
        """Raises unless open."""
        if not self.opened:
            raise RuntimeError
        self.opened = False


class Stuck(GoodSink):
    """Does not close when it was cancelled while opening."""

    opening = False

    async def open(self) -> None:
        """Two awaits."""
        self.opening = True
        await anyio.lowlevel.checkpoint()
        self.opening = False

    async def aclose(self) -> None:
        """Raises in the middle."""
        if self.opening:
            raise RuntimeError("half open")


@pytest.mark.parametrize(
    ("sink", "rule"),
    [
        (Forgetful, "test_delivers_in_order_and_changes_nothing"),
        (Forgetful, "test_the_engine_delivers_everything_through_it"),
        (Forgetful, "test_recovers_from_saturation"),
        (Delicate, "test_takes_whatever_the_wire_can_hold"),
        (Clumsy, "test_closes_unopened_twice_and_opens_again"),
        (Stuck, "test_survives_cancellation_at_every_await"),
    ],
)
async def test_a_sink_that_breaks_a_rule_fails(sink: type[GoodSink], rule: str, tmp_path: Path) -> None:
    """And a good one passes the same rule."""
    await getattr(sink_contract(lambda folder: GoodSink(folder, Context("good")), received=received)(), rule)(tmp_path)
    (tmp_path / "out").unlink(missing_ok=True)
    with pytest.raises((AssertionError, RuntimeError, TypeError)):
        await getattr(sink_contract(lambda folder: sink(folder, Context("bad")), received=received)(), rule)(tmp_path)


class GoodTransform(Transform):
    """Passes everything."""

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""
        self.kept: list[Event] = []

    def process(self, batch: Sequence[Event]) -> Outputs:
        """All."""
        return {DEFAULT: batch}


class Undeclared(GoodTransform):
    """Gives events on an output that it does not declare."""

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Elsewhere."""
        return {"elsewhere": batch}


class Keeper(GoodTransform):
    """Holds events and never gives them out."""

    @property
    def held_events(self) -> int:
        """For ever."""
        return len(self.kept)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """None."""
        self.kept += batch
        return {}


class Shared(GoodTransform):
    """Two of its kind share what they have seen."""

    seen: set[int] = set()  # noqa: RUF012  that is its fault

    def process(self, batch: Sequence[Event]) -> Outputs:
        """New ones only."""
        fresh = [event for event in batch if event.timestamp_ns not in self.seen]
        self.seen.update(event.timestamp_ns for event in batch)
        return {DEFAULT: fresh}


@pytest.mark.parametrize(
    ("transform", "rule"),
    [
        (Undeclared, "test_gives_events_on_declared_outputs_only"),
        (Keeper, "test_says_how_many_it_holds_and_gives_them_out_at_the_end"),
        (Shared, "test_two_of_a_kind_share_nothing"),
    ],
)
def test_a_transform_that_breaks_a_rule_fails(transform: type[GoodTransform], rule: str) -> None:
    """And a good one passes the same rule."""
    getattr(transform_contract(lambda: GoodTransform(None, Context("good")))(), rule)()
    with pytest.raises(AssertionError):
        getattr(transform_contract(lambda: transform(None, Context("bad")))(), rule)()


class GoodSource(Source):
    """One event, again and again."""

    stopped = False

    def __init__(self, config: Any, context: Context) -> None:
        """Nothing to prepare."""

    async def batches(self) -> AsyncIterator[EventBatch | RecordBatch]:
        """Until it is stopped."""
        while not self.stopped:
            await anyio.lowlevel.checkpoint()
            yield EventBatch([Exchange(timestamp_ns=1)], 1)

    async def stop(self) -> None:
        """Note."""
        self.stopped = True


class Deaf(GoodSource):
    """Says that it can be stopped, and goes on for ever."""

    async def stop(self) -> None:
        """Nothing."""


class Liar(GoodSource):
    """Gives records though it says events."""

    async def batches(self) -> AsyncIterator[EventBatch | RecordBatch]:
        """Records."""
        yield RecordBatch([], 1)


class Once(GoodSource):
    """Cannot be made a second time while the program runs."""

    used = False

    async def open(self) -> None:
        """The first time only."""
        if Once.used:
            raise OSError("address in use")
        Once.used = True


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (Liar, "test_gives_batches_of_what_it_says"),
        (Once, "test_a_second_one_can_follow"),
        (Deaf, "test_stop_ends_its_input"),
    ],
)
async def test_a_source_that_breaks_a_rule_fails(
    source: type[GoodSource], rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a good one passes the same rule."""
    monkeypatch.setattr("pipeline.testing.source_contract.CLOSE_SECS", 0.5)
    make: Callable[[Path], Source] = lambda _: source(None, Context("bad"))  # noqa: E731
    await getattr(source_contract(lambda _: GoodSource(None, Context("good")))(), rule)(tmp_path)
    with pytest.raises((AssertionError, OSError)):
        await getattr(source_contract(make)(), rule)(tmp_path)
