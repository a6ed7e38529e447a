"""JSON Schema (draft 2020-12) of a whole pipeline file, for editors: completion, documentation on hover, errors while typing.

In: the models of the components there are. Out: one schema; a component's table is told by its ``type``. What only the whole
pipeline can decide (ids, cycles, expressions) is left to ``httpipe validate``.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline.config.case import CaseConfig
from pipeline.config.documentation import documented
from pipeline.config.options import ID_PATTERN, ProcessOptions, ResourceOptions, TelemetryOptions, UiOptions

DIALECT = "https://json-schema.org/draft/2020-12/schema"

VARIABLE = {"type": "string", "pattern": r"\$\{"}
"""A ``${VAR}`` may stand where a number or a truth value is wanted; what it holds is only known at run time."""

INPUTS = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
    "description": "Ids of the components that feed this one, or their named outputs (`split.errors`); globs are allowed.",
}


class ComponentModel(NamedTuple):
    """What a component's table may hold: its own model and the engine's."""

    name: str
    about: str
    models: Sequence[type[BaseModel]]


def pipeline_schema(components: Mapping[str, Sequence[ComponentModel]]) -> dict[str, Any]:
    """The schema of a file with these components, by ``sources``, ``transforms`` and ``sinks``."""
    every = {model for each in components.values() for component in each for model in component.models}
    every |= {ProcessOptions, ResourceOptions, TelemetryOptions, UiOptions, CaseConfig}
    ordered = sorted(map(documented, every), key=lambda model: (model.__module__, model.__qualname__))
    by_model, merged = models_json_schema([(model, "validation") for model in ordered], ref_template="#/$defs/{model}")
    definitions = merged.get("$defs", {})
    own = {model: definitions[by_model[model, "validation"]["$ref"].rpartition("/")[2]] for model in ordered}
    tables = {kind: _kind(kind, each, own) for kind, each in components.items()}
    referenced = {name: _with_variables(schema) for name, schema in definitions.items()}
    return {
        "$schema": DIALECT,
        "title": "httpipe pipeline",
        "description": "A pipeline of httpipe: sources, transforms and sinks, joined by `inputs`.",
        "type": "object",
        "additionalProperties": False,
        "required": ["sources", "sinks"],
        "properties": {
            **tables,
            "process": _with_variables(own[ProcessOptions]),
            "telemetry": _with_variables(own[TelemetryOptions]),
            "resource": _with_variables(own[ResourceOptions]),
            "ui": _with_variables(own[UiOptions]),
            "tests": {
                "type": "array",
                "items": _with_variables(own[CaseConfig]),
                "description": "Tests of this pipeline, for `httpipe test`.",
            },
        },
        "$defs": _reachable(
            referenced,
            [tables, *(own[each] for each in (ProcessOptions, TelemetryOptions, ResourceOptions, UiOptions, CaseConfig))],
        ),
    }


def _kind(kind: str, components: Sequence[ComponentModel], own: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"The {kind} of the pipeline, by id.",
        "minProperties": 0 if kind == "transforms" else 1,
        "propertyNames": {"pattern": ID_PATTERN},
        "additionalProperties": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": [component.name for component in components]}},
            "oneOf": [_component(kind, component, own) for component in components],
        },
    }


def _component(kind: str, component: ComponentModel, own: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    schemas = [own[model] for model in component.models]
    properties: dict[str, Any] = {"type": {"const": component.name, "description": component.about}}
    if kind != "sources":
        properties["inputs"] = INPUTS
    for schema in schemas:
        properties |= _with_variables(schema).get("properties", {})
    required = ["type", *(["inputs"] if kind == "transforms" else [])]
    return {
        "title": component.name,
        "description": component.about,
        "type": "object",
        "properties": properties,
        "required": required + [name for schema in schemas for name in schema.get("required", [])],
        "additionalProperties": any(schema.get("additionalProperties", True) is not False for schema in schemas),
    }


def _with_variables(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a table, with ``${VAR}`` allowed for its plain values."""
    found = deepcopy(dict(schema))
    for name, value in found.get("properties", {}).items():
        if value.get("type") in ("integer", "number", "boolean") or "enum" in value or "anyOf" in value:
            about = {key: value.pop(key) for key in ("title", "description", "default") if key in value}
            found["properties"][name] = {**about, "anyOf": [*value.pop("anyOf", [value]), VARIABLE]}
    return found


def _reachable(definitions: Mapping[str, Any], roots: Sequence[object]) -> dict[str, Any]:
    """The definitions that something refers to, in alphabetical order."""
    needed: set[str] = set()
    waiting: list[Any] = list(roots)
    while waiting:
        match waiting.pop():
            case {"$ref": str(ref)} as node:
                name = ref.rpartition("/")[2]
                if name not in needed:
                    needed.add(name)
                    waiting.append(definitions[name])
                waiting += [value for key, value in node.items() if key != "$ref"]
            case dict() as node:
                waiting += node.values()
            case list() as node:
                waiting += node
            case _:
                pass
    return {name: definitions[name] for name in sorted(needed)}
