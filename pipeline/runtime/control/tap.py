"""``httpipe tap``: a look at what passes an output right now. Bounded in every way, so that looking never slows the pipeline.

A tap sits on a fan-out and is handed every run of events. What matches goes into a small queue; what finds no room, or is
beyond the rate, is counted as missed: it passes the pipeline all the same.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

from pipeline.api import Event
from pipeline.delivery.fanout import Fanout
from pipeline.delivery.health import describe
from pipeline.delivery.signal import Signal
from pipeline.errors import HttpipeError

QUEUE_EVENTS = 1000
"""What may wait for a slow terminal: some screens full."""
QUEUE_BYTES = 4 << 20
"""And of how much memory: a terminal that is stopped must not keep a thousand bodies."""

EXAMINED_PER_SEC = 50_000
"""Events to which the condition is applied: 5 ms of each second at 0.1 µs an event…"""
EXAMINING_SECS = 0.01
"""…and a condition that takes longer is applied to fewer. Processor time of this thread: a busy host is not the tap's doing."""
RUN_EVENTS = 64
"""Events that are examined between two looks at the clock."""


class Tap:
    """One observer of events. ``where`` selects what it is shown, ``per_sec`` bounds how much of that."""

    def __init__(
        self, where: Callable[[Event], bool] | None, per_sec: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._where = where
        self._per_sec = per_sec
        self._monotonic = monotonic
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._second = monotonic()
        self._examined = 0
        self._examining_secs = 0.0
        self._shown = 0
        self._outputs: list[Fanout] = []
        self.missed = 0
        self.error: Exception | None = None
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
        """Keep what is wanted, as far as there is room. Never raises: a condition that does ends the tap, not the source."""
        now, began = self._monotonic(), time.thread_time()
        if now - self._second >= 1:
            self._second, self._examined, self._examining_secs, self._shown = now, 0, 0.0, 0
        try:
            for at in range(0, len(events), RUN_EVENTS):
                self._show(events[at : at + RUN_EVENTS])
                ended = time.thread_time()
                self._examining_secs += ended - began
                began = ended
        except Exception as error:  # noqa: BLE001  events of plugins may hold anything; what looks at them must not hurt
            self.error = error
            self.detach()
        self.news.set()

    def _show(self, events: Sequence[Event]) -> None:
        room = self._room()
        examined = events if room > 0 else ()
        self._examined += len(examined)
        wanted = examined if self._where is None else [event for event in examined if self._where(event)]
        kept = wanted[:room] if room > 0 else ()
        self._waiting.extend(kept)
        self._bytes += sum([event.memory_bytes for event in kept])
        self._shown += len(kept)
        self.missed += len(events) - len(examined) + len(wanted) - len(kept)

    def _room(self) -> int:
        """How many events may be kept now; 0 where none is worth a look."""
        if self._bytes >= QUEUE_BYTES or self._examined >= EXAMINED_PER_SEC or self._examining_secs >= EXAMINING_SECS:
            return 0
        return min(self._per_sec - self._shown, QUEUE_EVENTS - len(self._waiting))

    async def take(self) -> tuple[list[Event], int]:
        """What was seen since the last call, and how many events were missed (some of them perhaps not wanted).

        Raises ``HttpipeError`` when the condition failed on an event.
        """
        while not self._waiting and not self.missed:
            if self.error is not None:
                raise HttpipeError(f"where: failed on an event: {describe(self.error)}")
            await self.news.wait()
        return self.rest()

    def rest(self) -> tuple[list[Event], int]:
        """The same, of now."""
        events = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        missed, self.missed = self.missed, 0
        return events, missed
