"""Reload: from one plan to the next while events pass. Only what changed is rebuilt; a plan that cannot run changes nothing.

First everything that can fail is done beside the running pipeline: new components are made, new sources and queues opened.
Whatever a component raises there refuses the reload. Then the change itself, which cannot fail: old parts stop, new ones take
their place, the outputs are wired anew. A changed sink takes over the queue and the counters of the old one; unchanged sources,
programs in the kernel included, run on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from pipeline.api import CaptureError
from pipeline.delivery.health import describe
from pipeline.delivery.ledger import Reason
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
    change = await _prepared(engine, plan)
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


async def _prepared(engine: Engine, plan: Plan) -> Change:
    """All that can fail, beside the running pipeline. Raises ``HttpipeError``; then everything is closed again."""
    change = Change(plan)
    try:
        _make(engine, change)
        await _open(change)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _close(change)
        raise
    return change


def _make(engine: Engine, change: Change) -> None:
    """New components, not opened. Raises ``HttpipeError``."""
    old, plan = engine.plan, change.plan
    for source in plan.sources.values():
        if _source_changed(old.sources.get(source.id), source):
            before = engine.sources.get(source.id)
            with _refusing(source.id, "made"):
                change.sources[source.id] = SourceUnit(source, engine.outputs, engine.options, before)
    for transform in plan.transforms.values():
        if _transform_changed(old.transforms.get(transform.id), transform):
            before_it = engine.transforms.get(transform.id)
            with _refusing(transform.id, "made"):
                change.transforms[transform.id] = TransformUnit(transform, engine.outputs, engine.options, before_it)
    for sink in plan.sinks.values():
        if _sink_changed(old.sinks.get(sink.id), sink):
            before_sink = engine.sinks.get(sink.id)
            with _refusing(sink.id, "made"):
                change.sinks[sink.id] = SinkUnit(sink, plan, engine.options, changed=engine.changed, before=before_sink)


async def _open(change: Change) -> None:
    """Sources and queues. Raises ``HttpipeError``."""
    for source in change.sources.values():
        with _refusing(source.spec.id, "opened"):
            await source.runner.open()
    for sink in change.sinks.values():
        if not sink.inherits:
            with _refusing(sink.spec.id, "opened"):
                await sink.open_queue()


async def _close(change: Change) -> None:
    for source in change.sources.values():
        await source.runner.aclose()
    for sink in change.sinks.values():
        if not sink.inherits:
            await sink.worker.buffer.aclose()


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


async def _carry_out(engine: Engine, change: Change) -> None:
    """The change itself. Everything has a time limit; what cannot be passed on in time is counted."""
    limit = engine.plan.process.shutdown_timeout_secs
    gone_sources = [unit for name, unit in engine.sources.items() if name in change.sources or name not in change.plan.sources]
    for source in gone_sources:
        await source.stop()
        if source.spec.id in change.sources:
            _hand_on(source, change.sources[source.spec.id])
        with anyio.move_on_after(limit):
            await source.runner.finish()
        source.runner.give_up()
    for name in change.sinks.keys() & engine.sinks.keys():
        await engine.sinks[name].worker.retire()
        await engine.sinks[name].task.stop()
    # Nothing waits between the last flush of a transform and the new wiring: what flowed meanwhile would stay in the old one.
    gone_transforms = [
        unit for name, unit in engine.transforms.items() if name in change.transforms or name not in change.plan.transforms
    ]
    refused = [offer for transform in gone_transforms for offer in engine.give_out(transform)]
    removed = engine.adopt(change.plan, change.sources, change.transforms, change.sinks)
    with anyio.move_on_after(limit):
        for offer in refused:
            await offer.wait()
    for offer in refused:
        offer.drop(Reason.REMOVED)
    engine.retire(removed)
    for source in gone_sources:
        await source.runner.acknowledge_now()
        await source.acknowledging.stop()
        await source.runner.aclose()


def _hand_on(old: SourceUnit, new: SourceUnit) -> None:
    """The recording goes on, and so do the connections where the new source sees and decodes them as the old one did."""
    if old.runner.decoding is None or new.runner.decoding is None:
        return
    if _same_connections(old.spec, new.spec):
        new.runner.decoding.take_over(old.runner.decoding)
    if old.spec.record == new.spec.record:
        new.runner.decoding.recorder, old.runner.decoding.recorder = old.runner.decoding.recorder, None


def _source_changed(old: SourceSpec | None, new: SourceSpec) -> bool:
    return (
        old is None
        or _key(old) != _key(new)
        or (old.keep_heads, old.decode, old.record) != (new.keep_heads, new.decode, new.record)
    )


def _same_connections(old: SourceSpec, new: SourceSpec) -> bool:
    """Whether a live source, such as one with other ports, goes on with the decoder of the old one."""
    return not new.component.can_wait and (old.component, old.decode, old.keep_heads) == (
        new.component,
        new.decode,
        new.keep_heads,
    )


def _transform_changed(old: TransformSpec | None, new: TransformSpec) -> bool:
    return old is None or _key(old) != _key(new) or (old.outputs, old.attributes) != (new.outputs, new.attributes)


def _sink_changed(old: SinkSpec | None, new: SinkSpec) -> bool:
    return old is None or _key(old) != _key(new) or (old.when_full, old.attributes) != (new.when_full, new.attributes)


def _queue_place(spec: SinkSpec) -> tuple[str, str | None]:
    return (spec.options.buffer.type, spec.options.buffer.path)


def _key(spec: SourceSpec | TransformSpec | SinkSpec) -> tuple[object, ...]:
    return (spec.type, spec.component, spec.reload_key)
