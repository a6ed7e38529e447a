"""What leaves a component besides an ``Exception``: whose cancellation it is, and that nothing else ends the run.

Whoever awaits a task or a future of a library that was cancelled gets ``CancelledError``, as if it had been cancelled itself.
Taken for the engine's, such an error ends tasks that nobody ended, and says nothing. ``SystemExit`` and ``KeyboardInterrupt``
end the event loop, and a panic of a Rust extension passes ``except Exception``. So everything that awaits a component, or a
library on its behalf, does it through ``guarded``, and from there on a component's fault is an ``Exception``.
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


class ComponentExit(Exception):  # noqa: N818  says what happened
    """A component raised what would end the process: ``sys.exit()``, ``KeyboardInterrupt``, a panic of an extension."""

    def __init__(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):  # out of a task group of the component's own
            error = error.exceptions[0]
        super().__init__(f"raised {type(error).__name__}({error}), which ends this component, not the run")


def being_cancelled() -> bool:
    """Whether the current task is being cancelled from outside: by a scope around it, or itself where no scope started it.

    A task of a task group is only ever cancelled through its scope; what its own code does to it does not count.
    """
    if anyio.current_effective_deadline() == -math.inf:
        return True
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0 and anyio.get_current_task().parent_id is None


def fault_of(error: BaseException) -> BaseException:
    """The fault that this is of the component it came out of; the same error where it is an ordinary one or the engine's own."""
    match error:
        case asyncio.CancelledError():
            return error if being_cancelled() else ForeignCancellation()
        case Exception() | GeneratorExit():
            return error
        case _:
            return ComponentExit(error)


async def guarded(work: Awaitable[T]) -> T:
    """Await it. Raises an ``Exception`` for whatever goes wrong inside; only the caller's own cancellation passes as it is."""
    try:
        return await work
    except BaseException as error:
        fault = fault_of(error)
        if fault is error:
            raise
        raise fault from error
