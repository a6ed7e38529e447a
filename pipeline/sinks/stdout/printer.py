"""Whole batches of bytes to a file descriptor that others share: standard output.

In: one buffer at a time. Out: all of it, in one piece, whatever the descriptor is: terminal, pipe, socket or file. It never
blocks the event loop, never writes a byte twice and never tears a batch: a cancelled or failed write goes on where it stopped.

A thread does the writing. ``O_NONBLOCK`` would be seen by every process that shares the descriptor (it belongs to the open file,
open(2)), reopening ``/proc/self/fd/1`` fails on sockets and after privileges were dropped, and poll(2) promises no room
for more than one byte. The thread is a daemon of our own, because a pool's thread that hangs in a stopped terminal (Ctrl-S)
would hold up the end of the process.
"""

import asyncio
import contextlib
import os
import queue
import threading

import anyio

_CHUNK = 1 << 16
"""A pipe's default size: larger writes gain nothing and notice errors later."""

_TURN = threading.Lock()
"""Held for a whole batch, so that two sinks on the same standard output do not mix their lines."""


class Printer:
    """Writes to ``fd``; closes nothing, since the descriptor is not ours."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = memoryview(b"")
        self._error: OSError | None = None
        self._idle: anyio.Event | None = None
        self._turns: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, anyio.Event] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, data: bytes | bytearray) -> None:
        """Give it the next batch. Only after ``finish``."""
        self._rest = memoryview(data)
        self._idle = None

    async def finish(self) -> None:
        """Wait until the batch is written. Cancelled: writing goes on, wait again. Failed: call again to try the rest."""
        if self._idle is None:
            self._start_turn()
        assert self._idle is not None  # noqa: S101  set just above
        await self._idle.wait()
        self._idle = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    @property
    def done(self) -> bool:
        """Whether everything is written."""
        return not self._rest

    def stop(self) -> None:
        """Let the thread end after what it is doing."""
        if self._thread is not None:
            self._turns.put(None)
            self._thread = None

    def _start_turn(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="stdout", daemon=True)
            self._thread.start()
        self._idle = anyio.Event()
        self._turns.put((asyncio.get_running_loop(), self._idle))

    def _work(self) -> None:
        while (turn := self._turns.get()) is not None:
            try:
                with _TURN:
                    self._write_rest()
            except OSError as error:
                self._error = error
            loop, idle = turn
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(idle.set)

    def _write_rest(self) -> None:
        while self._rest:
            written = os.write(self.fd, self._rest[:_CHUNK])
            self._rest = self._rest[written:]
