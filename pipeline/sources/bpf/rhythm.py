"""When a live source looks into its ring, and what it says of connections that are left out: of packets and of probes alike.

In: a ring, and what its kernel side may wake us for. Nothing is read here. With traffic it is looked at every 50 ms or when
a batch has come, whichever comes first; when nothing flows it sleeps until the next record.
"""

from typing import Protocol

import anyio

from pipeline.api import Context
from pipeline.sources.bpf import abi

TICK_SECS = 0.05
"""While traffic flows: how long a record waits in the ring at most, unless so much comes that the kernel wakes us before."""

IDLE_TICK_SECS = 0.5
"""While nothing flows: for counters, and for ranges that went quiet."""

IDLE_AFTER = 10
"""Ticks without a record until the source sleeps."""

COUNT_SECS = 1.0
"""How often counters are read."""


class Ring(Protocol):
    """Of a capture."""

    def rearm(self) -> None:
        """Forget that the kernel woke us."""

    def waiting_bytes(self) -> int:
        """How much there is to read."""

    def fileno(self) -> int:
        """Readable when the kernel has woken us."""


class Program(Protocol):
    """The kernel's side."""

    def want(self, want: int) -> None:
        """What it may wake us for, once: a ``Want``, or so many bytes in the ring."""

    def kept(self) -> float:
        """The share of all connections that it captures now."""


class Rhythm:
    """One for each run of a source. ``wake_bytes`` in the ring are a batch; ``what`` names the traffic in the log."""

    def __init__(self, context: Context, what: str) -> None:
        self._log = context.log
        self._what = what
        self._empty_ticks = 0
        self._shedding = False
        self._sleep: anyio.CancelScope | None = None
        self.stopped = False

    def stop(self) -> None:
        """``wait`` ends, and is not to be called again."""
        self.stopped = True
        if self._sleep is not None:
            self._sleep.cancel()

    async def wait(self, ring: Ring, program: Program, wake_bytes: int, *, found: bool, busy: bool) -> None:
        """Until the kernel wakes us, or the tick is over; not at all where a batch is there.

        ``found``: whether the last look brought something; ``busy``: whether something is kept back that a tick must look at.
        """
        self._empty_ticks = 0 if found else self._empty_ticks + 1
        if self.stopped or ring.waiting_bytes() >= wake_bytes:
            return
        asleep = self._empty_ticks >= IDLE_AFTER and not busy
        ring.rearm()
        program.want(abi.Want.ANY if asleep else wake_bytes)
        if asleep and ring.waiting_bytes():
            return  # it came just before the kernel knew that we want to be woken
        with anyio.move_on_after(IDLE_TICK_SECS if asleep else TICK_SECS) as self._sleep:
            await anyio.wait_readable(ring.fileno())
        program.want(abi.Want.NOTHING)

    def report_shedding(self, program: Program) -> None:
        """Log when connections begin to be left out, and when that is over."""
        kept = program.kept()
        if (kept < 1) == self._shedding:
            return
        self._shedding = not self._shedding
        if self._shedding:
            self._log.warning(
                "more %s than can be read in time: whole connections are left out, and counted as shed_connections and "
                "shed_requests",
                self._what,
                extra={"captured_now": f"{kept:.0%}"},
            )
        else:
            self._log.info("every connection is captured again")
