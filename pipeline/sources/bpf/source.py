"""The ``bpf`` source: segments of this host's HTTP connections, live.

Waits for the kernel, drains whole batches, passes counters on. It never waits for a sink and never raises on traffic.
The kernel wakes it for a batch, not for a record: while traffic flows it looks every 20 ms or at 64 KiB, whichever
comes first; when nothing flows it sleeps until the next record.
"""

import time
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from pipeline.api import Context, Emits, RecordBatch, Source
from pipeline.model.records import Segment
from pipeline.sources.bpf import abi, kernel, rights
from pipeline.sources.bpf.attach import check_interfaces
from pipeline.sources.bpf.capture import Capture, load_program
from pipeline.sources.bpf.config import BpfConfig

TICK_SECS = 0.02
"""While traffic flows: how long a record waits in the ring at most, unless so much comes that the kernel wakes us before."""

IDLE_TICK_SECS = 0.5
"""While nothing flows: for counters, and for ranges that went quiet."""

IDLE_AFTER = 10
"""Ticks without a record until the source sleeps."""

SWEEP_SECS = 0.1
COUNT_SECS = 1.0


class BpfSource(Source):
    """The HTTP traffic of this host, live, through eBPF."""

    api_version = 1
    Config = BpfConfig
    emits: ClassVar[Emits] = Emits.RECORDS
    can_wait: ClassVar[bool] = False

    def __init__(self, config: BpfConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._capture: Capture | None = None
        self._empty_ticks = 0
        self._sweep_due = 0.0
        self._count_due = 0.0
        self._displaced = 0
        self._shedding = False
        self._stopped = False
        self._sleep: anyio.CancelScope | None = None

    async def open(self) -> None:
        """Load, attach, say so."""
        # The first use of these imports parts of anyio and asyncio: better now than while the ring fills.
        with anyio.move_on_after(0):
            await anyio.lowlevel.checkpoint()
        context = self._context
        capture = Capture(self._config, context.body_bytes, websockets=context.websockets, handshakes=context.tls_handshakes)
        check_interfaces(self._config.interfaces)
        # The compiler takes seconds. Only it goes to a thread: sockets belong to the network namespace of theirs.
        in_thread = self._config.loader == "bcc"
        capture.load(await anyio.to_thread.run_sync(load_program, self._config) if in_thread else None)
        self._capture = capture
        try:
            capture.attach()
        except BaseException:
            await self.aclose()
            raise
        self._context.log.info(
            "capturing on %s, %s, program loaded by %s",
            "the sockets of all network namespaces" if self._config.at == "sockets" else ", ".join(self._config.interfaces),
            f"ports {', '.join(map(str, self._config.ports))}" if self._config.ports else "all ports",
            capture.loader,
        )
        if capture.without_owners:
            self._context.log.info("processes are not told: %s", capture.without_owners)

    def capabilities(self) -> frozenset[int]:
        """CAP_BPF where this kernel refuses to let anybody else look into maps: counters, ranges that went quiet."""
        return frozenset({rights.CAP_BPF}) if kernel.maps_need_cap_bpf() else frozenset()

    async def batches(self) -> AsyncIterator[RecordBatch]:
        """Segments, until ``stop``; what the ring still holds then is the last batch."""
        capture = self._capture
        if capture is None:
            return
        while not self._stopped:
            records, ranges = capture.read(), self._sweep(capture)
            self._count(capture)
            self._empty_ticks = 0 if records or ranges else self._empty_ticks + 1
            for each in (records, ranges):
                if each:
                    yield RecordBatch(each)
            if not self._stopped and capture.ring.waiting_bytes() < capture.wake_bytes:
                await self._wait(capture)
        capture.detach()
        records = capture.rest()
        if records:
            yield RecordBatch(records)

    async def stop(self) -> None:
        """Capture no more; ``batches`` wakes up and gives what is in the ring."""
        self._stopped = True
        if self._sleep is not None:
            self._sleep.cancel()

    async def aclose(self) -> None:
        """Detach, read the counters for the last time, let go."""
        capture, self._capture = self._capture, None
        if capture is None:
            return
        capture.detach()
        self._count_due = 0.0
        self._count(capture)
        unread = len(capture.rest())
        if unread:
            self._context.count("unread_at_stop", unread)
        capture.close()

    async def _wait(self, capture: Capture) -> None:
        """Until the kernel wakes us, or the tick is over."""
        asleep = self._empty_ticks >= IDLE_AFTER and not capture.sweep.busy
        capture.ring.rearm()
        capture.want(abi.Want.ANY if asleep else capture.wake_bytes)
        if asleep and capture.ring.waiting_bytes():
            return  # it came just before the kernel knew that we want to be woken
        with anyio.move_on_after(IDLE_TICK_SECS if asleep else TICK_SECS) as self._sleep:
            await anyio.wait_readable(capture.ring.fileno())
        capture.want(abi.Want.NOTHING)

    def _sweep(self, capture: Capture) -> list[Segment]:
        now = time.monotonic()
        if now < self._sweep_due:
            return []
        self._sweep_due = now + SWEEP_SECS
        return capture.quiet()

    def _count(self, capture: Capture) -> None:
        now = time.monotonic()
        if now < self._count_due:
            return
        self._count_due = now + COUNT_SECS
        for name, by in self._news(capture):
            self._context.count(name, by)
        for sentence in capture.follow_interfaces():
            self._context.log.warning(sentence)
        self._report_shedding(capture)

    def _report_shedding(self, capture: Capture) -> None:
        """Log when it begins and when it is over."""
        kept = capture.kept()
        if (kept < 1) == self._shedding:
            return
        self._shedding = not self._shedding
        if self._shedding:
            self._context.log.warning(
                "more HTTP than can be read in time: whole connections are left out, and counted as shed_connections and "
                "shed_requests",
                extra={"captured_now": f"{kept:.0%}"},
            )
        else:
            self._context.log.info("every connection is captured again")

    def _news(self, capture: Capture) -> Iterator[tuple[str, int]]:
        yield from capture.counters.news()
        displaced = capture.displaced()
        if displaced > self._displaced:
            yield "connections_displaced", displaced - self._displaced
            self._displaced = displaced
