"""The time that decoders' time-outs go by: the wall clock, but a step of it forward does not make everything overdue at once.

Records carry wall-clock times, so a clock that is set an hour ahead (or a virtual machine that slept) would time out every
open request and forget every connection. Such a step is held back for as long as a decoder may keep a silent connection;
whatever is alive has records with the new time by then. A step back needs nothing: time-outs come later, tables are bounded.
"""

from collections import deque
from collections.abc import Callable

STEP_NS = 2_000_000_000
"""NTP slews at most 0.5 ms a second; two seconds between two ticks is a step."""

HOLD_SECS = 600.0
"""Twice the default time-out of an idle connection."""


class SteadyNow:
    """Asked about once a second."""

    def __init__(self, now_ns: Callable[[], int], monotonic: Callable[[], float], stepped: Callable[[float], None]) -> None:
        self._now_ns = now_ns
        self._monotonic = monotonic
        self._stepped = stepped
        self._last = (now_ns(), monotonic())
        self._held: deque[tuple[float, int]] = deque()

    def __call__(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, less the steps of the last ten minutes."""
        wall, mono = self._now_ns(), self._monotonic()
        step = wall - self._last[0] - int((mono - self._last[1]) * 1e9)
        self._last = (wall, mono)
        if abs(step) > STEP_NS:
            self._stepped(step / 1e9)
        if step > STEP_NS:
            self._held.append((mono, step))
        while self._held and mono - self._held[0][0] > HOLD_SECS:
            self._held.popleft()
        return wall - sum(each for _, each in self._held)
