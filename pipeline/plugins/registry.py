"""From the word after ``type =`` to a class, importing nothing but that class and only if it may be imported.

In: what is installed and the trust list. Out: a component class, or ``PluginError`` saying what is wrong and what to type.
Names of plugins are plain (``slack``) or, where two distributions have the same, with the distribution (``httpipe-slack:slack``).
A distribution that nobody trusts can take no name away from one that is trusted, nor from a built-in.
"""

import importlib
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec
from pydantic import BaseModel

from pipeline.api import API_VERSION, Sink, SinkDefaults, Source, Transform
from pipeline.config.models import check
from pipeline.config.options import SinkOptions, defaults_table
from pipeline.config.words import unknown
from pipeline.errors import HttpipeError
from pipeline.plugins.discovery import Found, Kind, Plugin, canonical

Component = type[Source] | type[Transform] | type[Sink]

BASES: Mapping[Kind, Component] = MappingProxyType({Kind.SOURCE: Source, Kind.TRANSFORM: Transform, Kind.SINK: Sink})

IMPORT_SECS = 30.0
"""How long the import of a plugin may take. Large libraries take seconds on a slow disk; more is a module that waits."""


class PluginError(HttpipeError):
    """A plugin that cannot be used. The text reads as the rest of a sentence after its place in the pipeline file."""


class BrokenPluginError(PluginError):
    """A plugin that may be used and is broken: it cannot be imported, or is not a component. The rest of a pipeline can run."""


class Trust(Protocol):
    """Who may be imported (``pipeline.plugins.trust``)."""

    def refusal(self, plugin: Plugin) -> str:
        """Why this plugin may not be imported, with what to do about it; empty where it may."""


class TrustNothing:
    """Built-ins only."""

    def refusal(self, plugin: Plugin) -> str:
        """Everything is refused."""
        return f"{plugin.distribution} is not trusted"


class Loaded(msgspec.Struct, frozen=True):
    """A class that was imported, and the plugin it came from."""

    plugin: Plugin
    component: Component


class Registry:
    """Finds plugins by kind and name. Loading one twice gives the same class."""

    def __init__(self, found: Found, trust: Trust) -> None:
        self.found = found
        self.trust = trust

    def plugins(self, kind: Kind) -> tuple[Plugin, ...]:
        """Everything of one kind, built-ins first, then by name."""
        of_kind = (plugin for plugin in self.found.plugins if plugin.kind is kind)
        return tuple(sorted(of_kind, key=lambda plugin: (not plugin.builtin, plugin.name, plugin.distribution)))

    def allowed(self, plugin: Plugin) -> bool:
        """Whether it may be imported: built-ins always."""
        return plugin.builtin or not self.trust.refusal(plugin)

    def find(self, kind: Kind, name: str) -> Plugin:
        """The one plugin that this name means, not imported yet."""
        candidates = self._named(kind, name)
        if not candidates:
            raise PluginError(unknown(name, kind.value, {plugin.name for plugin in self.plugins(kind)}))
        allowed = [plugin for plugin in candidates if self.allowed(plugin)]
        if not allowed:
            raise PluginError("; ".join(f'"{name}": {self.trust.refusal(plugin)}' for plugin in candidates))
        if len(allowed) > 1:
            owners = " and ".join(plugin.distribution for plugin in allowed)
            choices = " or ".join(f'type = "{plugin.distribution}:{plugin.name}"' for plugin in allowed)
            raise PluginError(f'"{name}" is a {kind} of both {owners}; choose with {choices}')
        return allowed[0]

    def type_of(self, plugin: Plugin) -> str:
        """What to write after ``type =`` for a plugin that is allowed: its name, qualified where that is not enough."""
        same = [each for each in self._named(plugin.kind, plugin.name) if self.allowed(each)]
        return plugin.name if len(same) == 1 else f"{plugin.distribution}:{plugin.name}"

    def load(self, kind: Kind, name: str) -> Loaded:
        """Import the class. Whatever its import raises is reported as a problem of that plugin."""
        plugin = self.find(kind, name)
        return Loaded(plugin, _checked(plugin, _import(plugin)))

    def shadowed(self) -> tuple[str, ...]:
        """Distributions that declare a built-in's name: harmless while nobody trusts them, and always worth a word."""
        builtins = {(plugin.kind, plugin.name) for plugin in self.found.plugins if plugin.builtin}
        others = (plugin for plugin in self.found.plugins if not plugin.builtin)
        return tuple(
            f'{plugin.distribution} {plugin.version} declares a {plugin.kind} "{plugin.name}", the name of a built-in one'
            for plugin in others
            if (plugin.kind, plugin.name) in builtins
        )

    def _named(self, kind: Kind, name: str) -> list[Plugin]:
        distribution, colon, plain = name.rpartition(":")
        return [
            plugin
            for plugin in self.plugins(kind)
            if plugin.name == plain and (not colon or plugin.distribution == canonical(distribution))
        ]


def _import(plugin: Plugin) -> object:
    try:
        return _resolved(plugin.value) if plugin.builtin else _in_time(plugin)
    except BrokenPluginError:
        raise
    except (Exception, SystemExit) as error:  # a plugin's import runs foreign code: anything may come out
        if plugin.builtin and not isinstance(error, ImportError):
            raise
        missing = f"; install what is missing: {error.name}" if isinstance(error, ModuleNotFoundError) and error.name else ""
        raise BrokenPluginError(f"{_who(plugin)} cannot be imported: {type(error).__name__}: {error}{missing}") from error


def _resolved(value: str) -> object:
    module, _, attribute = value.partition(":")
    found: object = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _in_time(plugin: Plugin) -> object:
    """What a foreign import gives, or whatever it raises.

    In a thread, which is left behind when the time is over: nothing else can end an import that waits for something.
    """
    given: list[object] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            given.append(_resolved(plugin.value))
        except BaseException as error:  # noqa: BLE001  handed to who waits
            raised.append(error)

    thread = threading.Thread(target=work, name=f"import {plugin.value}", daemon=True)
    thread.start()
    thread.join(IMPORT_SECS)
    if raised:  # in that thread nothing but the module itself raises KeyboardInterrupt
        raise SystemExit(raised[0]) if isinstance(raised[0], KeyboardInterrupt) else raised[0]
    if not given:
        reason = f"the import of {plugin.value} has not come back after {IMPORT_SECS:g} s; a module must not wait for anything"
        raise BrokenPluginError(f"{_who(plugin)} cannot be imported: {reason}")
    return given[0]


def _checked(plugin: Plugin, component: object) -> Component:
    """The class, if it is one of the right kind, whole, and of an API version that this engine supports."""
    base = BASES[plugin.kind]
    if not (isinstance(component, type) and issubclass(component, base)):
        message = f"is not a {plugin.kind}: {plugin.value} is not a subclass of httpipe.{base.__name__}"
        raise BrokenPluginError(f"{_who(plugin)} {message}")
    if fault := _version_fault(getattr(component, "api_version", None)) or _form_fault(plugin, component):
        raise BrokenPluginError(f"{_who(plugin)} {fault}")
    return component


def _version_fault(version: object) -> str:
    supported = range(max(1, API_VERSION - 1), API_VERSION + 1)
    if version in supported:
        return ""
    wanted = " or ".join(map(str, supported))
    if version is None:
        return f"does not state the plugin API it is written for; write api_version = {API_VERSION} in the class"
    if not isinstance(version, int):
        return f"states api_version = {version!r}, which is not an integer; write api_version = {API_VERSION} in the class"
    age = "newer httpipe" if version > API_VERSION else "newer version of the plugin"
    return f"is written for plugin API {version!r}, this httpipe supports {wanted}; install a {age}"


def _form_fault(plugin: Plugin, component: Component) -> str:
    stated = getattr(component, "plugin_name", "")
    if stated and stated != plugin.name:
        return f'calls itself "{stated}" in its code; the two names must be the same'
    if abstract := sorted(getattr(component, "__abstractmethods__", ())):
        return f"lacks {', '.join(f'{name}()' for name in abstract)}"
    if not (isinstance(component.Config, type) and issubclass(component.Config, BaseModel)):
        return "has a Config that is not a pydantic model"
    return "" if plugin.builtin else _schema_fault(component) or _defaults_fault(component)


def _schema_fault(component: Component) -> str:
    try:
        component.Config.model_json_schema()
    except Exception as error:  # noqa: BLE001  a plugin's model may do anything
        return f"has a Config without a JSON Schema: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return ""


def _defaults_fault(component: Component) -> str:
    if not issubclass(component, Sink):
        return ""
    given = component.defaults
    if not isinstance(given, SinkDefaults):
        return f"declares defaults = {given!r}; write defaults = SinkDefaults(…)"
    _options, problems = check(SinkOptions, defaults_table(given), "")
    return f"declares wrong defaults: {'; '.join(map(str, problems))}" if problems else ""


def _who(plugin: Plugin) -> str:
    return f'"{plugin.name}" of {plugin.distribution} {plugin.version}'


def names(plugins: Iterable[Plugin]) -> list[str]:
    """Names alone, each once."""
    return sorted({plugin.name for plugin in plugins})
