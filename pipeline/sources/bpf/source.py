"""The ``bpf`` source: segments of this host's HTTP connections, live.

Waits for the kernel (``rhythm``), drains whole batches, passes counters on; never waits for a sink, never raises on traffic.
"""

import time
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from pipeline.api import Context, Emits, RecordBatch, Source
from pipeline.model.records import Segment
from pipeline.sources.bpf import kernel, rights
from pipeline.sources.bpf.attach import check_interfaces
from pipeline.sources.bpf.capture import Capture, load_program
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.rhythm import COUNT_SECS, Rhythm

SWEEP_SECS = 0.1
"""How often ranges of quiet connections are looked for."""


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
        self._rhythm = Rhythm(context, "HTTP")
        self._sweep_due = 0.0
        self._count_due = 0.0
        self._displaced = 0

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
        while not self._rhythm.stopped:
            records, ranges = capture.read(), self._sweep(capture)
            self._count(capture)
            for each in (records, ranges):
                if each:
                    yield RecordBatch(each)
            found = bool(records or ranges)
            await self._rhythm.wait(capture.ring, capture, capture.wake_bytes, found=found, busy=capture.sweep.busy)
        capture.detach()
        records = capture.rest()
        if records:
            yield RecordBatch(records)

    async def stop(self) -> None:
        """Capture no more; ``batches`` wakes up and gives what is in the ring."""
        self._rhythm.stop()

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
        self._rhythm.report_shedding(capture)

    def _news(self, capture: Capture) -> Iterator[tuple[str, int]]:
        yield from capture.counters.news()
        displaced = capture.displaced()
        if displaced > self._displaced:
            yield "connections_displaced", displaced - self._displaced
            self._displaced = displaced
