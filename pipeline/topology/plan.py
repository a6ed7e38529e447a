"""The plan: everything the runtime needs to build a pipeline, all of it checked. Made by ``topology.build``, read by ``runtime``.

An *output* is named by a component's id, or ``id.name`` for a named output. ``consumers`` maps each output to the ids that
read it, in the order of the file. Transforms stand in an order in which every one comes after what feeds it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel

from pipeline.api import FieldType, Sink, Source, Transform
from pipeline.config.options import (
    DecodeOptions,
    ProcessOptions,
    RecordOptions,
    ResourceOptions,
    SinkOptions,
    TelemetryOptions,
    UiOptions,
    WhenFull,
)

SourceClass = type[Source]
TransformClass = type[Transform]
SinkClass = type[Sink]


class SourceSpec(msgspec.Struct, frozen=True):
    """A source to run. ``decode`` is None for sources of events; ``reload_key`` is its table as it stood in the file."""

    id: str
    type: str
    component: SourceClass
    config: BaseModel
    decode: DecodeOptions | None
    record: RecordOptions | None
    keep_heads: bool
    reload_key: str
    dead_letter: str | None = None
    resource: ResourceOptions | None = None
    """What its events say of this host; None: nothing."""
    keep_packets: int = 0
    """Bytes of its newest packets that somebody wants to be kept."""


class TransformSpec(msgspec.Struct, frozen=True):
    """A transform to run."""

    id: str
    type: str
    component: TransformClass
    config: BaseModel
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reload_key: str
    attributes: Mapping[str, FieldType]
    """What transforms upstream add: for its ``Context``."""


class SinkSpec(msgspec.Struct, frozen=True):
    """A sink to run. ``when_full`` is resolved: it follows the sources upstream where the file does not say.

    ``table`` is its table as it stands in the file, for a process of its own, which makes the sink again.
    """

    id: str
    type: str
    component: SinkClass
    config: BaseModel
    options: SinkOptions
    when_full: WhenFull
    inputs: tuple[str, ...]
    reload_key: str
    attributes: Mapping[str, FieldType]
    """What transforms upstream add: for its ``Context``."""
    table: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Plan(msgspec.Struct, frozen=True):
    """A whole pipeline."""

    file: str
    sources: Mapping[str, SourceSpec]
    transforms: Mapping[str, TransformSpec]
    sinks: Mapping[str, SinkSpec]
    consumers: Mapping[str, tuple[str, ...]]
    process: ProcessOptions
    telemetry: TelemetryOptions
    ui: UiOptions | None = None
    warnings: tuple[str, ...] = ()
    complete: Callable[[], "Plan"] | None = None
    """Set where third-party plugins must not be imported before privileges are given up. Then this plan holds only the built-in
    sources: open them, give up privileges, and call this for the whole plan. It raises ``ConfigError``."""
