"""Numbers of something over the last minutes, in steps of some seconds: how many, how many failed, how long they took. Pure.

Latencies are counted in classes of which each is a twelfth of a doubling, so that a percentile is right within 3 %.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

STEP_SECS = 5
STEPS = 180
"""15 minutes."""

PER_DOUBLING = 12
LEAST_MS = 0.001


class Point(NamedTuple):
    """One step. ``start_ms`` since 1970; latencies in ms, None where nothing was answered."""

    start_ms: int
    requests: int
    errors: int
    p50: float | None
    p95: float | None


class Step:
    """What happened in one step."""

    __slots__ = ("bytes", "count", "errors", "latencies", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.count = 0
        self.errors = 0
        self.bytes = 0
        self.latencies: dict[int, int] = {}

    def add(self, *, error: bool, size: int, ms: float | None) -> None:
        """One of them."""
        self.count += 1
        self.errors += error
        self.bytes += size
        if ms is not None:
            place = latency_class(ms)
            self.latencies[place] = self.latencies.get(place, 0) + 1

    def subtract(self, other: "Step") -> None:
        """Without those of another step."""
        self.count -= other.count
        self.errors -= other.errors
        self.bytes -= other.bytes
        for place, count in other.latencies.items():
            left = self.latencies[place] - count
            if left:
                self.latencies[place] = left
            else:
                del self.latencies[place]

    def quantile(self, share: float) -> float | None:
        """In ms."""
        wanted = share * sum(self.latencies.values())
        seen = 0
        for place in sorted(self.latencies):
            seen += self.latencies[place]
            if seen >= wanted:
                return float(LEAST_MS * 2 ** ((place + 0.5) / PER_DOUBLING))
        return None


def latency_class(ms: float) -> int:
    """Costs 0.2 µs."""
    return int(math.log2(ms / LEAST_MS) * PER_DOUBLING) if ms > LEAST_MS else 0


class Series:
    """Steps, and ``total`` over those that are kept."""

    __slots__ = ("_steps", "total")

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self.total = Step(0)

    def add(self, number: int, *, error: bool, size: int, ms: float | None) -> None:
        """One that belongs to this step. What comes late counts in the newest step."""
        if not self._steps or self._steps[-1].number < number:
            self._steps.append(Step(number))
        self._steps[-1].add(error=error, size=size, ms=ms)
        self.total.add(error=error, size=size, ms=ms)

    def expire(self, now: int) -> None:
        """Forget steps that are too old."""
        while self._steps and self._steps[0].number <= now - STEPS:
            self.total.subtract(self._steps.popleft())

    def rate(self, now: int) -> float:
        """A second, over the two last whole steps."""
        recent = [step.count for step in self._steps if now - 2 <= step.number < now]
        return sum(recent) / (2 * STEP_SECS)

    def counts(self, now: int) -> list[int]:
        """How many in each step, the oldest first."""
        found = [0] * STEPS
        for step in self._steps:
            if 0 <= now - step.number < STEPS:
                found[STEPS - 1 - (now - step.number)] = step.count
        return found

    def points(self, now: int) -> Sequence[Point]:
        """Every step, also those in which nothing happened."""
        by_number = {step.number: step for step in self._steps}
        found = []
        for number in range(now - STEPS + 1, now + 1):
            step = by_number.get(number) or Step(number)
            start = number * STEP_SECS * 1000
            found.append(Point(start, step.count, step.errors, step.quantile(0.5), step.quantile(0.95)))
        return found
