"""Whose cancellation it is: the engine's own passes through, one from inside a component is that component's fault.

Whoever awaits a task or a future of a library that was cancelled gets ``CancelledError``, as if it had been cancelled itself.
Taken for the engine's, such an error ends tasks that nobody ended, and says nothing. So everything that awaits a component, or
a library on its behalf, does it through ``guarded``.
"""

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

import anyio

T = TypeVar("T")


class ForeignCancellation(Exception):  # noqa: N818  says what happened
    """``CancelledError`` came out of a component although nobody had cancelled it."""

    def __init__(self) -> None:
        super().__init__("what it waited for was cancelled (asyncio.CancelledError), though nobody stopped the component")


def being_cancelled() -> bool:
    """Whether the current task is being cancelled from outside: by a scope around it, or itself where no scope started it.

    A task of a task group is only ever cancelled through its scope; what its own code does to it does not count.
    """
    if anyio.current_effective_deadline() == -math.inf:
        return True
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0 and anyio.get_current_task().parent_id is None


async def guarded(work: Awaitable[T]) -> T:
    """Await it. Raises ``ForeignCancellation`` for a ``CancelledError`` that is not the caller's own cancellation."""
    try:
        return await work
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise ForeignCancellation from error
