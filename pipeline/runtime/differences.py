"""Two plans → what a reload must rebuild, and what it cannot change. Pure."""

from collections.abc import Iterator

from pipeline.api import Source
from pipeline.errors import Problem
from pipeline.topology.plan import Plan, SinkSpec, SourceSpec, TransformSpec


def hindrances(old: Plan, new: Plan, *, privileges_dropped: bool) -> list[Problem]:
    """What the new plan asks for that only a restart can give."""
    return [*_of_the_process(old, new), *_of_queues(old, new), *(_of_privileges(old, new) if privileges_dropped else ())]


def _of_the_process(old: Plan, new: Plan) -> Iterator[Problem]:
    for name in ("user", "data_dir", "control_socket"):
        if getattr(old.process, name) != getattr(new.process, name):
            yield Problem(f"process.{name}", "cannot change while httpipe runs; restart it")
    if old.ui != new.ui:
        yield Problem("ui", "cannot change while httpipe runs; restart it")
    if old.telemetry.metrics_address != new.telemetry.metrics_address:
        yield Problem("telemetry.metrics_address", "cannot change while httpipe runs; restart it")


def _of_queues(old: Plan, new: Plan) -> Iterator[Problem]:
    for sink in new.sinks.values():
        before = old.sinks.get(sink.id)
        if before is not None and _queue_place(before) != _queue_place(sink):
            yield Problem(f"sinks.{sink.id}.buffer", "type and path cannot change while httpipe runs; restart it")


def _of_privileges(old: Plan, new: Plan) -> Iterator[Problem]:
    for source in new.sources.values():
        before = old.sources.get(source.id)
        if before is not None and before.component is source.component and takes_over(source.component):
            continue
        if not source.component.can_wait and (before is None or source_changed(before, source)):
            yield Problem(f"sources.{source.id}", "needs privileges that were given up; restart httpipe")


def takes_over(component: type[Source]) -> bool:
    """Whether such a source goes on with what the one before it holds open, and so needs no privileges that were given up."""
    return component.take_over is not Source.take_over


def source_changed(old: SourceSpec, new: SourceSpec) -> bool:
    """Whether it must be rebuilt."""
    return (_key(old), old.keep_heads, old.decode, old.record, old.resource) != (
        _key(new),
        new.keep_heads,
        new.decode,
        new.record,
        new.resource,
    )


def same_traffic(old: SourceSpec, new: SourceSpec) -> bool:
    """Whether a live source, such as one with other ports, goes on where the old one stopped."""
    return not new.component.can_wait and (old.component, old.decode, old.keep_heads) == (
        new.component,
        new.decode,
        new.keep_heads,
    )


def transform_changed(old: TransformSpec, new: TransformSpec) -> bool:
    """Whether it must be rebuilt."""
    return (_key(old), old.outputs, old.attributes) != (_key(new), new.outputs, new.attributes)


def sink_changed(old: SinkSpec, new: SinkSpec) -> bool:
    """Whether it must be rebuilt."""
    return (_key(old), old.when_full, old.attributes) != (_key(new), new.when_full, new.attributes)


def _queue_place(spec: SinkSpec) -> tuple[str, str | None]:
    return (spec.options.buffer.type, spec.options.buffer.path)


def _key(spec: SourceSpec | TransformSpec | SinkSpec) -> tuple[object, ...]:
    return (spec.type, spec.component, spec.reload_key)
