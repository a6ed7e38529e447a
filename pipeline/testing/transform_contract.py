"""What every transform must do. One line in a test file runs all of it.

::

TestMyTransform = transform_contract(lambda: MyTransform(MyConfig(), Context("my")))
"""
# ruff: noqa: S101  a contract is a test

import inspect
from collections.abc import Callable, Sequence

import pytest

from pipeline.api import DEFAULT, Event, Transform
from pipeline.testing.contract import odd_events, ordinary_events, snapshot
from pipeline.transforms.passing import process

Make = Callable[[], Transform]
NOW_NS = 1_800_000_000_000_000_000
"""Later than every event of the contract, so that every window is due."""


def transform_contract(make: Make) -> type["TransformContract"]:
    """A test class for pytest. Give it a name that begins with ``Test``."""
    return type("TestTransform", (TransformContract,), {"make": staticmethod(make)})


class TransformContract:
    """The contract; ``transform_contract`` fills in what is tested."""

    make: Make

    @pytest.mark.parametrize("events", [ordinary_events(0, 300), odd_events(), []], ids=["ordinary", "odd", "none"])
    def test_takes_everything_and_changes_nothing(self, events: Sequence[Event]) -> None:
        """It never raises on traffic, and events are shared: it makes new ones instead of changing them."""
        before = snapshot(events)
        transform = type(self).make()
        self._passed(transform, events)
        for event in events:
            self._passed(transform, [event])
        assert snapshot(events) == before

    def test_gives_events_on_declared_outputs_only(self) -> None:
        """The engine knows nowhere to bring anything else."""
        transform = type(self).make()
        for batch in (ordinary_events(0, 100), odd_events()):
            for output, events in process(transform, batch)[0].items():
                assert output == DEFAULT or output in transform.outputs
                assert all(isinstance(event, Event) for event in events)

    def test_says_how_many_it_holds_and_gives_them_out_at_the_end(self) -> None:
        """The ledger counts what is held; after the last flush nothing is."""
        transform = type(self).make()
        assert transform.held_events == 0
        taken = 0
        for at in range(0, 1000, 100):
            process(transform, ordinary_events(at, at + 100))
            taken += 100
            assert 0 <= transform.held_events <= taken
            assert transform.oldest_held is None or 0 <= transform.oldest_held <= taken - transform.held_events
        transform.flush(NOW_NS, last=True)
        assert transform.held_events == 0

    def test_flushes_at_any_time(self) -> None:
        """Unused, twice, and with a clock that jumps back."""
        transform = type(self).make()
        transform.flush(NOW_NS, last=False)
        process(transform, ordinary_events(0, 10))
        transform.flush(NOW_NS, last=False)
        transform.flush(NOW_NS - 3_600_000_000_000, last=False)
        process(transform, ordinary_events(10, 20))
        transform.flush(NOW_NS, last=True)
        transform.flush(NOW_NS, last=True)

    def test_two_of_a_kind_share_nothing(self) -> None:
        """What one has seen does not change the other: a reload makes a second one beside the first."""
        first, second = type(self).make(), type(self).make()
        events = ordinary_events(0, 50)
        expected = _shape(first, events)
        process(first, ordinary_events(0, 50))
        assert _shape(second, events) == expected

    def test_is_synchronous(self) -> None:
        """A transform never waits: it is called for every batch on the way to all sinks."""
        transform = type(self).make()
        assert not inspect.iscoroutinefunction(transform.process)
        assert not inspect.iscoroutinefunction(transform.flush)

    def _passed(self, transform: Transform, events: Sequence[Event]) -> None:
        for given in process(transform, events)[0].values():
            assert sum(event.memory_bytes for event in given) >= 0
        transform.flush(NOW_NS, last=False)


def _shape(transform: Transform, events: Sequence[Event]) -> dict[str, int]:
    """How many events come out where. A transform that chooses at random is given a seed for this contract."""
    return {output: len(given) for output, given in process(transform, events)[0].items()}
