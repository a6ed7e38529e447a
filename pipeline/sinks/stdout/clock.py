"""Local time of day: what somebody at a terminal compares with the clock. Pure but for the time zone."""

import time
from functools import lru_cache


def time_of_day(timestamp_ns: int, digits: int = 3) -> str:
    """``12:04:05.123``, with so many digits of the second's fraction, 9 at most."""
    seconds, fraction = divmod(timestamp_ns, 1_000_000_000)
    return f"{local_second(seconds)}.{fraction // 10 ** (9 - digits):0{digits}d}" if digits else local_second(seconds)


@lru_cache(maxsize=64)
def local_second(seconds: int) -> str:
    """``12:04:05``."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "--:--:--"
