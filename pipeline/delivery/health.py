"""How a component fares: its state, its last error, and whether it holds up the event loop. No I/O; the runtime shows it."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.cancellation import ComponentExit
from pipeline.errors import CaptureError, HttpipeError, InputError
from pipeline.model.snapshot import State

T = TypeVar("T")

SLOW_CALL_SECS = 0.1
"""One call that keeps the loop busy for longer delays every other component: worth a warning that names the component."""

SLOW_START_SECS = 2.0
"""Making and opening a component imports libraries and loads programs, which takes its time and is no fault."""


Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


MOST_TRACES = 100
"""Of one component."""

Place = tuple[type[BaseException], str, int]


class Health:
    """State of one component. ``restarts`` counts rebuilds, ``errors`` failed calls, ``busy_secs`` time inside its code.

    Several parts of it may be in trouble at once (the writers of a sink, its disk queue): it is well when all are.
    ``since`` is when (``time.perf_counter``) the call began that is inside its code right now, 0 where none is: a thread
    that sees the loop stand still reads it (``runtime.process.blocking``).
    """

    __slots__ = (
        "_ailing",
        "_log",
        "_traced",
        "blocked_secs",
        "busy_secs",
        "complaint",
        "error",
        "errors",
        "restarts",
        "since",
        "state",
    )

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._ailing: set[str] = set()
        self._traced: set[Place] = set()
        self.state = State.STARTING
        self.error = ""
        self.complaint = ""
        self.errors = 0
        self.restarts = 0
        self.busy_secs = 0.0
        self.blocked_secs = 0.0
        self.since = 0.0

    def ok(self, part: str = "") -> None:
        """It works (again), this part of it."""
        self._ailing.discard(part)
        if not self._ailing and self.state is not State.FINISHED:
            self.state = State.OK

    def trouble(self, error: BaseException | str, state: State = State.DEGRADED, part: str = "", *, traced: bool = False) -> None:
        """A call failed. One that has finished stays finished, whatever its closing says. ``traced``: the log has a traceback."""
        self._ailing.add(part)
        if self.state is not State.FINISHED:
            self.state = state
        self.note(error, traced=traced)

    def note(self, error: BaseException | str, *, traced: bool = False) -> None:
        """A call failed by what it was given, not by how the component fares."""
        self.errors += 1
        self.error = describe(error)
        if isinstance(error, BaseException) and not isinstance(error, HttpipeError) and not traced:
            self._trace(error)

    def _trace(self, error: BaseException) -> None:
        """The traceback, once for each place that raises. What is raised on purpose says all in words and has none."""
        if not self._log.isEnabledFor(logging.DEBUG):
            return
        place = _place(error)
        if place not in self._traced and len(self._traced) < MOST_TRACES:
            self._traced.add(place)
            self._log.debug("the traceback of an error", exc_info=error)

    def complain(self, sentence: str) -> None:
        """What the component itself says hinders it; "" when nothing does any more. Repeated or refined it is no news."""
        before, self.complaint = self.complaint, sentence
        if sentence and not before:
            self._log.warning(sentence)
        elif before and not sentence:
            self._log.info("recovered", extra={"was": before})

    def call(self, function: Callable[[], T], slow_secs: float = SLOW_CALL_SECS) -> T:
        """Call the component's code. Whatever it raises is an ``Exception``: it cannot end the run."""
        began = self.since = time.perf_counter()
        try:
            return function()
        except Exception:
            raise
        except BaseException as error:
            raise ComponentExit(error) from error
        finally:
            self.ran(time.perf_counter() - began, slow_secs)

    def ran(self, secs: float, slow_secs: float = SLOW_CALL_SECS) -> None:
        """A stretch of the component's code has ended that kept the loop for ``secs``."""
        self.since = 0.0
        self.busy_secs += secs
        if secs > slow_secs:
            self.blocked_secs = max(self.blocked_secs, secs)
            self._log.warning(
                "one call kept the whole pipeline waiting; components must not block",
                extra={"blocked_secs": round(secs, 3)},
            )


class Reported:
    """What has been reported of a trouble that goes on, so that not every attempt reports it. Bounded: they are constants."""

    __slots__ = ("_errors",)

    def __init__(self) -> None:
        self._errors: dict[str, str] = {}

    def is_news(self, sentence: str, error: BaseException | str) -> bool:
        """Whether this sentence was reported last with another error, or never. From now on it has been."""
        now = describe(error)
        before = self._errors.get(sentence)
        self._errors[sentence] = now
        return now != before

    def forget(self) -> None:
        """It works again: the next trouble is a new one."""
        self._errors.clear()


def describe(error: BaseException | str) -> str:
    """An error as one short line for people: with its type, but where the text is a sentence of ours on what was read or seen."""
    if isinstance(error, str):
        return error
    text = " ".join(str(error).split())[:500]
    name = type(error).__name__
    if text and isinstance(error, InputError | CaptureError):
        return text
    return f"{name}: {text}" if text else name


def _place(error: BaseException) -> Place:
    """What was raised, and where."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    return (type(error), frames.tb_frame.f_code.co_filename, frames.tb_lineno) if frames is not None else (type(error), "", 0)
