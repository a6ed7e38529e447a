"""A batch: events that wait in a queue, or are written, together; with their size and their tickets. Shared between sinks."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from pipeline import native
from pipeline.api import Event
from pipeline.delivery.acknowledgement import Tickets, hold


class Batch(NamedTuple):
    """Events that entered a queue together, or several such batches merged for one write. Immutable.

    ``size`` is about how many bytes of memory the events take; ``since`` the monotonic second at which the oldest was offered.
    """

    events: Sequence[Event]
    size: int
    tickets: Tickets
    since: float

    def split(self, count: int) -> tuple["Batch", "Batch"]:
        """The first ``count`` events and the rest. Each part holds the tickets: they are released when both are done."""
        hold(self.tickets)
        head = self.events[:count]
        size = size_of(head)
        return (
            Batch(head, size, self.tickets, self.since),
            Batch(self.events[count:], self.size - size, self.tickets, self.since),
        )

    def count_within(self, max_events: int, max_bytes: int) -> int:
        """How many of the first events fit into both bounds."""
        if self.size <= max_bytes:
            return min(len(self.events), max_events)
        return _leading(self.events[:max_events], lambda total: total <= max_bytes)

    def count_freeing(self, events: int, size: int) -> int:
        """How many of the first events must go so that at least so many events and so many bytes are free."""
        if size <= 0:
            return min(events, len(self.events))
        by_size = _leading(self.events, lambda total: total < size) + 1
        return min(max(events, by_size), len(self.events))


def size_of(events: Sequence[Event]) -> int:
    """About how many bytes of memory the events take (``Event.memory_bytes``). Summed once per batch and shared by all sinks.

    This is also where what a plugin returns is looked at first. Raises ``TypeError`` where that is not an event.
    """
    if isinstance(events, native.EVENTS):
        return events.memory_bytes
    try:
        return sum([event.memory_bytes for event in events])
    except (AttributeError, TypeError):
        raise TypeError(_what_was_returned(events)) from None


def merge(batches: Sequence[Batch]) -> Batch:
    """One batch of several batches, in order."""
    if len(batches) == 1:
        return batches[0]
    events = joined([batch.events for batch in batches])
    tickets = tuple(ticket for batch in batches for ticket in batch.tickets)
    return Batch(events, sum(batch.size for batch in batches), tickets, batches[0].since)


def joined(runs: Sequence[Sequence[Event]]) -> Sequence[Event]:
    """Several runs of events as one. What lies in native memory stays there."""
    if native.lane is not None and any(isinstance(run, native.EVENTS) for run in runs):
        return native.lane.Events.joined(runs)  # type: ignore[no-any-return]
    return [event for run in runs for event in run]


def _leading(events: Sequence[Event], good: Callable[[int], bool]) -> int:
    """How many leading events have a running total that is good."""
    count = 0
    sizes = events.sizes() if isinstance(events, native.EVENTS) else (event.memory_bytes for event in events)
    for total in accumulate(sizes):
        if not good(total):
            break
        count += 1
    return count


def _what_was_returned(given: object) -> str:
    """A sentence about what was returned in the place of events."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        return f"returned {type(given).__name__}, not a sequence of events"
    other = next((each for each in given if not isinstance(each, Event)), None)
    return f"returned {type(other).__name__}, not an event"
