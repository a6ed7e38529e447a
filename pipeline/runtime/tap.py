"""``httpipe tap``: a look at what passes an output right now. Bounded in every way, so that looking never slows the pipeline.

A tap sits on a fan-out and is handed every run of events. What matches goes into a small queue; what finds no room, or is
beyond the rate, is counted as missed: it passes the pipeline all the same.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

from pipeline.api import Event
from pipeline.delivery.fanout import Fanout
from pipeline.delivery.signal import Signal

QUEUE_EVENTS = 1000
"""What may wait for a slow terminal: some screens full."""

EXAMINED_PER_SEC = 50_000
"""Events to which the condition is applied: 5 ms of each second at 0.1 µs an event."""


class Tap:
    """One looker. ``where`` tells what it wants to see, ``per_sec`` how much of that."""

    def __init__(
        self, where: Callable[[Event], bool] | None, per_sec: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._where = where
        self._per_sec = per_sec
        self._monotonic = monotonic
        self._waiting: deque[Event] = deque()
        self._second = monotonic()
        self._examined = 0
        self._shown = 0
        self._outputs: list[Fanout] = []
        self.missed = 0
        self.news = Signal()

    def attach(self, outputs: Sequence[Fanout]) -> None:
        """Begin to look."""
        for output in outputs:
            output.taps = (*output.taps, self)
            self._outputs.append(output)

    def detach(self) -> None:
        """Stop looking."""
        for output in self._outputs:
            output.taps = tuple(tap for tap in output.taps if tap is not self)
        self._outputs.clear()

    def show(self, events: Sequence[Event]) -> None:
        """Keep what is wanted, as far as there is room. Never raises: conditions do not, whatever an event holds."""
        now = self._monotonic()
        if now - self._second >= 1:
            self._second, self._examined, self._shown = now, 0, 0
        room = min(self._per_sec - self._shown, QUEUE_EVENTS - len(self._waiting))
        examined = events[: max(0, EXAMINED_PER_SEC - self._examined)] if room > 0 else ()
        self._examined += len(examined)
        wanted = examined if self._where is None else [event for event in examined if self._where(event)]
        kept = wanted[:room] if room > 0 else ()
        self._waiting.extend(kept)
        self._shown += len(kept)
        self.missed += len(events) - len(examined) + len(wanted) - len(kept)
        self.news.set()

    async def take(self) -> tuple[list[Event], int]:
        """What was seen since the last call, and how many events were missed (some of them perhaps not wanted)."""
        while not self._waiting and not self.missed:
            await self.news.wait()
        events = list(self._waiting)
        self._waiting.clear()
        missed, self.missed = self.missed, 0
        return events, missed
