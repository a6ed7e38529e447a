"""The ``firewall`` source: HTTP requests refused in the kernel by lists of URLs, and what was decided as events.

The kernel decides and answers by itself; this keeps it told: settings, lists that are read again when they change, counters,
whether it still comes first. It never waits for a sink. A reload goes on with the same programs, lists and connections.
"""

import platform
import time
from asyncio import wrap_future
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from pipeline.api import ConfigError, Context, Emits, EventBatch, Problem, Source
from pipeline.sources.bpf import kernel, rights, tcx
from pipeline.sources.bpf.clock import wall_minus_boot_ns
from pipeline.sources.gate.config import FirewallConfig
from pipeline.sources.gate.holes import holes
from pipeline.sources.gate.lists import understood
from pipeline.sources.gate.place import by_links
from pipeline.sources.gate.running import Running, Where
from pipeline.sources.gate.surroundings import sentences
from pipeline.sources.gate.watch import News, Watch

TICK_SECS = 0.02
"""How long a decision waits at most while others come: events are made by the batch."""

IDLE_SECS = 0.5
COUNT_SECS = 1.0


class FirewallSource(Source):
    """Refuses HTTP requests by lists of URLs, in the kernel, and tells what was refused.

    A request that is refused never reaches the server: its client gets a 403, or a reset. What that promises and what it does
    not, and in which order to roll it out, stands in docs/firewall.md.
    """

    api_version = 1
    Config = FirewallConfig
    emits: ClassVar[Emits] = Emits.EVENTS
    capture: ClassVar[str] = "firewall"
    can_wait: ClassVar[bool] = False
    brings: ClassVar[str] = "decision"
    guards: ClassVar[bool] = True

    def __init__(self, config: FirewallConfig, context: Context) -> None:
        if config.on_exit == "closed" and not by_links():
            what = f'"closed" needs {kernel.words(tcx.SINCE)} or later, and this is {platform.release()}: set it to "open"'
            raise ConfigError([Problem("on_exit", what)])
        lists = understood(config, context.read_file)
        self.warnings = [str(each) for each in holes(config, lists)]
        self.occupies = [f"a firewall on {interface} ({config.direction})" for interface in config.interfaces]
        self._config = config
        self._context = context
        self.running: Running | None = None
        self._watch = Watch(config)
        self._news: News | None = None
        self._added: list[Where] = []
        # One of its own: a thread has the capabilities of the one that started it, and the loop's gave theirs up since.
        self._thread = ThreadPoolExecutor(1, "firewall-lists")
        self._looking: Future[News | None] | None = None
        self._stopped = False
        self._sleep: anyio.CancelScope | None = None
        self._due = 0.0
        self._offset_ns = 0

    def take_over(self, before: Source) -> None:
        """Go on with its programs in the kernel, connections included."""
        if isinstance(before, FirewallSource) and before.running is not None:
            self.running = before.running.shared()

    async def open(self) -> None:
        """Load, fill the lists, attach, say so. Where another firewall is taken over: all that can fail, and no more."""
        # The first use of these imports parts of anyio and asyncio: better now than while the ring fills.
        with anyio.move_on_after(0):
            await anyio.lowlevel.checkpoint()
        config, name, taken_over = self._config, self._context.id, self.running is not None
        try:
            running = self.running
            if running is None:
                self.running = running = await anyio.to_thread.run_sync(Running, config)
            running.refuse_other_sizes(config)
            self._news = news = await wrap_future(self._thread.submit(self._watch.first, running.gate))
            if taken_over:
                self._added = running.attach(config)
                running.keep(name, closed=running.closed or config.on_exit == "closed")
            else:
                running.configure(config)
                await self._install(running)
                running.attach(config)
                running.stand(config, name)
        except BaseException:
            await self.aclose()
            raise
        self._context.log.info(
            "the firewall %s requests on %s, ports %s",
            "refuses" if config.mode == "enforce" else "looks at",
            ", ".join(config.interfaces),
            ", ".join(map(str, config.ports)),
            extra={"mode": config.mode, "entries": len(news.entries)},
        )

        if config.mode == "enforce" and config.direction == "ingress":
            for sentence in await anyio.to_thread.run_sync(list, sentences(config.ports)):
                self._context.log.warning(sentence)

    def capabilities(self) -> frozenset[int]:
        """New lists are new maps; whether it still comes first is asked of the interfaces."""
        return frozenset({rights.CAP_BPF, rights.CAP_NET_ADMIN})

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Decisions, until ``stop``; what the ring still holds then is the last batch."""
        running = self.running
        if running is None:
            return
        if self._news is not None:
            running.configure(self._config)
            running.stand(self._config, self._context.id)
            await self._install(running)
        while True:
            await self._once_a_second(running)
            stopping = self._stopped
            events = running.read(self._offset_ns, self._context.id)
            if events:
                yield EventBatch(events)
            if stopping:
                return
            await self._wait(running, busy=bool(events))

    async def stop(self) -> None:
        """Tell no more; ``batches`` wakes up and gives what is in the ring. The gate goes on until ``aclose``."""
        self._stopped = True
        if self._sleep is not None:
            self._sleep.cancel()

    async def aclose(self) -> None:
        """Detach what is not to stay, read the counters for the last time, let go."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        running, self.running = self.running, None
        if running is None:
            return
        if self._news is not None:  # a change that does not come about
            self._news.prepared.close()
            running.detach(self._added, self._context.id)
        self._count(running)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(running.leave)

    async def _install(self, running: Running) -> None:
        """The lists that ``open`` has made ready hold from now on."""
        news, self._news = self._news, None
        if news is not None:
            await anyio.to_thread.run_sync(running.install, news)

    async def _wait(self, running: Running, *, busy: bool) -> None:
        """Until there are decisions, or the tick is over."""
        if busy:
            with anyio.move_on_after(TICK_SECS) as self._sleep:
                await anyio.sleep_forever()
            return
        running.gate.rearm()
        if not running.gate.waiting_bytes():
            with anyio.move_on_after(IDLE_SECS) as self._sleep:
                await anyio.wait_readable(running.gate.fileno())

    async def _once_a_second(self, running: Running) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + COUNT_SECS
        self._offset_ns = wall_minus_boot_ns()
        self._count(running)
        running.forget_names()
        self._context.trouble(running.check(self._context.id))
        await self._look(running)

    def _count(self, running: Running) -> None:
        for name, by in running.gate.counters.news():
            self._context.count(name, by)

    async def _look(self, running: Running) -> None:
        """Whether the lists have changed is asked in a thread; what it found out last time takes effect."""
        if self._looking is not None and not self._looking.done():
            return
        done, self._looking = self._looking, None
        if done is not None:
            await self._take(running, done)
        self._looking = self._thread.submit(self._in_thread, running)

    def _in_thread(self, running: Running) -> News | None:
        running.sweep()
        return self._watch.look(running.gate)

    async def _take(self, running: Running, done: Future[News | None]) -> None:
        try:
            news = done.result()
            if news is not None:
                await anyio.to_thread.run_sync(running.install, news)
        except Exception as error:  # noqa: BLE001  a fault here would end the source, and with it the firewall
            self._context.count("reload_failed", 1)
            self._context.log.warning(
                "the lists cannot be used; the last good ones stay", extra={"error": str(error) or type(error).__name__}
            )
            return
        if news is not None:
            self._context.count("reloaded", 1)
            self._context.log.info("the lists were read again", extra={"entries": len(news.entries)})
