"""Who holds up the event loop, and where in its code: found from another thread, which a loop that stands does not hold up.

In: the components with the moment at which a call into each began (``Health.since``), and how long ago the loop turned. Out: a
``Blockage``, and log lines while it lasts. It only reads, and costs the calls themselves nothing.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType

import msgspec

from pipeline.delivery.health import Health
from pipeline.telemetry.logs import ComponentLog

FIRST_SECS = 2.0
"""A call that has kept the loop for so long is named though it still goes on; then again after twice as long, and so on."""

BEAT_SECS = 1.0
"""How often the loop shows that it turns."""

LOG_SECS = 1.0
"""For a line of the log to be written."""

ENGINE = ("pipeline.runtime.", "pipeline.delivery.", "pipeline.cancellation")
"""Modules that call components; what stands above them on the stack is the component."""


class Watched(msgspec.Struct, frozen=True):
    """A component: the package that its code is in, its health and its log."""

    package: str
    health: Health
    log: ComponentLog


class Blockage(msgspec.Struct, frozen=True):
    """A loop that stands since ``since`` (``time.perf_counter``). ``health`` is None where it is no component that holds it."""

    since: float
    secs: float
    at: str
    log: ComponentLog
    health: Health | None

    @property
    def fields(self) -> dict[str, object]:
        """For a log line."""
        return {"blocked_secs": round(self.secs, 1), "at": self.at}


def log_briefly(log: Callable[[], None]) -> None:
    """Write to the log, but do not wait for ever: whoever reads it may have stopped, and the loop may stand for just that."""
    writing = threading.Thread(target=log, name="httpipe-last-words", daemon=True)
    writing.start()
    writing.join(LOG_SECS)


class Blocking:
    """Looks at the loop it was made in. ``look`` may be called from any thread, one at a time."""

    def __init__(self, components: Callable[[], Iterable[Watched]]) -> None:
        self._components = components
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._log = ComponentLog("")
        self._turned = self._looked = time.perf_counter()
        self._reported: Blockage | None = None
        self._beating = self._loop.call_soon(self._beat)

    def close(self) -> None:
        """The loop is about to end."""
        self._beating.cancel()

    def look(self) -> None:
        """Report who holds the loop, at growing distances, and when it runs again."""
        now = time.perf_counter()
        late, self._looked = now - self._looked > BEAT_SECS + FIRST_SECS, now
        if late:  # the whole process was stopped, or whoever holds the loop let no thread run: the clock shows nothing
            return
        found, reported = self.find(), self._reported
        if reported is not None and (found is None or found.since != reported.since):
            self._reported = None
            if reported.health is None:  # the end of a call into a component is reported by its health
                log_briefly(partial(self._log.warning, "the event loop is running again"))
        if found is not None and (self._reported is None or found.secs >= 2 * self._reported.secs):
            self._reported = found
            sentence = "blocks the whole pipeline: nothing else runs until this call returns"
            log_briefly(partial(found.log.error, sentence, extra=found.fields))

    def find(self, least_secs: float = FIRST_SECS) -> Blockage | None:
        """Who holds the loop for so long or longer; None where it turns."""
        now = time.perf_counter()
        calls = [(since, each) for each in self._components() if (since := each.health.since)]
        since, holder = min(calls, key=lambda call: call[0], default=(self._turned + BEAT_SECS, None))
        if now - since < least_secs:
            return None
        at = _where(self._thread, holder.package if holder else "")
        return Blockage(since, now - since, at, holder.log if holder else self._log, holder.health if holder else None)

    def _beat(self) -> None:
        self._turned = time.perf_counter()
        self._beating = self._loop.call_later(BEAT_SECS, self._beat)


def _where(thread: int, package: str) -> str:
    """The innermost line of the package's own code, and the innermost of all, where that is another."""
    stack = list(_frames(sys._current_frames().get(thread)))  # noqa: SLF001  documented, for debuggers
    if not stack:
        return "unknown"
    own = next((frame for frame in stack if _module(frame).partition(".")[0] == package and not _is_engine(frame)), stack[0])
    inside = "" if own is stack[0] else f", inside {_line(stack[0])}"
    return _line(own) + inside


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_engine(frame: FrameType) -> bool:
    return _module(frame).startswith(ENGINE)


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
