"""A thread beside the event loop: receives signals, sees who holds the loop, and ends a process that cannot end by itself.

A loop that a component holds answers no signal and sees no time limit. So signals are read here: Python's C handler writes
each into a socket (``signal.set_wakeup_fd``) whatever the main thread is doing, and this thread passes it to the loop. What it
cannot do is run while C code keeps Python's lock (the GIL): no Python thread can. Once the run was asked to end, faulthandler's
timer, which needs no lock, ends the process then.
"""

import asyncio
import errno
import faulthandler
import os
import select
import signal
import socket
import termios
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn, Self

from pipeline.runtime.engine import Engine
from pipeline.runtime.process.blocking import FIRST_SECS, Blockage, Blocking, log_briefly
from pipeline.telemetry.logs import ComponentLog

LOOK_SECS = 1.0
"""How often the thread looks at the loop."""

REACTION_SECS = 1.0
"""A loop that turns takes notice of a signal within milliseconds."""

HARD_STOP_SECS = 3.0
"""After a second signal the process ends so long after at the latest (exit code 74), and at once where the loop stands."""

STOPS = (signal.SIGINT, signal.SIGTERM)


class Overseer:
    """``with Overseer(engine, …)``: inside the loop's thread, around everything from opening to closing.

    ``on_stop`` is called in the loop with the first signal that asks for an end, ``on_reload`` with each SIGHUP, unless that one
    says that the terminal is gone: then nobody is left who could end the run. SIGINT stays ignored where the parent ignores it
    (nohup, ``&`` in a shell without job control). With ``handle_signals`` the signals are the run's for good: afterwards the
    first of a kind is passed over, since the run has ended anyway, and the next ends the process.
    """

    def __init__(
        self, engine: Engine, *, on_stop: Callable[[int], None], on_reload: Callable[[], None], handle_signals: bool
    ) -> None:
        self._engine = engine
        self._on_stop = on_stop
        self._on_reload = on_reload
        self._numbers = _heeded() if handle_signals else ()
        self._log = ComponentLog("")
        self._blocking = Blocking(engine.watched)
        self._call_soon = asyncio.get_running_loop().call_soon_threadsafe
        self._thread = threading.Thread(target=self._run, name="httpipe-overseer", daemon=True)
        self._stopped = False
        self._asked_at: float | None = None
        self._leave_at: float | None = None
        self._reported_waiting = False

    def limit(self, secs: float) -> None:
        """The run will be asked to end in so many seconds, from within the loop (``--for``)."""
        self._ask(time.monotonic() + secs)

    def __enter__(self) -> Self:
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        if self._numbers:
            for number in self._numbers:
                signal.signal(number, _heard)
            self._wakeup = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
            if not faulthandler.is_enabled():
                faulthandler.enable(file=2)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._numbers:
            for number in self._numbers:
                signal.signal(number, _late)
            signal.set_wakeup_fd(self._wakeup)
        self._blocking.close()
        self._writing.close()
        self._thread.join()
        self._reading.close()
        if self._numbers:
            faulthandler.cancel_dump_traceback_later()  # last: the thread winds it up until it ends

    # ---- in the thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            if select.select([self._reading], [], [], LOOK_SECS)[0]:
                numbers = self._reading.recv(64)
                if not numbers:
                    return
                for number in numbers:
                    self._hear(number)
            try:
                self._look()
            except Exception as error:  # noqa: BLE001  a fault of ours must not cost the signals
                log_briefly(partial(self._log.error, "internal error while looking at the event loop", exc_info=error))

    def _hear(self, number: int) -> None:
        if number == signal.SIGHUP and not _terminal_closed():
            self._call_soon(self._on_reload)
        elif number in self._numbers and self._leave_at is None:
            if self._stopping():
                self._stop_now()
            else:
                self._stopped = True
                self._ask(time.monotonic())
                self._call_soon(self._on_stop, number)

    def _stopping(self) -> bool:
        """Whether the run was asked to end already: by a signal, or because ``--for`` is over."""
        return self._stopped or self._engine.stopping

    def _stop_now(self) -> None:
        """The second signal: a loop that turns ends in good order, without draining; one that stands is not waited for."""
        noticed = threading.Event()
        self._call_soon(self._engine.stop_now)
        self._call_soon(noticed.set)
        if not noticed.wait(REACTION_SECS):
            self._leave("second signal: this call is still running; exiting", blocked_secs=0.0)
        self._leave_at = time.monotonic() + HARD_STOP_SECS

    def _look(self) -> None:
        self._blocking.look()
        now = time.monotonic()
        if self._leave_at is not None and now >= self._leave_at:
            self._leave(f"the run has not ended within {HARD_STOP_SECS:g} s of the second signal; exiting")
        if self._asked_at is None:
            return
        self._ask(self._asked_at)
        found = self._blocking.find()
        if found is not None and now >= self._asked_at:
            self._wait_for(found)
            if now >= self._asked_at + self._patience():
                self._leave("shutdown timed out: this call is still running; exiting")

    def _ask(self, at: float) -> None:
        """The run is asked to end at this moment. As long as threads run, faulthandler's timer is set again in time."""
        self._asked_at = at
        if self._numbers:
            rest = max(0.0, at - time.monotonic()) + self._patience() + HARD_STOP_SECS
            faulthandler.dump_traceback_later(rest, file=2, exit=True)

    def _patience(self) -> float:
        return self._engine.graph.plan.process.shutdown_timeout_secs + HARD_STOP_SECS

    def _wait_for(self, blockage: Blockage) -> None:
        if not self._reported_waiting:
            self._reported_waiting = True
            wait = "shutting down: waiting for this call to return; shutdown_timeout_secs or a second signal ends the process"
            log_briefly(partial(blockage.log.warning, wait, extra=blockage.fields))

    def _leave(self, sentence: str, blocked_secs: float = FIRST_SECS) -> NoReturn:
        """Not before the log line is written, unless nobody takes it. What disk queues hold is safe: their commits are synced."""
        found = self._blocking.find(blocked_secs)
        left = {"lost_events": self._engine.graph.events_in_memory()}
        fields = {**(found.fields if found else {}), **left}
        log_briefly(partial((found.log if found else self._log).error, sentence, extra=fields))
        os._exit(os.EX_IOERR)


def _heeded() -> tuple[signal.Signals, ...]:
    """Those that the run answers."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGHUP) if ignored else (*STOPS, signal.SIGHUP)


def _terminal_closed() -> bool:
    """Whether a standard stream is a terminal that was hung up."""
    return any(map(_hung_up, (0, 1, 2)))


def _hung_up(stream: int) -> bool:
    """A terminal has no attributes any more then (EIO); what is none has never had any (ENOTTY)."""
    try:
        termios.tcgetattr(stream)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def _heard(_number: int, _frame: object) -> None:
    """There must be a handler in Python for C's to run; the thread reads what that one writes."""


def _late(number: int, _frame: object) -> None:
    """The run has ended, and the process is about to: nothing is left to stop, unless it does not come to its end."""
    signal.signal(number, signal.SIG_DFL)
