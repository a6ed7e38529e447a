"""Reload: from one plan to the next while events pass. Only what changed is rebuilt; a plan that cannot run changes nothing.

First everything that can fail is done beside the running pipeline: new components are made, new sources and queues opened.
Then the change itself, which cannot fail: old parts stop, new ones take their place, the outputs are wired anew. A changed
sink takes over the queue and the counters of the old one; unchanged sources, programs in the kernel included, run on.
"""

from dataclasses import dataclass, field

import anyio

from pipeline.api import CaptureError
from pipeline.errors import ConfigError, HttpipeError, Problem
from pipeline.runtime.engine import Engine
from pipeline.runtime.units import SinkUnit, SourceUnit, TransformUnit
from pipeline.topology.plan import Plan, SinkSpec, SourceSpec, TransformSpec


@dataclass(slots=True)
class Change:
    """What a new plan adds or changes, made and opened but not yet running; what it removes follows from the plan."""

    plan: Plan
    sources: dict[str, SourceUnit] = field(default_factory=dict)
    transforms: dict[str, TransformUnit] = field(default_factory=dict)
    sinks: dict[str, SinkUnit] = field(default_factory=dict)


async def reload(engine: Engine, plan: Plan) -> str:
    """Change over to ``plan``; returns a sentence that says what changed. Raises ``HttpipeError``: then nothing has changed."""
    _refuse_what_needs_a_restart(engine, plan)
    change = _make(engine, plan)
    try:
        await _open(change)
    except BaseException:
        for source in change.sources.values():
            await source.runner.aclose()
        raise
    engine.reloading = True
    try:
        with anyio.CancelScope(shield=True):
            await _carry_out(engine, change)
    finally:
        engine.reloading = False
        engine.changed.set()
    rebuilt = [*change.sources, *change.transforms, *change.sinks]
    return f"rebuilt {', '.join(rebuilt)}" if rebuilt else "no component changed"


def _refuse_what_needs_a_restart(engine: Engine, plan: Plan) -> None:
    old = engine.plan
    problems = [
        Problem(f"process.{name}", "cannot change while httpipe runs; restart it")
        for name in ("user", "data_dir", "control_socket")
        if getattr(old.process, name) != getattr(plan.process, name)
    ]
    if old.telemetry.metrics_address != plan.telemetry.metrics_address:
        problems.append(Problem("telemetry.metrics_address", "cannot change while httpipe runs; restart it"))
    for spec in plan.sinks.values():
        before = old.sinks.get(spec.id)
        if before is not None and _queue_place(before) != _queue_place(spec):
            problems.append(Problem(f"sinks.{spec.id}.buffer", "type and path cannot change while httpipe runs; restart it"))
    if engine.privileges_dropped:
        problems += [
            Problem(f"sources.{source.id}", "needs privileges that were given up; restart httpipe")
            for source in plan.sources.values()
            if not source.component.can_wait and _source_changed(old.sources.get(source.id), source)
        ]
    if problems:
        raise ConfigError(problems, file=plan.file)


def _make(engine: Engine, plan: Plan) -> Change:
    """New components, not opened. Raises ``ConfigError``."""
    old, change = engine.plan, Change(plan)
    for source in plan.sources.values():
        if _source_changed(old.sources.get(source.id), source):
            change.sources[source.id] = SourceUnit(source, engine.outputs, engine.options, engine.sources.get(source.id))
    for transform in plan.transforms.values():
        if _transform_changed(old.transforms.get(transform.id), transform):
            before = engine.transforms.get(transform.id)
            change.transforms[transform.id] = TransformUnit(transform, engine.outputs, engine.options, before)
    for sink in plan.sinks.values():
        if _sink_changed(old.sinks.get(sink.id), sink):
            before_sink = engine.sinks.get(sink.id)
            change.sinks[sink.id] = SinkUnit(sink, plan, engine.options, finished=engine.changed, before=before_sink)
    return change


async def _open(change: Change) -> None:
    """Everything that may fail. Raises ``HttpipeError``."""
    for source in change.sources.values():
        try:
            await source.runner.open()
        except CaptureError as error:
            if error.denied:
                raise CaptureError(f"{source.spec.id}: {error}", remedy="restart httpipe with the privileges") from error
            raise
        except HttpipeError:
            raise
        except Exception as error:  # a plugin's fault: the old pipeline goes on
            raise HttpipeError(f"{source.spec.id}: cannot be opened: {error}") from error
    for sink in change.sinks.values():
        if not sink.inherits:
            await sink.open_queue()


async def _carry_out(engine: Engine, change: Change) -> None:
    """The change itself. Everything has a time limit; what cannot be passed on in time is counted."""
    gone_sources = [unit for name, unit in engine.sources.items() if name in change.sources or name not in change.plan.sources]
    for source in gone_sources:
        await source.task.stop()
        with anyio.move_on_after(engine.plan.process.shutdown_timeout_secs):
            await source.runner.finish()
        source.runner.give_up()
    for name, transform in engine.transforms.items():
        if name in change.transforms or name not in change.plan.transforms:
            await engine.flush_last(transform)
    for name in change.sinks.keys() & engine.sinks.keys():
        await engine.sinks[name].worker.retire()
        await engine.sinks[name].task.stop()
    engine.adopt(change.plan, change.sources, change.transforms, change.sinks)
    for source in gone_sources:
        await source.runner.settle_now()
        await source.settling.stop()
        await source.runner.aclose()


def _source_changed(old: SourceSpec | None, new: SourceSpec) -> bool:
    return (
        old is None
        or _key(old) != _key(new)
        or (old.keep_heads, old.decode, old.record) != (new.keep_heads, new.decode, new.record)
    )


def _transform_changed(old: TransformSpec | None, new: TransformSpec) -> bool:
    return old is None or _key(old) != _key(new) or (old.outputs, old.attributes) != (new.outputs, new.attributes)


def _sink_changed(old: SinkSpec | None, new: SinkSpec) -> bool:
    return old is None or _key(old) != _key(new) or (old.when_full, old.attributes) != (new.when_full, new.attributes)


def _queue_place(spec: SinkSpec) -> tuple[str, str | None]:
    return (spec.options.buffer.type, spec.options.buffer.path)


def _key(spec: SourceSpec | TransformSpec | SinkSpec) -> tuple[object, ...]:
    return (spec.type, spec.component, spec.reload_key)
