"""Following a server for as long as a run lasts: begun again with backoff where it fails, and said once.

In: an attempt, which follows until something hinders it. Out: what hinders it, as the component's trouble. A run that ends before
the first attempt has told anything lets it come to an end, for a bounded time: also a short one says that nobody was there.
"""

import random
import time
from collections.abc import Awaitable, Callable

import anyio

from pipeline.api import Context

BACKOFF_SECS = (0.5, 30.0)
"""Bounds of the first wait and of every one; random below them, so that the hosts of a cluster do not come back all at once. The
wait behind an attempt that lasted longer than the second bound is a first one again."""
LAST_SECS = 2.0
"""For the first attempt, behind the end of the run."""


class Loop:
    """``run`` for ever. The attempt calls ``well`` whenever the server has told something.

    Counter: ``unreachable``, how often an attempt failed.

    ``faults`` are what an attempt may raise, ``explain`` makes a sentence of it; of None where the last attempt got no answer.
    """

    def __init__(
        self,
        attempt: Callable[[], Awaitable[None]],
        faults: tuple[type[Exception], ...],
        explain: Callable[[Exception | None], str],
        context: Context,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._attempt, self._faults, self._explain, self._context, self._sleep = attempt, faults, explain, context, sleep
        self._failures = 0
        self._told = False
        self._last: anyio.CancelScope | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await self._tried()
                await self._sleep(self._backoff_secs())
        except anyio.get_cancelled_exc_class():
            if not self._told:
                with anyio.move_on_after(LAST_SECS, shield=True) as self._last:
                    await self._tried()
                if not self._told:
                    self._context.trouble(self._explain(None))
            raise

    def well(self) -> None:
        """The server has told something."""
        self._told = True
        self._context.trouble("")
        if self._last is not None:
            self._last.cancel()

    async def _tried(self) -> None:
        began = time.monotonic()
        try:
            await self._attempt()
        except self._faults as error:
            if time.monotonic() - began > BACKOFF_SECS[1]:
                self._failures = 0
            self._told = True
            self._context.count("unreachable", 1)
            self._context.trouble(self._explain(error))

    def _backoff_secs(self) -> float:
        bound = min(BACKOFF_SECS[1], BACKOFF_SECS[0] * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return bound * random.random()  # noqa: S311
