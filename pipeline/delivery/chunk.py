"""What queues hold and writes take: runs of events with their weight and their tickets. Immutable, shared between sinks."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from pipeline.api import Event
from pipeline.delivery.acknowledgement import Tickets, hold


class Chunk(NamedTuple):
    """A run of events that entered a queue together.

    ``weight`` is the sum of the events' weights in bytes; ``since`` the monotonic second at which it was offered.
    """

    events: Sequence[Event]
    weight: int
    tickets: Tickets
    since: float

    def split(self, count: int) -> tuple["Chunk", "Chunk"]:
        """The first ``count`` events and the rest. Each part holds the tickets: they are released when both are done."""
        hold(self.tickets)
        head = self.events[:count]
        weight = weight_of(head)
        return (
            Chunk(head, weight, self.tickets, self.since),
            Chunk(self.events[count:], self.weight - weight, self.tickets, self.since),
        )

    def count_within(self, max_events: int, max_bytes: int) -> int:
        """How many of the first events fit into both bounds."""
        if self.weight <= max_bytes:
            return min(len(self.events), max_events)
        return _leading(self.events[:max_events], lambda total: total <= max_bytes)

    def count_freeing(self, events: int, weight: int) -> int:
        """How many of the first events must go so that at least so many events and so many bytes are free."""
        if weight <= 0:
            return min(events, len(self.events))
        by_weight = _leading(self.events, lambda total: total < weight) + 1
        return min(max(events, by_weight), len(self.events))


Batch = Chunk
"""What one write takes: like a chunk, put together from several. ``since`` is the oldest one's."""


def weight_of(events: Sequence[Event]) -> int:
    """Approximate bytes of memory. Summed once per batch and shared by all sinks.

    This is also where what a plugin returns is looked at first. Raises ``TypeError`` in its words where that is no event.
    """
    try:
        return sum([event.weight for event in events])
    except (AttributeError, TypeError):
        raise TypeError(_what_was_returned(events)) from None


def merge(chunks: Sequence[Chunk]) -> Batch:
    """One batch of several chunks, in order."""
    if len(chunks) == 1:
        return chunks[0]
    events = [event for chunk in chunks for event in chunk.events]
    tickets = tuple(ticket for chunk in chunks for ticket in chunk.tickets)
    return Batch(events, sum(chunk.weight for chunk in chunks), tickets, chunks[0].since)


def _leading(events: Sequence[Event], good: Callable[[int], bool]) -> int:
    """How many leading events have a running weight that is good."""
    count = 0
    for total in accumulate(event.weight for event in events):
        if not good(total):
            break
        count += 1
    return count


def _what_was_returned(given: object) -> str:
    """What stands in the place of events."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        return f"returned {type(given).__name__}, not a sequence of events"
    other = next((each for each in given if not isinstance(each, Event)), None)
    return f"returned {type(other).__name__}, not an event"
