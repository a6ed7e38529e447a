"""From a document to the plan: everything checked, every problem reported at once.

In: a parsed pipeline file and the registry of plugins. Out: a ``Plan``, or ``ConfigError`` with all problems in the order of the
file. No I/O: components are constructed to be checked, never opened.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from mmap import mmap
from typing import TypeVar, cast

from msgspec.structs import replace
from pydantic import BaseModel

from pipeline.api import Context, FieldType, Transform
from pipeline.config.document import Document, Table
from pipeline.config.elsewhere import Around
from pipeline.config.models import check
from pipeline.config.options import DecodeOptions, ProcessOptions, ResourceOptions, SourceOptions, TelemetryOptions, UiOptions
from pipeline.errors import ConfigError, Problem
from pipeline.expressions.errors import UNKNOWN_FIELD
from pipeline.plugins.registry import Registry
from pipeline.topology import rules
from pipeline.topology.components import TABLES, Draft, Mode, construct, draft
from pipeline.topology.graph import Node, Wiring, first_look, wire
from pipeline.topology.headers import unreported_headers
from pipeline.topology.overlap import file_problems, place_problems
from pipeline.topology.plan import Plan, SinkClass, SinkSpec, SourceClass, SourceSpec, TransformClass, TransformSpec

M = TypeVar("M", bound=BaseModel)


ReadFile = Callable[[str], bytes | None]
MapFile = Callable[[str], mmap | None]
Attributes = Mapping[str, FieldType]


def build(
    document: Document, registry: Registry, read_file: ReadFile, mode: Mode = Mode.STRICT, map_file: MapFile = lambda _path: None
) -> Plan:
    """The plan of a pipeline file. Raises ``ConfigError``.

    ``read_file`` gives the bytes of a file that a transform names (a lookup table), ``map_file`` maps it; both raise
    ``OSError``. With ``Mode.DEFERRED`` nobody else's code runs yet: see ``Plan.complete``.
    """
    problems = list(document.problems)
    drafts: dict[str, Draft] = {}
    for entry in document.entries:
        made, found = draft(entry, registry, mode, document.file)
        drafts.setdefault(entry.id, made)
        problems += found
    process = _table(ProcessOptions, document.process, "process", document.file, problems)
    telemetry = _table(TelemetryOptions, document.telemetry, "telemetry", document.file, problems)
    ui = None if document.ui is None else _table(UiOptions, document.ui, "ui", document.file, problems)
    page = ui or UiOptions()
    resource = None
    if document.resource is not None:
        resource = _table(ResourceOptions, document.resource, "resource", document.file, problems)
    attributes, found = _construct(drafts, Context("", read_file=read_file, map_file=map_file), mode, resource)
    problems += found
    wiring, found = wire([Node(each.id, each.entry.kind, each.inputs, each.outputs) for each in drafts.values()])
    problems += found + _whole(document, drafts)
    problems += file_problems(list(drafts.values()), process.data_dir) + place_problems(list(drafts.values()))
    if problems:
        clear = not any(".inputs" in problem.path for problem in problems)
        raise ConfigError(
            document.in_order(problems), file=document.file, warnings=unreported_headers(drafts, wiring) if clear else ()
        )
    if any(made.deferred for made in drafts.values()):
        built_in = [each for each in _of(drafts, "sources") if not each.deferred]
        sources = {each.id: _source(each, drafts, wiring, resource, page) for each in built_in}
        complete = partial(build, document, registry, read_file, Mode.TOLERANT, map_file)
        return Plan(document.file, sources, {}, {}, {}, process, telemetry, ui, complete=complete)
    return Plan(
        file=document.file,
        sources={each.id: _source(each, drafts, wiring, resource, page) for each in _of(drafts, "sources")},
        transforms={
            name: _transform(drafts[name], wiring, attributes) for name in wiring.order if drafts[name].entry.kind == "transforms"
        },
        sinks={each.id: _sink(each, drafts, wiring, attributes) for each in _of(drafts, "sinks")},
        consumers=_consumers(drafts, wiring),
        process=process,
        telemetry=telemetry,
        ui=ui,
        warnings=tuple(rules.warnings(drafts, wiring)),
    )


def _table(model: type[M], table: Table, path: str, file: str, problems: list[Problem]) -> M:
    made, found = check(model, table, path, file=file, around=Around(tables=TABLES))
    problems += found
    return made or model()


def _construct(
    drafts: Mapping[str, Draft], context: Context, mode: Mode, resource: ResourceOptions | None
) -> tuple[dict[str, Attributes], list[Problem]]:
    """Make every component, each after those that feed it, so that it can be told what attributes they add."""
    wiring = first_look([Node(each.id, each.entry.kind, each.inputs) for each in drafts.values()])
    attributes: dict[str, Attributes] = {}
    problems: list[Problem] = []
    for name in wiring.order:
        made = drafts[name]
        feeding = wiring.upstream(name)
        upstream = [drafts[each] for each in wiring.order if each in feeding]
        attributes[name] = {
            **{k: FieldType.STRING for each in upstream for k in resource_names(_resource_of(each, resource))},
            **{k: v for each in upstream if isinstance(each.instance, Transform) for k, v in each.instance.adds.items()},
        }
        found = construct(made, replace(context, id=name, attributes=attributes[name]), mode)
        if any(each.entry.kind == "transforms" and each.instance is None for each in upstream):
            # What that one adds is not known: it has problems of its own, or must not be imported yet.
            found = [problem for problem in found if not problem.message.startswith(UNKNOWN_FIELD)]
        problems += found
    return attributes, problems


def _whole(document: Document, drafts: Mapping[str, Draft]) -> list[Problem]:
    """What is wrong with the pipeline as a whole."""
    problems = [
        Problem("", f"there is no {kind[:-1]}; a pipeline needs at least one [{kind}.ID]")
        for kind in ("sources", "sinks")
        if not document.tree.get(kind)
    ]
    sinks = _of(drafts, "sinks")
    others = [each for each in drafts.values() if each.entry.kind != "sinks"]
    problems += rules.input_problems(list(drafts.values()))
    return problems + rules.dead_letter_problems(sinks, others) + rules.queue_problems(sinks)


def _of(drafts: Mapping[str, Draft], kind: str) -> list[Draft]:
    return [each for each in drafts.values() if each.entry.kind == kind]


def resource_names(resource: ResourceOptions | None) -> Iterator[str]:
    """The attributes that events get."""
    if resource is not None:
        yield from ("host.name", "host.id") if resource.host else ()
        yield from resource.attributes


def _resource_of(made: Draft, resource: ResourceOptions | None) -> ResourceOptions | None:
    """What the events of a component say of this host."""
    if made.entry.kind != "sources":
        return None
    wanted = made.source_options.resource
    if wanted is None:
        component = cast("SourceClass | None", made.component)
        wanted = component is not None and component.of_this_host
    return resource if wanted else None


def _source(
    made: Draft, drafts: Mapping[str, Draft], wiring: Wiring, resource: ResourceOptions | None, page: UiOptions
) -> SourceSpec:
    """What the page wants of a source it gets, whether or not a sink does."""
    readers = [sink for sink in _of(drafts, "sinks") if made in rules.feeders(sink, drafts, wiring)]
    return SourceSpec(
        id=made.id,
        type=made.name,
        component=cast("SourceClass", made.component),
        config=cast("BaseModel", made.config),
        decode=made.options.get(DecodeOptions),
        record=made.options[SourceOptions].record,
        keep_heads=page.heads or any(map(_wants_heads, readers)),
        reload_key=made.reload_key,
        dead_letter=made.source_options.dead_letter,
        resource=_resource_of(made, resource),
        keep_packets=max([page.packets_bytes, *(_wanted_packets(sink) for sink in readers)]),
    )


def _wants_heads(sink: Draft) -> bool:
    return sink.deferred or cast("SinkClass", sink.component).wants_heads(sink.config)


def _wanted_packets(sink: Draft) -> int:
    return 0 if sink.deferred else cast("SinkClass", sink.component).wants_packets(sink.config)


def _transform(made: Draft, wiring: Wiring, attributes: Mapping[str, Attributes]) -> TransformSpec:
    return TransformSpec(
        id=made.id,
        type=made.name,
        component=cast("TransformClass", made.component),
        config=cast("BaseModel", made.config),
        inputs=wiring.inputs[made.id],
        outputs=made.outputs or (),
        reload_key=made.reload_key,
        attributes=attributes[made.id],
    )


def _sink(made: Draft, drafts: Mapping[str, Draft], wiring: Wiring, attributes: Mapping[str, Attributes]) -> SinkSpec:
    return SinkSpec(
        id=made.id,
        type=made.name,
        component=cast("SinkClass", made.component),
        config=cast("BaseModel", made.config),
        options=made.sink_options,
        when_full=rules.when_full(made, rules.feeders(made, drafts, wiring)),
        inputs=wiring.inputs[made.id],
        reload_key=made.reload_key,
        attributes=attributes[made.id],
        table=made.entry.table,
    )


def _consumers(drafts: Mapping[str, Draft], wiring: Wiring) -> dict[str, tuple[str, ...]]:
    """Who reads each output, in the order of the file."""
    found: dict[str, tuple[str, ...]] = {}
    for name in drafts:
        for output in wiring.inputs[name]:
            found[output] = (*found.get(output, ()), name)
    return found
