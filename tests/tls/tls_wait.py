"""Waiting for what other processes do, which nothing here is told of."""

import time
from collections.abc import Callable

WAIT_SECS = 30


def until(condition: Callable[[], bool]) -> None:
    """Look again and again, not for ever."""
    deadline = time.monotonic() + WAIT_SECS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)
