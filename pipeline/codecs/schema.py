"""What the field table says, for machines: JSON Schema of the ``json`` codec's objects, and columns for tables (DDL). Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.model.events.fields import EVENT_NAME, FieldType
from pipeline.model.events.kind import Kind

Dialect = Literal["clickhouse", "flink", "spark"]

_JSON: Mapping[FieldType, dict[str, Any]] = {
    FieldType.STRING: {"type": "string"},
    FieldType.INT: {"type": "integer"},
    FieldType.FLOAT: {"type": "number"},
    FieldType.BOOL: {"type": "boolean"},
    FieldType.STRINGS: {"type": "array", "items": {"type": "string"}},
    FieldType.TIMESTAMP: {"type": "string", "format": "date-time"},
}
_COLUMNS: Mapping[Dialect, Mapping[FieldType, str]] = {
    "clickhouse": {
        FieldType.STRING: "Nullable(String)",
        FieldType.INT: "Nullable(Int64)",
        FieldType.FLOAT: "Nullable(Float64)",
        FieldType.BOOL: "Nullable(Bool)",
        FieldType.STRINGS: "Array(String)",
        FieldType.TIMESTAMP: "DateTime64(9, 'UTC')",
    },
    "flink": {
        FieldType.STRING: "STRING",
        FieldType.INT: "BIGINT",
        FieldType.FLOAT: "DOUBLE",
        FieldType.BOOL: "BOOLEAN",
        FieldType.STRINGS: "ARRAY<STRING>",
        FieldType.TIMESTAMP: "TIMESTAMP_LTZ(9)",
    },
    "spark": {
        FieldType.STRING: "STRING",
        FieldType.INT: "BIGINT",
        FieldType.FLOAT: "DOUBLE",
        FieldType.BOOL: "BOOLEAN",
        FieldType.STRINGS: "ARRAY<STRING>",
        FieldType.TIMESTAMP: "TIMESTAMP",
    },
}


def event_schema(kind: Kind) -> dict[str, Any]:
    """JSON Schema (2020-12) of one line. Attributes may have any other name, so unknown keys are allowed."""
    properties: dict[str, Any] = {EVENT_NAME: {"const": kind.name, "description": "Kind of event."}}
    for field in (*kind.fields, *kind.attributes):
        unit = f" In {field.unit}." if field.unit else ""
        properties[field.name] = {**_JSON[field.type], "description": f"{field.description}{unit}"}
    patterns = {
        f"^{family.prefix.replace('.', '[.]')}": {**_JSON[family.type], "description": family.description}
        for family in kind.families
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.name,
        "description": kind.summary,
        "type": "object",
        "required": ["timestamp"],
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": {
            "description": "Attributes that transforms and plugins add.",
            "anyOf": [_JSON[type_] for type_ in (FieldType.STRING, FieldType.FLOAT, FieldType.BOOL, FieldType.STRINGS)],
        },
    }


def columns(kind: Kind, dialect: Dialect) -> list[tuple[str, str]]:
    """Name and type of a column for each field, quoted as names with dots need; headers and attributes are left to the reader."""
    types = _COLUMNS[dialect]
    named = [(field.name, field.type) for field in (*kind.fields, *kind.attributes)]
    return [(f"`{name}`", types[type_]) for name, type_ in ((EVENT_NAME, FieldType.STRING), *named)]
