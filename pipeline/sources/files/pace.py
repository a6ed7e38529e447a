"""``speed = "realtime"``: the same items at the pace of their time stamps."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import anyio

PACE_NS = 10_000_000
"""Items due within 10 ms go together: closer than that a timer of the event loop does not keep time."""

Item = TypeVar("Item")


async def paced(lists: AsyncIterator[Sequence[Item]], time_ns: Callable[[Item], int]) -> AsyncIterator[Sequence[Item]]:
    """Each item waits until as much time has passed as between it and the first. Time that runs backwards is not a pause."""
    begin_ns: int | None = None
    begin = anyio.current_time()
    async for items in lists:
        due: list[Item] = []
        for item in items:
            if begin_ns is None:
                begin_ns = time_ns(item)
            wait_ns = time_ns(item) - begin_ns - int((anyio.current_time() - begin) * 1e9)
            if wait_ns > PACE_NS:
                yield due
                due = []
                await anyio.sleep(wait_ns / 1e9)
            due.append(item)
        yield due
