"""The event loop of a run: ``sys.exit()`` in a task or a callback of a library ends that task, not the loop.

asyncio stores ``SystemExit`` in the task that raised it, and then raises it out of the loop as well. The loop is whole by then:
whoever awaits the task gets the error, and is dealt with as any component that fails (``pipeline.cancellation``).
"""

import asyncio
from typing import Any

from pipeline.telemetry.logs import ComponentLog


class EventLoop(asyncio.SelectorEventLoop):
    """Runs on until what it was asked to complete is complete."""

    def run_until_complete(self, future: Any) -> Any:  # noqa: ANN401  as the base
        """As the base, but for ``SystemExit`` out of anything else than ``future`` itself."""
        task = asyncio.ensure_future(future, loop=self)
        while True:
            try:
                return super().run_until_complete(task)
            except SystemExit as error:
                if task.done():
                    raise
                ComponentLog("").error(
                    "a task or a callback of a component called sys.exit(), which ends that task only", extra={"code": str(error)}
                )
