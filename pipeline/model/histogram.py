"""A histogram of seconds, counted once per batch. Plain numbers; the exposition reads them."""

from bisect import bisect_left

import msgspec

BOUNDS_SECS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""From what a quick sink needs after one wake-up to what a queue holds while its sink is away."""


class Histogram(msgspec.Struct):
    """How many observations fell below each bound; the last bucket has none."""

    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS_SECS) + 1))
    sum_secs: float = 0.0

    def observe(self, secs: float) -> None:
        """Count one observation."""
        self.buckets[bisect_left(BOUNDS_SECS, secs)] += 1
        self.sum_secs += secs

    @property
    def count(self) -> int:
        """Observations so far."""
        return sum(self.buckets)

    def quantile_secs(self, quantile: float) -> float | None:
        """Upper bound of the bucket that holds this quantile; None without observations, infinity in the last bucket."""
        wanted = quantile * self.count
        seen = 0
        for bound, count in zip((*BOUNDS_SECS, float("inf")), self.buckets, strict=True):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None
