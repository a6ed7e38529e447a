"""A running pipeline: starts sinks, then sources; stops sources, then sinks. In: a plan. Out: a summary.

Two kinds of task carry events, one per source and one (or ``max_in_flight``) per sink. Beside them there are one ticker, a
task per source that wants acknowledgements, and what listens to the outside (signals, control socket).
"""

import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.fanout import Refused
from pipeline.delivery.health import describe
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.losses import Books, Losses
from pipeline.delivery.signal import Signal
from pipeline.errors import UnhealthyError
from pipeline.model.metric import Metric
from pipeline.model.snapshot import Snapshot, State
from pipeline.runtime import privileges
from pipeline.runtime.blocking import Watched
from pipeline.runtime.dry_run import counted
from pipeline.runtime.options import RunOptions
from pipeline.runtime.steady import SteadyNow
from pipeline.runtime.summary import Summary, outcome_of
from pipeline.runtime.units import Outputs, SinkUnit, SourceUnit, Task, TransformUnit
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.plan import Plan

HURRIED_CLOSE_SECS = 0.2
"""After a second signal nobody waits for a sink to close well."""

TICK_SECS = 1.0
"""How often time-outs of decoders and windows of transforms are looked at."""


class Engine:
    """One pipeline, from ``open`` to ``summary``. Everything here runs in one loop."""

    def __init__(self, plan: Plan, options: RunOptions) -> None:
        self.plan = plan
        self.options = options
        self.log = ComponentLog("")
        self.outputs = Outputs(options)
        self.changed = Signal()
        self.sources = {spec.id: SourceUnit(spec, self.outputs, options) for spec in plan.sources.values()}
        self.transforms = {spec.id: TransformUnit(spec, self.outputs, options) for spec in plan.transforms.values()}
        self.sinks = {spec.id: SinkUnit(spec, plan, options, changed=self.changed) for spec in plan.sinks.values()}
        self.retired: list[SinkUnit] = []
        self._losses = Losses(options.clock.monotonic)
        self._removed_lost: Counter[str] = Counter()
        self._removed_damaged = False
        self.privileges_dropped = False
        self.reloading = False
        self.heartbeat = options.clock.monotonic()
        self.reading = False
        self.ready = False
        self.stopping = False
        self.drained = anyio.CancelScope()
        self._began = time.monotonic()
        self._lost_at_shutdown = 0
        self._group: TaskGroup | None = None
        self._closing = False

    async def open(self) -> None:
        """Open the sources, which may need privileges; give those up where asked; open the disk queues. Raises what hinders."""
        account = privileges.find(self.plan.process.user) if self.plan.process.user else None
        for unit in self.sources.values():
            await unit.runner.open()
        if account is not None:
            needed = (unit.runner.source.capabilities() for unit in self.sources.values())
            privileges.drop(account, frozenset[int]().union(*needed))
            self.privileges_dropped = True
        if self.plan.complete is not None:
            await self._complete(self.plan.complete())
        for sink in self.sinks.values():
            await sink.open_queue()
        if self.options.require_healthy:
            await self._require_healthy()

    async def _complete(self, plan: Plan) -> None:
        """The rest of the plan, the plugins of others included, now that no privilege is left; sources that are open stay."""
        plan = counted(plan) if self.options.dry_run else plan
        opened = {name: unit.spec for name, unit in self.sources.items()}
        self.plan = replace(plan, sources={**plan.sources, **opened})
        for spec in self.plan.sources.values():
            if spec.id not in self.sources:
                self.sources[spec.id] = SourceUnit(spec, self.outputs, self.options)
                await self.sources[spec.id].runner.open()
        self.transforms = {spec.id: TransformUnit(spec, self.outputs, self.options) for spec in plan.transforms.values()}
        self.sinks = {spec.id: SinkUnit(spec, plan, self.options, changed=self.changed) for spec in plan.sinks.values()}

    async def run(self) -> None:
        """Carry events until the input ends, everybody has had enough, or ``stop``; then drain."""
        self.wire()
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                for sink in self.sinks.values():
                    self.start_sink(sink)
                group.start_soon(self._tick)
                for source in self.sources.values():
                    self.start_source(source)
                self.reading = True
                group.start_soon(self._announce)
                while not self._over():
                    await self.changed.wait()
                await self._wind_down()
            finally:
                self._closing = True
            group.cancel_scope.cancel()

    async def _announce(self) -> None:
        """Ready: sources are read and every required sink has been opened. Until then say which have not."""
        told: tuple[str, ...] = ()
        while awaited := tuple(name for name, unit in self.sinks.items() if unit.awaited):
            if awaited != told:
                self.options.on_waiting(awaited)
                told = awaited
            await self.changed.wait()
        self.ready = True
        self.options.on_ready()

    def stop(self) -> None:
        """Stop reading and drain the queues, for as long as ``shutdown_timeout_secs`` after the first call."""
        self.stopping = True
        self.drained.deadline = min(self.drained.deadline, anyio.current_time() + self.plan.process.shutdown_timeout_secs)
        self.changed.set()

    def stop_now(self) -> None:
        """Do not drain."""
        self.stop()
        for sink in (*self.sinks.values(), *self.retired):
            sink.worker.session.close_secs = HURRIED_CLOSE_SECS
        self.drained.cancel()

    async def aclose(self) -> None:
        """Let go of everything. Safe whatever happened before."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as closing:  # each has its own time limit: together they take no longer than one
                for source in self.sources.values():
                    closing.start_soon(source.runner.aclose)
            for sink in self.sinks.values():
                await sink.worker.session.aclose()
                await sink.worker.buffer.aclose()

    def snapshot(self) -> Snapshot:
        """Its state of now."""
        return Snapshot(
            file=self.plan.file,
            pid=os.getpid(),
            taken_ns=self.options.clock.now_ns(),
            uptime_secs=time.monotonic() - self._began,
            ready=self.ready,
            draining=self.stopping,
            components=(
                *(unit.snapshot() for unit in self.sources.values()),
                *(unit.snapshot() for unit in self.transforms.values()),
                *(unit.snapshot() for unit in self.sinks.values()),
            ),
        )

    def watched(self) -> list[Watched]:
        """Every component, for who looks which one holds the loop. Safe in any thread."""
        units: tuple[SourceUnit | TransformUnit | SinkUnit, ...]
        units = (*self.sources.values(), *self.transforms.values(), *self.sinks.values(), *self.retired)
        return [Watched(unit.spec.component.__module__.partition(".")[0], unit.health, unit.log) for unit in units]

    def events_in_memory(self) -> int:
        """Events that are lost when the process ends now: what disk queues have taken in is not among them."""
        in_memory = [unit.snapshot().in_flight for unit in self.sinks.values() if unit.spec.options.buffer.type == "memory"]
        return sum(in_memory) + sum(unit.node.held for unit in self.transforms.values())

    def measurements(self) -> list[tuple[str, Metric]]:
        """The running totals of transforms, with the id of each."""
        running = [(name, unit.node.transform) for name, unit in list(self.transforms.items())]
        return [(name, metric) for name, transform in running if transform is not None for metric in transform.metrics()]

    def summary(self) -> Summary:
        """How it ended."""
        last = self.snapshot()
        damage = {unit.spec.id: str(unit.runner.damaged) for unit in self.sources.values() if unit.runner.damaged}
        removed = sum((_lost(unit.worker.buffer.ledger) for unit in self.retired), self._removed_lost)
        lost = {gone.reason for each in last.components for gone in each.discarded if not gone.intentional}
        return Summary(
            outcome=outcome_of(lost | removed.keys(), damaged=bool(damage) or self._removed_damaged),
            snapshot=last,
            left_events=self._lost_at_shutdown,
            dry_run=self.options.dry_run,
            removed=dict(removed),
            damage=damage,
        )

    def wire(self) -> None:
        """Connect every output with its readers, and every sink with its dead letter."""
        for name in {*self.outputs.names(), *self.plan.consumers}:
            readers = self.plan.consumers.get(name, ())
            fanout = self.outputs.of(name)
            fanout.consumers = tuple(self.transforms[reader].node for reader in readers if reader in self.transforms)
            fanout.buffers = tuple(self.sinks[reader].worker.buffer for reader in readers if reader in self.sinks)
        for sink in self.sinks.values():
            sink.worker.dead_letter = self._dead_letter(sink.spec.id, sink.spec.options.dead_letter)
        queues = tuple(sink.worker.buffer for sink in self.sinks.values())
        for source in self.sources.values():
            source.runner.dead_letter = self._dead_letter(source.spec.id, source.spec.dead_letter)
            source.runner.queues = queues

    def _dead_letter(self, component_id: str, target: str | None) -> DeadLetter | None:
        return DeadLetter(component_id, self.sinks[target].worker.buffer) if target else None

    def adopt(
        self,
        plan: Plan,
        sources: Mapping[str, SourceUnit],
        transforms: Mapping[str, TransformUnit],
        sinks: Mapping[str, SinkUnit],
    ) -> list[SinkUnit]:
        """Go over to another plan: these units are new, those that the plan does not name are gone, the others stay.

        Nothing waits here. Returns the sinks that are gone from the plan and are still to be retired.
        """
        self.plan = plan
        removed = [unit for name, unit in self.sinks.items() if name not in plan.sinks]
        self._remember(plan, sources)
        self.sources = {name: sources.get(name) or self.sources[name] for name in plan.sources}
        self.transforms = {name: transforms.get(name) or self.transforms[name] for name in plan.transforms}
        self.sinks = {name: sinks.get(name) or self.sinks[name] for name in plan.sinks}
        self.wire()
        for sink in sinks.values():
            sink.worker.buffer.rebound(sink.bounds)
            sink.worker.buffer.report_to(sink.worker.health)
            self.start_sink(sink)
        for source in sources.values():
            self.start_source(source)
        return removed

    def retire(self, removed: Sequence[SinkUnit]) -> None:
        """Have sinks that the plan no longer has deliver what they have, beside the others."""
        for unit in removed:
            self._start(Task(), partial(self._retire, unit))

    def _remember(self, plan: Plan, replacing: Mapping[str, SourceUnit]) -> None:
        """What sources and transforms that go have lost: changed ones hand their books on, removed ones cannot."""
        books = [unit.books for name, unit in self.sources.items() if name not in plan.sources]
        books += [unit.books for name, unit in self.transforms.items() if name not in plan.transforms]
        self._losses.look(books, last=True)
        for each in books:
            self._removed_lost += _lost(each.ledger)
        gone = [unit for name, unit in self.sources.items() if name in replacing or name not in plan.sources]
        self._removed_damaged |= any(unit.runner.damaged for unit in gone)

    async def _retire(self, unit: SinkUnit) -> None:
        """A sink that the plan no longer has delivers what it has, for as long as a shutdown may take."""
        self.retired.append(unit)
        unit.worker.drain()
        with anyio.move_on_after(self.plan.process.shutdown_timeout_secs):
            await unit.task.ended.wait()
        await self._end(unit, Reason.REMOVED)
        self._losses.look([unit.books], last=True)
        self.retired.remove(unit)
        self._removed_lost += _lost(unit.worker.buffer.ledger)

    async def _end_for_good(self, unit: SinkUnit) -> None:
        self._lost_at_shutdown += await self._end(unit, Reason.SHUTDOWN)

    async def _end(self, unit: SinkUnit, reason: Reason) -> int:
        """Stop a sink; returns how many events are lost by that."""
        with anyio.CancelScope(shield=True):
            await unit.task.stop()
            await unit.queue_task.stop()
            lost = await unit.worker.buffer.abandon(reason)
            await unit.worker.buffer.aclose()
        if lost:
            unit.log.error("stopped before everything was delivered", extra={"events": lost, "reason": str(reason)})
        return lost

    def start_source(self, unit: SourceUnit) -> None:
        """Begin to read."""
        self._start(unit.task, unit.runner.run)
        if unit.runner.positions is not None:
            self._start(unit.acknowledging, unit.runner.acknowledge)
        else:
            unit.acknowledging.ended.set()

    def start_sink(self, unit: SinkUnit) -> None:
        """Begin to deliver."""
        if not unit.inherits:
            self._start(unit.queue_task, unit.worker.buffer.run)
        self._start(unit.task, unit.worker.run)

    def _start(self, task: Task, run: Callable[[], Awaitable[None]]) -> None:
        if self._group is None:
            raise RuntimeError("the engine is not running")
        if self._closing:  # a reload that is being finished while everything ends; anyio would never cancel such a task
            task.ended.set()
            return
        self._group.start_soon(self._supervise, task, run)

    async def _supervise(self, task: Task, run: Callable[[], Awaitable[None]]) -> None:
        try:
            with task.scope:
                await run()
        finally:
            task.ended.set()
            self.changed.set()

    def _over(self) -> bool:
        sources_ended = all(unit.task.ended.is_set() for unit in self.sources.values())
        sinks_ended = all(unit.worker.health.state is State.FINISHED for unit in self.sinks.values())
        if self.reloading:
            return False
        return self.stopping or sources_ended or (bool(self.sinks) and sinks_ended)

    async def _wind_down(self) -> None:
        """Stop reading, pass on what is held back, drain the queues, acknowledge, close; past the deadline, count the rest."""
        async with anyio.create_task_group() as stopping:
            for source in self.sources.values():
                stopping.start_soon(source.stop)
        with self.drained:
            for source in self.sources.values():
                await source.runner.finish()
            await self._flush_last()
            async with anyio.create_task_group() as draining:
                for sink in self.sinks.values():
                    draining.start_soon(self._drain, sink)
        for source in self.sources.values():
            self._lost_at_shutdown += source.runner.give_up()
        for transform in self.transforms.values():  # the deadline may have passed before it was this one's turn
            self._lost_at_shutdown += _drop(self.give_out(transform))
        async with anyio.create_task_group() as ending:  # all at once: one that does not close must not hold up the others
            for sink in (*self.sinks.values(), *self.retired):
                ending.start_soon(self._end_for_good, sink)
        for source in self.sources.values():
            with anyio.move_on_after(self.plan.process.shutdown_timeout_secs):
                await source.runner.acknowledge_now()
        self._losses.look(self._books(), last=True)

    async def _drain(self, unit: SinkUnit) -> None:
        """Let a sink write what is queued. A dead letter waits for those who may still send it something."""
        for other in self.sinks.values():
            if other.spec.options.dead_letter == unit.spec.id:
                await other.task.ended.wait()
        unit.worker.drain()
        await unit.task.ended.wait()

    async def _flush_last(self) -> None:
        """Every transform gives out all it holds, those upstream first."""
        for unit in self.transforms.values():
            refused = self.give_out(unit)
            try:
                for offer in refused:
                    await offer.wait()
            finally:
                self._lost_at_shutdown += _drop(refused)

    def give_out(self, unit: TransformUnit) -> Refused:
        """Have a transform give out all it holds, at once; returns what stands before a full queue."""
        refused: Refused = []
        unit.node.flush(self.options.clock.now_ns(), refused, last=True)
        unit.node.close()
        return refused

    def _books(self) -> Iterator[Books]:
        units: list[SourceUnit | TransformUnit | SinkUnit] = [*self.sources.values(), *self.transforms.values()]
        units += [*self.sinks.values(), *self.retired]
        return (unit.books for unit in units)

    async def _tick(self) -> None:
        """Time-outs, windows and losses, once a second. It never waits for a sink: it is everybody's clock."""
        clock = self.options.clock
        steady = SteadyNow(clock.now_ns, clock.monotonic, self._clock_was_set)
        while True:
            await clock.sleep(TICK_SECS)
            self.heartbeat = clock.monotonic()
            now_ns, steady_ns = clock.now_ns(), steady()
            for source in self.sources.values():
                if not source.runner.can_wait:
                    source.runner.tick(steady_ns)
            for unit in self.transforms.values():
                if unit.flushes:
                    self._flush(unit, now_ns)
            self._losses.look(self._books())

    def _clock_was_set(self, secs: float) -> None:
        self.log.warning("the clock was set while capturing", extra={"by_secs": round(secs, 1)})

    def _flush(self, unit: TransformUnit, now_ns: int) -> None:
        """What a full ``block`` queue has no room for waits beside the clock, and the transform keeps the rest meanwhile."""
        if unit.flushing is not None and not unit.flushing.ended.is_set():
            return
        refused: Refused = []
        unit.node.flush(now_ns, refused, last=False)
        if refused:
            unit.flushing = Task()
            self._start(unit.flushing, partial(_wait_for, refused))

    async def _require_healthy(self) -> None:
        for sink in self.sinks.values():
            try:
                await sink.worker.check()
            except Exception as error:
                raise UnhealthyError(f"{sink.spec.id}: not healthy: {describe(error)}") from error


async def _wait_for(refused: Refused) -> None:
    try:
        for offer in refused:
            await offer.wait()
    finally:
        _drop(refused)


def _drop(refused: Refused) -> int:
    """Count what still stands before a full queue as lost; returns how many events that are."""
    return sum(offer.drop(Reason.SHUTDOWN) for offer in refused)


def _lost(ledger: Ledger) -> Counter[str]:
    """Events that were lost, by reason."""
    return Counter({reason: events for (reason, intentional), events in ledger.discarded.items() if not intentional})
