"""The tasks of a run: all in one group, each of them can be stopped by itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import msgspec
from anyio.abc import TaskGroup


class Task(msgspec.Struct):
    """A task that can be stopped by itself."""

    scope: anyio.CancelScope = msgspec.field(default_factory=anyio.CancelScope)
    ended: anyio.Event = msgspec.field(default_factory=anyio.Event)

    async def stop(self) -> None:
        """Cancel it and wait until it is gone."""
        self.scope.cancel()
        await self.ended.wait()


class Tasks:
    """``async with tasks.group():``, then ``start``. ``on_end`` is called whenever one has ended."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._group: TaskGroup | None = None
        self._closing = False

    @asynccontextmanager
    async def group(self) -> AsyncIterator[None]:
        """What still runs at the end is cancelled."""
        async with anyio.create_task_group() as self._group:
            try:
                yield
            finally:
                self._closing = True
            self._group.cancel_scope.cancel()

    def start(self, task: Task, run: Callable[[], Awaitable[None]]) -> None:
        """Begin. Raises ``RuntimeError`` outside of ``group``."""
        if self._group is None:
            raise RuntimeError("the engine is not running")
        if self._closing:  # a reload that is being finished while everything ends; anyio would never cancel such a task
            task.ended.set()
            return
        self._group.start_soon(self._supervise, task, run)

    async def _supervise(self, task: Task, run: Callable[[], Awaitable[None]]) -> None:
        try:
            with task.scope:
                await run()
        finally:
            task.ended.set()
            self._on_end()
