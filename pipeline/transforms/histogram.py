"""Rate, errors and duration of one group of requests: the three numbers of the RED method, as totals and as a distribution.

Quantiles come from buckets that grow by 4 %, so a quantile is off by 2 % at most, whatever the durations are; the histogram's
bounds are those of OpenTelemetry's ``http.server.request.duration``, in milliseconds.
"""

from math import ceil, exp, log
from typing import ClassVar

from pipeline.model.histogram import Histogram

BOUNDS_MS = (5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10_000.0)

GROWTH = log(1.04)
SMALLEST_MS, LARGEST_MS = 0.001, 1e9
"""A microsecond and eleven days: 700 buckets at the very most, and a group has those that it uses."""


class Durations(Histogram):
    """Of requests, in milliseconds."""

    bounds: ClassVar[tuple[float, ...]] = BOUNDS_MS


class Red:
    """Counts requests, errors and durations. An event that stands for several (``sample``) counts as so many."""

    __slots__ = ("durations", "errors", "fine", "largest", "requests", "timed")

    def __init__(self) -> None:
        self.requests = 0.0
        self.errors = 0.0
        self.timed = 0.0
        self.largest = 0.0
        self.durations = Durations()
        self.fine: dict[int, float] = {}

    def add(self, duration_ms: float | None, *, error: bool, stands_for: float = 1.0) -> None:
        """Count one event. A negative duration (clocks do step) counts as none at all."""
        self.requests += stands_for
        if error:
            self.errors += stands_for
        if duration_ms is None or not 0 <= duration_ms <= LARGEST_MS:
            return
        self.timed += stands_for
        self.largest = max(self.largest, duration_ms)
        self.durations.observe(duration_ms, stands_for)
        index = ceil(log(max(duration_ms, SMALLEST_MS)) / GROWTH)
        self.fine[index] = self.fine.get(index, 0.0) + stands_for

    def merge(self, other: "Red") -> None:
        """Add another's counts."""
        self.requests += other.requests
        self.errors += other.errors
        self.timed += other.timed
        self.largest = max(self.largest, other.largest)
        self.durations.merge(other.durations)

    def quantile_ms(self, quantile: float) -> float | None:
        """The duration below which this share of the requests stayed, within 2 %. None where none had a duration."""
        wanted = quantile * self.timed
        seen = 0.0
        for index in sorted(self.fine):
            seen += self.fine[index]
            if seen >= wanted:
                return round(min(exp((index - 0.5) * GROWTH), self.largest), 3)
        return None
