"""Ends that cancellation may not cut short: starting and stopping an aiokafka client. Each is bounded in time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import anyio

from pipeline.cancellation import guarded

T = TypeVar("T")

GRACE_SECS = 1.0
"""How long a start that is no longer wanted may go on, to end at a place where nothing is left open."""


async def patiently(work: Coroutine[Any, Any, T]) -> T:
    """Await it; when cancelled meanwhile, let it come to its end for a moment.

    aiokafka that is cancelled while it asks the first broker for metadata leaves that connection open.
    """
    task = asyncio.create_task(work)
    try:
        return await guarded(asyncio.shield(task))
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await asyncio.wait([task], timeout=GRACE_SECS)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        raise


async def finish(work: Awaitable[object], secs: float) -> bool:
    """Run something to its end, for at most ``secs``, although the caller may be cancelled meanwhile. True: it ended well."""
    with anyio.move_on_after(secs, shield=True):
        try:
            await guarded(work)
        except Exception:  # noqa: BLE001  it was to end, and it has
            return False
        return True
    return False
