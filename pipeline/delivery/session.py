"""One sink's connection: opened, written to, closed, each within a time limit. Translates what a sink does into an outcome.

It never retries and never looks at a queue: the worker does. Several writers may share a session (``max_in_flight``): who
finds it closed opens it, and a failure closes it once, however many writers saw it.
"""

import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, TypeVar

import anyio

from pipeline.api import Event, Sink
from pipeline.cancellation import fault_of
from pipeline.delivery.health import SLOW_CALL_SECS, SLOW_START_SECS, Health

CLOSE_SECS = 5.0
"""A sink that hangs in ``aclose`` is left behind after this long; shutdown must end."""

T = TypeVar("T")


class Session:
    """A sink and whether it is open. ``make`` builds a fresh sink object after a fault."""

    def __init__(
        self,
        make: Callable[[], Sink],
        health: Health,
        open_timeout_secs: float,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        self._make = make
        self._health = health
        self._open_timeout_secs = open_timeout_secs
        self._sink: Sink | None = None
        self._on_open = on_open
        self._opened = False
        self.was_opened = False
        self._lock = anyio.Lock()
        self.close_secs = CLOSE_SECS
        self.generation = 0

    @property
    def opened(self) -> bool:
        """Whether ``write`` may be called."""
        return self._opened

    async def ensure_open(self, *, check: bool = False) -> None:
        """Open the sink unless it is open; ``check`` asks a new one first whether its other end can take events.

        Raises what the sink raises, or ``TimeoutError``.
        """
        async with self._lock:
            if self._opened:
                return
            if self._sink is None:
                self._sink = self._health.call(self._make, SLOW_START_SECS)
            with anyio.fail_after(self._open_timeout_secs):
                await timed(self._sink.open(), self._health, SLOW_START_SECS)
            if check:
                await self._check(self._sink)
            self._opened = self.was_opened = True
            self.generation += 1
        self._on_open()

    async def _check(self, sink: Sink) -> None:
        """One that fails is closed before anybody else may try to open it."""
        try:
            with anyio.fail_after(self._open_timeout_secs):
                await timed(sink.healthcheck(), self._health)
        except BaseException:
            await self._close(sink)
            raise

    async def write(self, events: Sequence[Event]) -> None:
        """Write one batch to the open sink."""
        if self._sink is None:
            raise RuntimeError("write to a sink that is not open")
        await timed(self._sink.write(events), self._health)

    async def reset(self, generation: int, *, rebuild: bool) -> None:
        """Close what was open as ``generation``, unless another writer already did. ``rebuild`` also forgets the object."""
        async with self._lock:
            if generation != self.generation or self._sink is None:
                return
            self.generation += 1
            self._opened = False
            sink = self._sink
            if rebuild:
                self._sink = None
                self._health.restarts += 1
            await self._close(sink)

    async def aclose(self) -> None:
        """Close for good. Never hangs, never raises but for cancellation."""
        sink, self._sink = self._sink, None
        self._opened = False
        if sink is not None:
            await self._close(sink)

    async def _close(self, sink: Sink) -> None:
        with anyio.move_on_after(self.close_secs, shield=True) as scope:
            try:
                await timed(sink.aclose(), self._health)
            except Exception as error:  # noqa: BLE001  a plugin's fault while closing must not stop the others
                self._health.trouble(error)
        self._health.complaint = ""  # it was this object's
        if scope.cancelled_caught:
            self._health.trouble(f"did not close within {self.close_secs:g} s")


class timed(Awaitable[T]):  # noqa: N801  used like a function: ``await timed(sink.write(batch), health)``
    """Await a coroutine as ``guarded`` does, and tell ``health`` when it is inside and how long each stretch kept the loop.

    This is the only place where a sink that blocks (``time.sleep``, a synchronous client) can be told from one that waits: a
    loop that stalls does not say who stalled it. Costs about 1 µs a call.
    """

    __slots__ = ("_awaitable", "_health", "_slow_secs")

    def __init__(self, awaitable: Awaitable[T], health: Health, slow_secs: float = SLOW_CALL_SECS) -> None:
        self._awaitable = awaitable
        self._health = health
        self._slow_secs = slow_secs

    def __await__(self) -> Generator[Any, Any, T]:
        """Step the coroutine as ``yield from`` would, with a stopwatch."""
        steps: Any = self._awaitable.__await__()
        health, slow_secs, clock = self._health, self._slow_secs, time.perf_counter
        resume: Callable[..., Any] = steps.send
        argument: Any = None
        while True:
            began = health.since = clock()
            try:
                waiting_for = resume(argument)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            except BaseException as error:
                fault = fault_of(error)
                if fault is error:
                    raise
                raise fault from error
            finally:
                health.ran(clock() - began, slow_secs)
            try:
                argument = yield waiting_for
                resume = steps.send
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001  handed to the coroutine, as ``yield from`` does
                argument = error
                resume = steps.throw
