"""One table of the file becomes one checked component: class, config, engine options.

In: an entry of the document and the registry. Out: a ``Draft`` and every problem with it. A table holds the engine's options and
the component's own side by side; they are told apart by name, so the two sets never overlap. Components are constructed here
once, which by contract does no I/O, because a constructor may find what a model cannot: an expression that does not compile.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from importlib.util import find_spec
from typing import Any, cast

import msgspec
from pydantic import BaseModel

from pipeline.api import Config, Context, Emits, Sink, Source, Transform
from pipeline.config.document import Entry
from pipeline.config.elsewhere import GLOBAL, Around, Tables, names
from pipeline.config.models import check
from pipeline.config.options import ENGINE_OPTIONS, DecodeOptions, SinkOptions, SourceOptions
from pipeline.config.words import shown
from pipeline.errors import ConfigError, Problem
from pipeline.plugins.discovery import Kind, Plugin
from pipeline.plugins.registry import BrokenPluginError, Component, Loaded, PluginError, Registry
from pipeline.plugins.registry import names as plugin_names

STAND_INS: tuple[object, ...] = ("x", ("x",), 1, (1,), True, {}, {"x": "x"}, "x:1", "http://x", "127.0.0.1", ({},), "1 == 1")
"""Values that options of most kinds take: in place of those that are missing, so that the rest of a table can be looked at."""

KINDS: Mapping[str, Kind] = {"sources": Kind.SOURCE, "transforms": Kind.TRANSFORM, "sinks": Kind.SINK}

TABLES: Tables = {**GLOBAL, "in a source": ENGINE_OPTIONS["sources"], "in a sink": ENGINE_OPTIONS["sinks"]}
"""Tables whose options every file knows."""


class Draft(msgspec.Struct):
    """A component on its way into the plan; what could not be made is None, and a problem says why."""

    entry: Entry
    name: str = ""
    plugin: Plugin | None = None
    loaded: Loaded | None = None
    config: BaseModel | None = None
    trial: BaseModel | None = None
    """Where ``config`` could not be made: without its wrong options, so that a constructor can look at the rest."""
    right: frozenset[str] = frozenset()
    """The options of ``trial`` that are as the file says."""
    complete: bool = True
    """Whether ``trial`` has all that the file says, but for unknown options, and nothing else."""
    named: tuple[str, ...] | None = None
    """The outputs that a constructor had named before it failed."""
    instance: Source | Transform | Sink | None = None
    inputs: tuple[str, ...] = ()
    options: dict[type[Config], Any] = msgspec.field(default_factory=dict)
    deferred: bool = False
    """Known and trusted, but not imported yet: privileges must be given up first."""
    fault: str = ""
    """Why a stand-in has its place: the plugin is broken, and the rest of the pipeline runs."""

    @property
    def id(self) -> str:
        """Its id."""
        return self.entry.id

    @property
    def sink_options(self) -> SinkOptions:
        """The engine's options of a sink; the defaults where they were wrong, which has been reported."""
        return self.options.get(SinkOptions) or SinkOptions()

    @property
    def source_options(self) -> SourceOptions:
        """The engine's options of a source; the defaults where they were wrong, which has been reported."""
        return self.options.get(SourceOptions) or SourceOptions()

    @property
    def decode_options(self) -> DecodeOptions:
        """How a source's records become events; the defaults where nothing is decoded."""
        return self.options.get(DecodeOptions) or DecodeOptions()

    @property
    def component(self) -> Component | None:
        """Its class, where the type is known."""
        return self.loaded.component if self.loaded else None

    @property
    def outputs(self) -> tuple[str, ...] | None:
        """Named outputs; None where they are not known."""
        if self.entry.kind != "transforms":
            return ()
        return tuple(self.instance.outputs) if isinstance(self.instance, Transform) and not self.fault else self.named

    def stand_in(self, fault: str) -> None:
        """Go on without a plugin that is broken."""
        from pipeline.topology.broken import AnyOptions, broken  # noqa: PLC0415  start-up: hardly any plugin is broken

        plugin = cast("Plugin", self.plugin)
        self.fault = fault
        self.loaded = Loaded(plugin, broken(plugin.kind, fault))
        self.config = AnyOptions()
        self.instance = self.loaded.component(self.config, Context(self.id))

    def take_defaults(self) -> None:
        """What its class declares for its batches, where the file says nothing else."""
        options, component = self.options.get(SinkOptions), self.component
        if options is not None and component is not None and issubclass(component, Sink):
            self.options[SinkOptions] = options.with_defaults(component.defaults)

    @property
    def reload_key(self) -> str:
        """The table as it stands in the file: equal keys mean that nothing changed, a plugin that was mended included."""
        return json.dumps(self.entry.table, sort_keys=True, default=str) + self.fault


class Mode(Enum):
    """How far the plugins of others are gone into."""

    STRICT = auto()
    """Everything is checked, and whatever is wrong is a problem: `validate`, and reloading."""
    TOLERANT = auto()
    """A plugin that is broken gets a stand-in, so that the rest can run: `run`."""
    DEFERRED = auto()
    """They are found and judged, but not imported: privileges must be given up first."""


def draft(entry: Entry, registry: Registry, mode: Mode, file: str) -> tuple[Draft, list[Problem]]:
    """Check one table of this file."""
    made = Draft(entry)
    problems = _load(made, registry, mode)
    problems += _inputs(made)
    models = engine_models(entry.kind, made.component)
    engine = {name for model in ENGINE_OPTIONS[entry.kind] for name in names(model)}
    for model in models:
        part = {name: value for name, value in entry.table.items() if name in names(model)}
        made.options[model], found = check(model, part, entry.path, file=file)
        problems += found
    made.take_defaults()
    if made.loaded is None or made.fault:
        return made, problems
    foreign = engine - {name for model in models for name in names(model)}
    problems += _misplaced(entry, foreign, made.loaded) + _missing(made, made.loaded)
    return made, problems + _own(made, made.loaded, engine, file)


def engine_models(kind: str, component: Component | None) -> tuple[type[Config], ...]:
    """The engine's options for a component of this class; only sources of records pass decode."""
    if component is not None and issubclass(component, Source) and component.emits is Emits.EVENTS:
        return (SourceOptions,)
    return ENGINE_OPTIONS[kind]


def _load(made: Draft, registry: Registry, mode: Mode) -> list[Problem]:
    entry, kind = made.entry, KINDS[made.entry.kind]
    where = f"{entry.path}.type"
    name = entry.table.get("type")
    if name is None:
        return [Problem(where, f"is required; known: {', '.join(plugin_names(registry.plugins(kind)))}")]
    if not isinstance(name, str):
        return [Problem(where, f"{shown(name)} is not a string; known: {', '.join(plugin_names(registry.plugins(kind)))}")]
    made.name = name
    try:
        made.plugin = registry.find(kind, name)
        made.deferred = mode is Mode.DEFERRED and not made.plugin.builtin
        made.loaded = None if made.deferred else registry.load(kind, name)
    except BrokenPluginError as error:
        if mode is Mode.STRICT or made.plugin is None or made.plugin.builtin:
            return [Problem(where, str(error))]
        made.stand_in(str(error))
    except PluginError as error:
        return [Problem(where, str(error))]
    return []


def _inputs(made: Draft) -> list[Problem]:
    where = f"{made.entry.path}.inputs"
    value = made.entry.table.get("inputs")
    match made.entry.kind, value:
        case _, None:
            return []  # whether it may be missing depends on the rest of the graph
        case "sources", _:
            return [Problem(where, "a source has no inputs; the components that read it name it in theirs")]
        case _, list() if all(isinstance(each, str) for each in value):
            made.inputs = tuple(value)
            return []
        case _, str():
            return [Problem(where, f"{shown(value)} is not a list of strings; write [{shown(value)}]")]
        case _:
            return [Problem(where, f'{shown(value)} is not a list of strings, such as ["http"]')]


def _misplaced(entry: Entry, foreign: set[str], loaded: Loaded) -> list[Problem]:
    """Options of the engine that this component, of all its kind, cannot have."""
    return [
        Problem(
            f"{entry.path}.{name}", f'the source "{loaded.plugin.name}" gives whole events, so nothing is decoded: no such option'
        )
        for name in entry.table
        if name in foreign
    ]


def _missing(made: Draft, loaded: Loaded) -> list[Problem]:
    """Packages that a sink cannot work without and that are not installed; the extra of a built-in one has its name."""
    component = loaded.component
    if not issubclass(component, Sink):
        return []
    missing = [name for name in component.requires if find_spec(name) is None]
    if not missing:
        return []
    remedy = f'; type: pip install "httpipe[{loaded.plugin.name}]"' if loaded.plugin.builtin else ""
    return [Problem(f"{made.entry.path}.type", f'"{made.name}" needs the package {" and ".join(missing)}{remedy}')]


def _own(made: Draft, loaded: Loaded, engine: set[str], file: str) -> list[Problem]:
    """Check the component's own options."""
    entry, model = made.entry, loaded.component.Config
    if clash := sorted(set(names(model)) & (engine | {"type", "inputs"})):
        return [Problem(entry.path, f"{loaded.plugin}: its Config has options that belong to the engine: {', '.join(clash)}")]
    own = {name: value for name, value in entry.table.items() if name not in engine | {"type", "inputs"}}
    around = Around(ENGINE_OPTIONS[entry.kind], ("inputs",) if entry.kind != "sources" else (), TABLES)
    made.config, problems = check(model, own, entry.path, file=file, around=around)
    if made.config is None:
        right = {name: value for name, value in own.items() if not _concerns(problems, entry, name)}
        made.right = frozenset(right)
        filled = _filled(model, right, file)
        made.complete = filled == {name: value for name, value in own.items() if name in names(model)}
        made.trial, _ = check(model, filled, entry.path, file=file)
    return problems


def _filled(model: type[BaseModel], table: Mapping[str, object], file: str) -> dict[str, object]:
    """The table with something that will do for each required option that it lacks."""
    filled = dict(table)
    for name, info in model.model_fields.items():
        option = info.alias or name
        if not info.is_required() or option in table:
            continue
        for value in STAND_INS:
            _, problems = check(model, {**filled, option: value}, "", file=file)
            if not any(problem.path.split(".")[0] == option for problem in problems):
                filled[option] = value
                break
    return filled


def _concerns(problems: Sequence[Problem], entry: Entry, option: str) -> bool:
    """Whether one of them is about this option of the table, or about something in it."""
    where = f"{entry.path}.{option}"
    return any(problem.path == where or problem.path.startswith(f"{where}.") for problem in problems)


def construct(made: Draft, context: Context, mode: Mode) -> list[Problem]:
    """Make the component, which by contract opens nothing, and report what its constructor finds."""
    if made.loaded is None or made.fault:
        return []
    if made.config is None:
        return _tried(made, made.loaded, context)
    entry, plugin = made.entry, made.loaded.plugin
    try:
        made.instance = _made(made, made.loaded, made.config, context)
    except ConfigError as error:
        return [Problem(".".join(filter(None, (entry.path, each.path))), each.message) for each in error.problems]
    except OSError as error:
        return [Problem(entry.path, f"{error.filename}: {error.strerror}" if error.filename else str(error))]
    except (Exception, SystemExit) as error:  # a plugin's constructor may raise anything; ours may not
        if plugin.builtin:
            raise
        fault = f"{plugin} cannot be made: {type(error).__name__}: {error}"
        if mode is Mode.STRICT:
            return [Problem(entry.path, fault)]
        made.stand_in(fault)
    return []


def _made(made: Draft, loaded: Loaded, config: BaseModel, context: Context) -> Source | Transform | Sink:
    """The component. What outputs it has named is known even where its constructor fails after that."""
    component: Any = loaded.component
    instance = component.__new__(component, config, context)  # what calling the class does, in two steps
    try:
        instance.__init__(config, context)
    finally:
        named = getattr(instance, "__dict__", {}).get("outputs")
        made.named = tuple(named) if named is not None and made.complete else None
    return cast("Source | Transform | Sink", instance)


def _tried(made: Draft, loaded: Loaded, context: Context) -> list[Problem]:
    """What a constructor finds in the options that are left of a table with wrong ones, so that it is reported in the same run.

    Of what it says only that counts which is about a right option of the file: anything else may come of what is left out.
    """
    if made.trial is None:
        return []
    try:
        _made(made, loaded, made.trial, context)
    except ConfigError as error:
        given = [problem for problem in error.problems if problem.path.split(".")[0] in made.right]
        return [Problem(f"{made.entry.path}.{problem.path}", problem.message) for problem in given]
    except (Exception, SystemExit):  # noqa: BLE001  an attempt: it is made in earnest when the options are right
        return []
    return []
