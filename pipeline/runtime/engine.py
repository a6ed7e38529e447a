"""A running pipeline: starts sinks, then sources; stops sources, then sinks. In: a plan. Out: a summary.

Two kinds of task carry events, one per source and one (or ``max_in_flight``) per sink. Beside them there are one ticker, a
task per source that wants acknowledgements, and what listens to the outside (signals, control socket).
"""

import os
import time
from collections.abc import Iterator

import anyio
from msgspec.structs import replace

from pipeline.delivery.health import describe
from pipeline.delivery.losses import Books
from pipeline.delivery.signal import Signal
from pipeline.errors import UnhealthyError
from pipeline.model.snapshot import Snapshot, State
from pipeline.runtime.accounts import Accounts
from pipeline.runtime.dry_run import counted
from pipeline.runtime.graph import Graph
from pipeline.runtime.options import RunOptions
from pipeline.runtime.process.blocking import Watched
from pipeline.runtime.shutdown import Shutdown
from pipeline.runtime.summary import Summary
from pipeline.runtime.tasks import Task, Tasks
from pipeline.runtime.ticker import Ticker
from pipeline.runtime.units.fanouts import Fanouts
from pipeline.runtime.units.sink import SinkUnit
from pipeline.runtime.units.source import SourceUnit
from pipeline.runtime.units.transform import TransformUnit
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.plan import Plan


class Engine:
    """One pipeline, from ``open`` to ``summary``. Everything here runs in one loop.

    ``graph`` is what runs now; a reload (``runtime.reload``) puts another in its place and adds what it removes to ``retiring``,
    as long as that still delivers.
    """

    def __init__(self, plan: Plan, options: RunOptions) -> None:
        self.options = options
        self.log = ComponentLog("")
        self.changed = Signal()
        self.graph = self._made(plan, Fanouts(options.clock.monotonic))
        self.retiring: list[SinkUnit] = []
        self.accounts = Accounts(options.clock.monotonic)
        self.tasks = Tasks(self.changed.set)
        self.ticker = Ticker(options.clock, lambda: self.graph, self._books, self.accounts, self.tasks)
        self.privileges_dropped = False
        self.reloading = False
        self.ready = False
        self.stopping = False
        self.over = False
        self._shutdown = Shutdown(self.accounts)
        self._began = time.monotonic()

    def _made(self, plan: Plan, fanouts: Fanouts, opened: Graph | None = None) -> Graph:
        """Units of the plan; sources that have been opened stay as they are."""
        kept = opened.sources if opened is not None else {}
        return Graph(
            plan,
            fanouts,
            {name: kept.get(name) or SourceUnit(spec, fanouts, self.options) for name, spec in plan.sources.items()},
            {name: TransformUnit(spec, fanouts, self.options) for name, spec in plan.transforms.items()},
            {name: SinkUnit(spec, plan, self.options, changed=self.changed) for name, spec in plan.sinks.items()},
        )

    async def open(self) -> None:
        """Open the sources, which may need privileges; give those up where asked; open the disk queues. Raises what hinders."""
        plan = self.graph.plan
        if plan.process.user:
            await self._open_sources_as(plan.process.user)
        else:
            await self._open_sources()
        if plan.complete is not None:
            await self._complete(plan.complete())
        for sink in self.graph.sinks.values():
            await sink.open_queue()
        if self.options.require_healthy:
            await self._require_healthy()

    async def _open_sources(self) -> None:
        for unit in self.graph.sources.values():
            await unit.runner.open()

    async def _open_sources_as(self, user: str) -> None:
        """With the privileges of now, and become this user then; whether that is possible is found out first."""
        from pipeline.runtime.process import privileges  # noqa: PLC0415  start-up: ctypes, for those who ask for it

        account = privileges.find(user)
        await self._open_sources()
        needed = (unit.runner.source.capabilities() for unit in self.graph.sources.values())
        privileges.drop(account, frozenset[int]().union(*needed))
        self.privileges_dropped = True

    async def _complete(self, plan: Plan) -> None:
        """The rest of the plan, the plugins of others included, now that no privilege is left; sources that are open stay."""
        plan = counted(plan) if self.options.dry_run else plan
        before = self.graph
        opened = {name: unit.spec for name, unit in before.sources.items()}
        self.graph = self._made(replace(plan, sources={**plan.sources, **opened}), before.fanouts, before)
        for name, unit in self.graph.sources.items():
            if name not in opened:
                await unit.runner.open()

    async def _require_healthy(self) -> None:
        for sink in self.graph.sinks.values():
            try:
                await sink.worker.check()
            except Exception as error:
                raise UnhealthyError(f"{sink.spec.id}: not healthy: {describe(error)}") from error

    async def run(self) -> None:
        """Carry events until the input ends, everybody has had enough, or ``stop``; then drain."""
        self.connect()
        async with self.tasks.group():
            for sink in self.graph.sinks.values():
                self.start_sink(sink)
            self.tasks.start(Task(), self.ticker.run)
            for transform in self.graph.transforms.values():
                self.start_transform(transform)
            for source in self.graph.sources.values():
                self.start_source(source)
            self.tasks.start(Task(), self._announce)
            while not self._over():
                await self.changed.wait()
            await self._shutdown.carry_out(self.graph, self.retiring)
            self.accounts.close(self._books())
        self.over = True

    def connect(self) -> None:
        """Connect the units of the graph, and keep the packets that somebody in it asks for. Nothing waits here."""
        self.graph.connect()
        self.options.packets.keep_for({name: spec.keep_packets for name, spec in self.graph.plan.sources.items()})

    def start_source(self, unit: SourceUnit) -> None:
        """Begin to read."""
        self.tasks.start(unit.task, unit.runner.run)
        if unit.runner.positions is not None:
            self.tasks.start(unit.acknowledging, unit.runner.acknowledge)
        else:
            unit.acknowledging.ended.set()

    def start_transform(self, unit: TransformUnit) -> None:
        """Begin what it does beside events, if anything."""
        if unit.runs:
            self.tasks.start(unit.task, unit.run)
        else:
            unit.task.ended.set()

    def start_sink(self, unit: SinkUnit) -> None:
        """Begin to deliver."""
        if not unit.inherits:
            self.tasks.start(unit.queue_task, unit.worker.buffer.run)
        self.tasks.start(unit.task, unit.worker.run)

    async def _announce(self) -> None:
        """Ready: sources are read and every required sink has been opened. Until then report which have not."""
        reported: tuple[str, ...] = ()
        while awaited := tuple(name for name, unit in self.graph.sinks.items() if unit.awaited):
            if awaited != reported:
                self.options.on_waiting(awaited)
                reported = awaited
            await self.changed.wait()
        self.ready = True
        self.options.on_ready()

    def _over(self) -> bool:
        if self.reloading:
            return False
        sinks = self.graph.sinks.values()
        sources_ended = all(unit.task.ended.is_set() for unit in self.graph.sources.values())
        sinks_ended = all(unit.worker.health.state is State.FINISHED for unit in sinks)
        return self.stopping or sources_ended or (bool(sinks) and sinks_ended)

    def stop(self) -> None:
        """Stop reading and drain the queues, for as long as ``shutdown_timeout_secs`` after the first call."""
        self.stopping = True
        self._shutdown.ask(self.graph.plan.process.shutdown_timeout_secs)
        self.changed.set()

    def stop_now(self) -> None:
        """Do not drain."""
        self.stop()
        self._shutdown.expire((*self.graph.sinks.values(), *self.retiring))

    async def aclose(self) -> None:
        """Let go of everything. Safe whatever happened before."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as closing:  # each has its own time limit: together they take no longer than one
                for source in self.graph.sources.values():
                    closing.start_soon(source.runner.aclose)
            for sink in self.graph.sinks.values():
                await sink.worker.session.aclose()
                await sink.worker.buffer.aclose()

    def snapshot(self) -> Snapshot:
        """The state of now. May be taken from any thread."""
        graph = self.graph
        return Snapshot(
            file=graph.plan.file,
            pid=os.getpid(),
            taken_ns=self.options.clock.now_ns(),
            uptime_secs=time.monotonic() - self._began,
            ready=self.ready,
            draining=self.stopping,
            components=graph.snapshots(),
            edges=graph.edges(),
        )

    def summary(self) -> Summary:
        """How it ended."""
        damage = {name: str(unit.runner.damaged) for name, unit in self.graph.sources.items() if unit.runner.damaged}
        retiring = [unit.books for unit in self.retiring]
        return self.accounts.summary(self.snapshot(), damage=damage, retiring=retiring, dry_run=self.options.dry_run)

    def watched(self) -> list[Watched]:
        """Every component, for who looks which one holds the loop. Safe in any thread."""
        units = (*self.graph.units(), *self.retiring)
        return [Watched(unit.spec.component.__module__.partition(".")[0], unit.health, unit.log) for unit in units]

    def _books(self) -> Iterator[Books]:
        yield from self.graph.books()
        for unit in self.retiring:
            yield unit.books
