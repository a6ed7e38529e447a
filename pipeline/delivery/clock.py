"""The clock and the dice, handed in: tests bring a clock that never sleeps and dice that are seeded."""

import random
import time
from collections.abc import Awaitable, Callable

import anyio
import msgspec


class Clock(msgspec.Struct, frozen=True):
    """``monotonic`` in seconds for intervals, ``now_ns`` wall clock in nanoseconds for events, ``random`` in [0, 1)."""

    monotonic: Callable[[], float] = time.monotonic
    now_ns: Callable[[], int] = time.time_ns
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    random: Callable[[], float] = random.random


class Backoff(msgspec.Struct):
    """Waits that grow: random between 0 and a bound that doubles up to ``maximum_secs`` (full jitter).

    Full jitter spreads the retries of many clients evenly, which plain doubling does not (Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015).
    """

    initial_secs: float
    maximum_secs: float
    random: Callable[[], float]
    failures: int = 0

    def next_secs(self) -> float:
        """How long to wait after one more failure."""
        bound = min(self.maximum_secs, self.initial_secs * 2.0 ** min(self.failures, 40))
        self.failures += 1
        return bound * self.random()

    def reset(self) -> None:
        """It works again."""
        self.failures = 0
