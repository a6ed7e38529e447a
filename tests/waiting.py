"""Waiting for what others do, which nothing here is told of: looked at again and again, not for ever."""

import time
from collections.abc import Callable

import anyio

WAIT_SECS = 30


def until(condition: Callable[[], object]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + WAIT_SECS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)


async def until_async(condition: Callable[[], object], secs: float = WAIT_SECS) -> None:
    """The same, while other tasks run. Raises ``TimeoutError``."""
    with anyio.fail_after(secs):
        while not condition():  # noqa: ASYNC110  the condition belongs to somebody who tells nobody
            await anyio.sleep(0.02)
