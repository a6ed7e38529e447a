"""The newest events of a run, within bounds, for views in other threads.

The run's loop only appends batches as they are (``show``): what lies in native memory stays there, and an event becomes an object
where somebody looks at it. Readers take copies of the list of batches; the lock is held for microseconds.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.api import Event
from pipeline.delivery.batch import size_of

MAX_EVENTS = 100_000
MAX_BYTES = 256 << 20
"""Of memory, approximately: 100,000 exchanges with heads take about half of it."""
PAUSE_EVENTS = 2000
"""Events that a reader looks at before it lets other threads run, some ms."""

Wanted = Callable[[Event], bool]


class Kept(NamedTuple):
    """A batch; ``first`` is the number of its first event, and numbers count from 1."""

    first: int
    events: Sequence[Event]
    size: int


class Piece(NamedTuple):
    """Some events with their numbers, the oldest first. ``after`` is where the next piece begins.

    ``missed``: events between those of the last piece and these that were not looked at; a filter might have wanted fewer.
    """

    events: Sequence[tuple[int, Event]]
    after: int
    missed: int


class Store:
    """Keeps the newest ``max_events``, ``max_bytes`` of them at most. ``show`` is called by the loop, all else by any thread."""

    def __init__(self, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._kept: list[Kept] = []
        self._gone = 0  # so many at the beginning of the list have been dropped
        self._events = 0
        self._bytes = 0
        self._lock = threading.Lock()
        self.seen = 0

    def show(self, events: Sequence[Event]) -> None:
        """Keep these: a tap of an output (``delivery.fanout``). Never raises on events; costs a microsecond a batch."""
        if not events:
            return
        kept = Kept(self.seen + 1, events, size_of(events))
        with self._lock:
            self._kept.append(kept)
            self.seen += len(events)
            self._events += len(events)
            self._bytes += kept.size
            while self._gone < len(self._kept) - 1 and (self._events > self._max_events or self._bytes > self._max_bytes):
                gone = self._kept[self._gone]
                self._kept[self._gone] = Kept(gone.first, (), 0)  # lets go of the events
                self._gone += 1
                self._events -= len(gone.events)
                self._bytes -= gone.size
            if self._gone > len(self._kept) // 2:
                del self._kept[: self._gone]
                self._gone = 0

    @property
    def kept(self) -> int:
        """How many events are kept now."""
        return self._events

    def batches(self, after: int) -> list[Kept]:
        """Those with a higher number than ``after``, the oldest first; the first of them may begin before it."""
        with self._lock:
            return self._kept[self._place(after + 1) :]

    def since(self, after: int, limit: int, wanted: Wanted | None = None) -> Piece:
        """The newest ``limit`` events with a higher number than ``after`` that are wanted."""
        batches = self.batches(after)
        newest = batches[-1].first + len(batches[-1].events) - 1 if batches else after
        found: list[tuple[int, Event]] = []
        at = newest + 1  # the oldest that was looked at
        for batch in reversed(batches):
            place = len(batch.events)
            least = max(0, after + 1 - batch.first)
            while place > least and len(found) < limit:
                begin = max(least, place - (PAUSE_EVENTS if wanted else limit - len(found)))
                numbers = range(batch.first + begin, batch.first + place)
                pairs = list(zip(numbers, batch.events[begin:place], strict=True))
                found += reversed(pairs if wanted is None else [pair for pair in pairs if wanted(pair[1])])
                place, at = begin, batch.first + begin
                if wanted is not None:
                    time.sleep(0)
            if len(found) >= limit:
                break
        del found[limit:]
        found.reverse()
        return Piece(found, newest, at - after - 1 if after else 0)

    def event(self, number: int) -> Event | None:
        """The one with this number, as long as it is kept."""
        with self._lock:
            place = self._place(number)
            batch = self._kept[place] if place < len(self._kept) else None
        if batch is None or number < batch.first:
            return None
        return batch.events[number - batch.first]

    def _place(self, number: int) -> int:
        """Of the batch that has this event; of the oldest one where it is gone, behind the newest where it has not come."""
        if number > self.seen:
            return len(self._kept)
        return max(self._gone, bisect_right(self._kept, number, lo=self._gone, key=lambda each: each.first) - 1)
