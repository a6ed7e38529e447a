"""The shipped kit for tests of transforms: drive one from the options of a file, and hold it against the contract.

``Driven`` builds a transform the way the engine does, with counters to look at and a clock that stands still. ``check_contract``
raises ``AssertionError`` where a transform breaks what ``pipeline.api.Transform`` promises the engine. No I/O.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from pipeline.api import DEFAULT, Context, Event, Exchange, FieldType, Outputs, Transform
from pipeline.transforms.passing import process

SECOND = 1_000_000_000
START_NS = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""


def exchange(number: int = 0, **fields: Any) -> Exchange:  # noqa: ANN401  any field of an exchange
    """An exchange, ``number`` seconds after the start."""
    usual = {"httpipe_sequence": number, "http_request_method": "GET", "url_path": "/", "http_response_status_code": 200}
    return Exchange(timestamp_ns=START_NS + number * SECOND, **{**usual, **fields})


def sequence(events: Sequence[Event]) -> list[int | None]:
    """Which exchanges these are."""
    return [event.httpipe_sequence if isinstance(event, Exchange) else None for event in events]


class Driven:
    """A transform made from ``options``; ``counts`` are its counters."""

    def __init__(
        self,
        component: type[Transform],
        options: Mapping[str, Any] | None = None,
        *,
        attributes: Mapping[str, FieldType] | None = None,
        read_file: Callable[[str], bytes | None] = lambda _path: None,
        now_ns: Callable[[], int] = lambda: START_NS,
    ) -> None:
        self.counts: Counter[str] = Counter()
        context = Context("it", count=self._count, attributes=attributes or {}, read_file=read_file, now_ns=now_ns)
        self.transform: Transform = component(component.Config.model_validate(options or {}), context)

    def run(self, *events: Event, output: str = DEFAULT) -> list[Event]:
        """Process one batch; give what leaves by an output."""
        return list(process(self.transform, events)[0].get(output, ()))

    def one(self, event: Event) -> Event:
        """Process one event that goes on."""
        (found,) = self.run(event)
        return found

    def end(self) -> list[Event]:
        """The end of the input."""
        return list(self.transform.flush(START_NS, last=True).get(DEFAULT, ()))

    def _count(self, name: str, by: int) -> None:
        self.counts[name] += by


def check_contract(make: Callable[[], Transform], batches: Sequence[Sequence[Event]]) -> dict[str, list[Event]]:
    """Everything the transform gives out for these batches, by output.

    Checked on the way: it changes no event that it is given, leaves only by outputs and adds only attributes that it declared,
    holds a number of events that is never negative nor more than it took, and holds nothing after the last flush.
    """
    transform = make()
    given: dict[str, list[Event]] = {}
    before = [[_image(event) for event in batch] for batch in batches]
    taken = 0
    for batch in batches:
        taken += len(batch)
        _take(transform, process(transform, tuple(batch))[0], given)
        assert 0 <= transform.held_events <= taken, "it holds more than it took, or less than nothing"  # noqa: S101
    _take(transform, transform.flush(START_NS, last=True), given)
    assert transform.held_events == 0, "it still holds events after the last flush"  # noqa: S101
    assert before == [[_image(event) for event in batch] for batch in batches], "it changed an event"  # noqa: S101
    known = {name for batch in batches for event in batch for name in event.attributes}
    added = {name for events in given.values() for event in events for name in event.attributes} - known
    assert added <= set(transform.adds), f"it adds attributes that it does not declare: {added - set(transform.adds)}"  # noqa: S101
    return given


def _take(transform: Transform, outputs: Outputs, given: dict[str, list[Event]]) -> None:
    declared = {DEFAULT, *transform.outputs}
    assert set(outputs) <= declared, f"it gives out by {set(outputs) - declared}, which it does not declare"  # noqa: S101
    for name, events in outputs.items():
        given.setdefault(name, []).extend(events)


def _image(event: Event) -> Any:  # noqa: ANN401  any plain data
    """What an event holds, apart from the event."""
    return [dict(each) if isinstance(each, Mapping) else each for each in msgspec.structs.astuple(event)]
