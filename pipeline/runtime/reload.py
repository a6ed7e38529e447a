"""Reload: from one plan to the next while events pass. Only what changed is rebuilt; a plan that cannot run changes nothing.

First everything that can fail is done beside the running pipeline (``prepare``): new components are made, new sources and queues
opened. Whatever a component raises there refuses the reload. Then the change itself (``carry_out``), which cannot fail: old parts
stop, new ones take their place, and the outputs are connected to what reads them now. A changed sink takes over the queue and the
counters of the old one; unchanged sources, programs in the kernel included, run on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import anyio

from pipeline.api import CaptureError
from pipeline.delivery.fanout import drop
from pipeline.delivery.health import describe
from pipeline.delivery.ledger import Reason
from pipeline.errors import ConfigError, HttpipeError
from pipeline.runtime.differences import hindrances, same_traffic, sink_changed, source_changed, transform_changed
from pipeline.runtime.engine import Engine
from pipeline.runtime.graph import Graph
from pipeline.runtime.tasks import Task
from pipeline.runtime.units.sink import SinkUnit
from pipeline.runtime.units.source import SourceUnit
from pipeline.runtime.units.transform import TransformUnit
from pipeline.topology.plan import Plan

U = TypeVar("U", SourceUnit, TransformUnit, SinkUnit)


class Reload:
    """One change of an engine: the plan, the units that ran before (``old``), and those that run after it (``new``)."""

    def __init__(self, engine: Engine, plan: Plan) -> None:
        self._engine = engine
        self.plan = plan
        self.old = engine.graph
        self._sources: dict[str, SourceUnit] = {}
        self._transforms: dict[str, TransformUnit] = {}
        self._sinks: dict[str, SinkUnit] = {}
        self.new = Graph(plan, self.old.fanouts, self._sources, self._transforms, self._sinks)

    def __str__(self) -> str:
        """What it changes, as a sentence."""
        old, new = self.old, self.new
        built = [unit.spec.id for unit in _added(old.sources, new.sources)]
        built += [unit.spec.id for unit in _added(old.transforms, new.transforms)]
        built += [unit.spec.id for unit in _added(old.sinks, new.sinks)]
        return f"rebuilt {', '.join(built)}" if built else "no component changed"

    async def prepare(self) -> None:
        """All that can fail, beside the running pipeline. Raises ``HttpipeError``: then everything is closed again."""
        problems = hindrances(self.old.plan, self.plan, privileges_dropped=self._engine.privileges_dropped)
        if problems:
            raise ConfigError(problems, file=self.plan.file)
        try:
            self._make()
            await self._open()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._close()
            raise

    async def carry_out(self) -> None:
        """The change itself, even where whoever asked for it is cancelled. All of it has time limits."""
        self._engine.reloading = True
        try:
            with anyio.CancelScope(shield=True):
                await self._carry_out()
        finally:
            self._engine.reloading = False
            self._engine.changed.set()

    def _make(self) -> None:
        """The new graph, not opened. Raises ``HttpipeError``."""
        plan, old, options, changed = self.plan, self.old, self._engine.options, self._engine.changed
        _fill(
            self._sources, plan.sources, old.sources, source_changed, lambda new, was: SourceUnit(new, old.fanouts, options, was)
        )
        _fill(
            self._transforms, plan.transforms, old.transforms, transform_changed,
            lambda new, was: TransformUnit(new, old.fanouts, options, was),
        )  # fmt: skip
        _fill(
            self._sinks, plan.sinks, old.sinks, sink_changed,
            lambda new, was: SinkUnit(new, plan, options, changed=changed, before=was),
        )  # fmt: skip

    async def _open(self) -> None:
        """Sources and queues. Raises ``HttpipeError``."""
        for source in _added(self.old.sources, self.new.sources):
            before = self.old.sources.get(source.spec.id)
            with _refusing(source.spec.id, "opened"):
                if before is not None and type(before.runner.source) is type(source.runner.source):
                    source.runner.source.take_over(before.runner.source)
                await source.runner.open()
        for sink in _added(self.old.sinks, self.new.sinks):
            if not sink.inherits:
                with _refusing(sink.spec.id, "opened"):
                    await sink.open_queue()

    async def _close(self) -> None:
        """What was opened for a change that is not carried out."""
        for source in _added(self.old.sources, self.new.sources):
            await source.runner.aclose()
        for sink in _added(self.old.sinks, self.new.sinks):
            if not sink.inherits:
                await sink.worker.buffer.aclose()

    async def _carry_out(self) -> None:
        """What cannot be passed on in time is counted."""
        limit = self.old.plan.process.shutdown_timeout_secs
        gone = list(_added(self.new.sources, self.old.sources))
        for source in gone:
            await self._stop_reading(source, limit)
        for sink in _added(self.new.sinks, self.old.sinks):
            if sink.spec.id in self.new.sinks:
                await sink.worker.retire()
                await sink.task.stop()
        # Nothing waits between the last flush of a transform and the new wiring: what flowed meanwhile would stay in the old one.
        refused = [offer for transform in _added(self.new.transforms, self.old.transforms) for offer in transform.give_out()]
        self._switch()
        for transform in _added(self.new.transforms, self.old.transforms):
            await transform.task.stop()
        with anyio.move_on_after(limit):
            for offer in refused:
                await offer.wait()
        drop(refused, Reason.REMOVED)
        for sink in self.old.sinks.values():
            if sink.spec.id not in self.new.sinks:
                self._engine.tasks.start(Task(), partial(self._retire, sink))
        for source in gone:
            await source.runner.acknowledge_now()
            await source.acknowledging.stop()
            await source.runner.aclose()

    async def _stop_reading(self, source: SourceUnit, limit_secs: float) -> None:
        """What it has brought passes on; its recording and its connections go over to the source that takes its place."""
        await source.stop()
        if source.spec.id in self.new.sources:
            _hand_on(source, self.new.sources[source.spec.id])
        with anyio.move_on_after(limit_secs):
            await source.runner.finish()
        source.runner.discard_rest()

    def _switch(self) -> None:
        """From one graph to the other. Nothing waits here."""
        engine = self._engine
        self._close_books()
        engine.graph = self.new
        engine.connect()
        for sink in _added(self.old.sinks, self.new.sinks):
            sink.worker.buffer.rebound(sink.bounds)
            sink.worker.buffer.report_to(sink.worker.health)
            engine.start_sink(sink)
        for transform in _added(self.old.transforms, self.new.transforms):
            engine.start_transform(transform)
        for source in _added(self.old.sources, self.new.sources):
            engine.start_source(source)

    def _close_books(self) -> None:
        """What sources and transforms that go have lost: changed ones hand their books on, removed ones cannot."""
        books = [unit.books for name, unit in self.old.sources.items() if name not in self.new.sources]
        books += [unit.books for name, unit in self.old.transforms.items() if name not in self.new.transforms]
        self._engine.accounts.remove(books)
        if any(unit.runner.damaged for unit in _added(self.new.sources, self.old.sources)):
            self._engine.accounts.remove_damage()

    async def _retire(self, sink: SinkUnit) -> None:
        """A sink that the plan no longer has delivers what it has, beside the others, for as long as a shutdown may take."""
        engine = self._engine
        engine.retiring.append(sink)
        sink.worker.drain()
        with anyio.move_on_after(self.plan.process.shutdown_timeout_secs):
            await sink.task.ended.wait()
        await sink.end(Reason.REMOVED)
        engine.retiring.remove(sink)
        engine.accounts.remove([sink.books])


async def reload(engine: Engine, plan: Plan) -> str:
    """Change over to ``plan``; returns a sentence that says what changed. Raises ``HttpipeError``: then nothing has changed."""
    change = Reload(engine, plan)
    await change.prepare()
    await change.carry_out()
    return str(change)


def _fill(
    units: dict[str, U],
    specs: Mapping[str, Any],
    old: Mapping[str, U],
    changed: Callable[[Any, Any], bool],
    make: Callable[[Any, U | None], U],
) -> None:
    """A unit for each component of the new plan: the one that runs, or another where it changed."""
    for name, spec in specs.items():
        unit = old.get(name)
        if unit is None or changed(unit.spec, spec):
            with _refusing(name, "made"):
                unit = make(spec, unit)
        units[name] = unit


def _added(before: Mapping[str, U], after: Mapping[str, U]) -> Iterator[U]:
    """Units that are in the second graph and not in the first; the other way round, those that go."""
    return (unit for name, unit in after.items() if before.get(name) is not unit)


def _hand_on(old: SourceUnit, new: SourceUnit) -> None:
    """The recording goes on, and so do the connections where the new source sees and decodes them as the old one did.

    Those of probes are numbered by each capture on its own.
    """
    if old.runner.decoding is None or new.runner.decoding is None:
        return
    if same_traffic(old.spec, new.spec):
        new.runner.decoding.take_over(old.runner.decoding, connections=new.spec.component.capture != "probe")
    if old.spec.record == new.spec.record:
        new.runner.decoding.recorder, old.runner.decoding.recorder = old.runner.decoding.recorder, None


@contextmanager
def _refusing(component_id: str, what: str) -> Iterator[None]:
    """Whatever a component raises refuses the reload, in words."""
    try:
        yield
    except CaptureError as error:
        if error.denied:
            raise CaptureError(f"{component_id}: {error}", remedy="restart httpipe with the privileges") from error
        raise
    except HttpipeError:
        raise
    except Exception as error:
        raise HttpipeError(f"{component_id}: cannot be {what}: {describe(error)}") from error
