"""Histograms with fixed bounds: numbers only; whoever shows them reads them."""

from bisect import bisect_left
from typing import ClassVar, Self

import msgspec

BOUNDS_SECS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From what a quick sink needs after one wake-up to what a queue holds while its sink is away."""


class Histogram(msgspec.Struct):
    """How many observations fell between each bound and the one below it; the last bucket has no bound.

    Bounds, observations and ``sum`` have one unit: seconds here. A class with other bounds is another histogram.
    """

    bounds: ClassVar[tuple[float, ...]] = BOUNDS_SECS

    buckets: list[float] = []
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.buckets = self.buckets or [0] * (len(self.bounds) + 1)

    def observe(self, value: float, stands_for: float = 1) -> None:
        """Count one observation, or as many as it stands for."""
        self.buckets[bisect_left(self.bounds, value)] += stands_for
        self.sum += value * stands_for

    @property
    def count(self) -> float:
        """Observations so far."""
        return sum(self.buckets)

    def merge(self, other: Self) -> None:
        """Add another's observations."""
        self.buckets = [mine + theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)]
        self.sum += other.sum

    def cumulative(self) -> tuple[tuple[float, float], ...]:
        """Each bound, and how many observations are up to it."""
        seen = 0.0
        pairs = []
        for bound, count in zip(self.bounds, self.buckets, strict=False):
            seen += count
            pairs.append((bound, seen))
        return tuple(pairs)

    def quantile(self, quantile: float) -> float | None:
        """Upper bound of the bucket that holds this quantile; None without observations, infinity in the last bucket."""
        wanted = quantile * self.count
        seen = 0.0
        for bound, count in zip((*self.bounds, float("inf")), self.buckets, strict=True):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None
