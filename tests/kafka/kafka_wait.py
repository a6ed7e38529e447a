"""Waiting for a condition, with a limit."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], secs: float = 30) -> None:
    """Return when the condition holds; ``TimeoutError`` when it does not in time."""
    async with asyncio.timeout(secs):
        while not condition():  # noqa: ASYNC110  the condition belongs to somebody who tells nobody
            await asyncio.sleep(0.02)
