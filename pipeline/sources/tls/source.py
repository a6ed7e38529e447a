"""The ``tls`` source: the plain text of this host's TLS connections that speak HTTP, live.

Waits for the kernel, drains whole batches, passes counters on. It never waits for a sink and never raises on traffic. The kernel
wakes it for a batch, not for a record, in the rhythm of the ``bpf`` source.
"""

import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from pipeline.api import Context, Emits, RecordBatch, Source
from pipeline.sources.bpf import kernel, rights
from pipeline.sources.bpf.rhythm import COUNT_SECS, Rhythm
from pipeline.sources.tls.capture import TlsCapture
from pipeline.sources.tls.config import ANY, TlsConfig

ALL_PROGRAMS = 'executables = ["any"]: the plain text of every program that uses a known TLS library is read'


class TlsSource(Source):
    """HTTPS of this host, live, by probes on TLS libraries."""

    api_version = 1
    Config = TlsConfig
    emits: ClassVar[Emits] = Emits.RECORDS
    capture: ClassVar[str] = "probe"
    can_wait: ClassVar[bool] = False

    def __init__(self, config: TlsConfig, context: Context) -> None:
        self._config = config
        self.warnings = (ALL_PROGRAMS,) if config.executables == (ANY,) else ()
        self._context = context
        self._capture: TlsCapture | None = None
        self._rhythm = Rhythm(context, "HTTPS")
        self._count_due = 0.0

    async def open(self) -> None:
        """Load, look for libraries, attach, say so."""
        # The first use of these imports parts of anyio and asyncio: better now than while the ring fills.
        with anyio.move_on_after(0):
            await anyio.lowlevel.checkpoint()
        context = self._context
        bodies, websockets = context.body_bytes, context.websockets
        make = partial(TlsCapture, self._config, context.log, context.count, bodies, websockets=websockets)
        self._capture = capture = await anyio.to_thread.run_sync(make)
        try:
            attached = await anyio.to_thread.run_sync(capture.attach)
        except BaseException:
            await self.aclose()
            raise
        if not capture.program.sees_lengths:
            context.log.warning("before Linux 6.3 only sockets that a TLS library uses by itself are known by their addresses")
        if not rights.may_look_into_processes():
            context.log.warning("programs of other users are not found: that takes cap_sys_ptrace and cap_dac_read_search")
        if idle := await anyio.to_thread.run_sync(capture.not_running):
            names = ", ".join(f'"{pattern}"' for pattern in idle)
            tell = context.log.warning if all(map(_is_absent, idle)) else context.log.info
            tell("no program that runs now fits %s (httpipe doctor --tls lists those that speak TLS)", names)
        if attached:
            found = "1 TLS library" if attached == 1 else f"{attached} TLS libraries"
            context.log.info("probes on %s; more follow when a program begins to use another", found)
        else:
            context.log.info("no TLS library is in use yet: probes follow when one is")

    def capabilities(self) -> frozenset[int]:
        """CAP_BPF where this kernel refuses to let anybody else look into maps."""
        return frozenset({rights.CAP_BPF}) if kernel.maps_need_cap_bpf() else frozenset()

    async def batches(self) -> AsyncIterator[RecordBatch]:
        """Chunks, until ``stop``; what the ring still holds then is the last batch."""
        capture = self._capture
        if capture is None:
            return
        while not self._rhythm.stopped:
            records = capture.read()
            self._count(capture)
            if records:
                yield RecordBatch(records)
            program, found = capture.program, bool(records)
            await self._rhythm.wait(capture.ring, program, capture.wake_bytes, found=found, busy=capture.waiting)
        await anyio.to_thread.run_sync(capture.detach)
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
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(capture.detach)
        self._count_due = 0.0
        self._count(capture)
        unread = len(capture.rest())
        if unread:
            self._context.count("unread_at_stop", unread)
        capture.close()

    def _count(self, capture: TlsCapture) -> None:
        now = time.monotonic()
        if now < self._count_due:
            return
        self._count_due = now + COUNT_SECS
        for name, by in capture.program.news():
            self._context.count(name, by)
        self._rhythm.report_shedding(capture.program)


def _is_absent(pattern: str) -> bool:
    """Whether it is the path of one file, and that file is not here."""
    return pattern.startswith("/") and not set("*?[") & set(pattern) and not Path(pattern).exists()
