"""Plans made of component classes, without a pipeline file: for tests of the engine and of components in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from pipeline.api import Emits, NoConfig, Sink, Source, Transform
from pipeline.config.options import BufferOptions, DecodeOptions, ProcessOptions, SinkOptions, TelemetryOptions, WhenFull
from pipeline.topology.plan import Plan, SinkSpec, SourceSpec, TransformSpec


@dataclass(frozen=True)
class Part:
    """A component with its options. ``inputs`` as in the file, without globs. ``key`` stands for its text in the file."""

    component: type[Source] | type[Transform] | type[Sink]
    inputs: Sequence[str] = ()
    config: BaseModel = field(default_factory=NoConfig)
    options: SinkOptions = field(default_factory=SinkOptions)
    when_full: WhenFull = "block"
    key: str = ""


def plan(process: ProcessOptions | None = None, telemetry: TelemetryOptions | None = None, **parts: Part) -> Plan:
    """A plan of these parts by id; transforms in an order in which each comes after what feeds it."""
    sources = {name: _source(name, part) for name, part in parts.items() if issubclass(part.component, Source)}
    transforms = {name: _transform(name, part) for name, part in parts.items() if issubclass(part.component, Transform)}
    sinks = {name: _sink(name, part) for name, part in parts.items() if issubclass(part.component, Sink)}
    consumers: dict[str, tuple[str, ...]] = {}
    for name, part in parts.items():
        for output in part.inputs:
            consumers[output] = (*consumers.get(output, ()), name)
    return Plan(
        file="test.toml",
        sources=sources,
        transforms=transforms,
        sinks=sinks,
        consumers=consumers,
        process=process or ProcessOptions(),
        telemetry=telemetry or TelemetryOptions(),
    )


def disk(path: str, **options: object) -> SinkOptions:
    """Options of a sink with a disk queue."""
    return SinkOptions(buffer=BufferOptions.model_validate({"type": "disk", "path": path, **options}))


def _source(name: str, part: Part) -> SourceSpec:
    if not issubclass(part.component, Source):
        raise TypeError(name)
    return SourceSpec(
        id=name,
        type=part.component.__name__,
        component=part.component,
        config=part.config,
        decode=DecodeOptions() if part.component.emits is not Emits.EVENTS else None,
        record=None,
        keep_heads=False,
        reload_key=part.key,
    )


def _transform(name: str, part: Part) -> TransformSpec:
    if not issubclass(part.component, Transform):
        raise TypeError(name)
    return TransformSpec(
        id=name,
        type=part.component.__name__,
        component=part.component,
        config=part.config,
        inputs=tuple(part.inputs),
        outputs=tuple(part.component.outputs),
        reload_key=part.key,
        attributes={},
    )


def _sink(name: str, part: Part) -> SinkSpec:
    if not issubclass(part.component, Sink):
        raise TypeError(name)
    return SinkSpec(
        id=name,
        type=part.component.__name__,
        component=part.component,
        config=part.config,
        options=part.options,
        when_full=part.when_full,
        inputs=tuple(part.inputs),
        reload_key=part.key,
        attributes={},
    )
