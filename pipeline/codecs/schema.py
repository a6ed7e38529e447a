"""What the field table says, for machines: JSON Schema of the ``json`` codec's objects, and columns for tables (DDL). Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.model.events.exchange import FAMILIES, FIELDS, Exchange
from pipeline.model.events.fields import EVENT_NAME, FieldType

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
        FieldType.TIMESTAMP: "STRING",  # Flink's JSON format reads timestamps without nanoseconds and zone only
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


def event_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one line. Attributes may have any other name, so unknown keys are allowed."""
    properties: dict[str, Any] = {
        EVENT_NAME: {"const": Exchange.event_name, "description": "Kind of event."},
    }
    for field in FIELDS:
        unit = f" In {field.unit}." if field.unit else ""
        properties[field.name] = {**_JSON[field.type], "description": f"{field.description}{unit}"}
    patterns = {
        f"^{family.prefix.replace('.', '[.]')}": {**_JSON[family.type], "description": family.description} for family in FAMILIES
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "httpipe exchange",
        "type": "object",
        "required": ["timestamp"],
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": {
            "description": "Attributes that transforms and plugins add.",
            "anyOf": [_JSON[kind] for kind in (FieldType.STRING, FieldType.FLOAT, FieldType.BOOL, FieldType.STRINGS)],
        },
    }


def columns(dialect: Dialect) -> list[tuple[str, str]]:
    """Name and type of a column for each field, quoted as the dialect does; headers and attributes are left to the reader."""
    return [("`event.name`", _COLUMNS[dialect][FieldType.STRING]), *((f"`{f.name}`", _COLUMNS[dialect][f.type]) for f in FIELDS)]
