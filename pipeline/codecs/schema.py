"""What the field table says, for machines: JSON Schema of the ``json`` codec's objects, and columns for tables (DDL). Pure."""

from collections.abc import Iterable, Mapping
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
_COLUMNS: Mapping[Literal["flink", "spark"], Mapping[FieldType, str]] = {
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


def table_fields(kinds: Iterable[Kind], extra: Mapping[str, FieldType]) -> dict[str, FieldType]:
    """Names and types of the columns of a table for events of these kinds, each once; ``extra``: attributes beside theirs.

    Headers are left to the reader: which there are depends on what the sources report.
    """
    fields = (field for kind in kinds for field in (*kind.fields, *kind.attributes))
    return {EVENT_NAME: FieldType.STRING, **{field.name: field.type for field in fields}, **extra}


def columns(kind: Kind, dialect: Dialect) -> list[tuple[str, str]]:
    """Name and type of a column for each field, quoted as names with dots need; headers and attributes are left to the reader."""
    fields = table_fields([kind], {})
    if dialect == "clickhouse":
        return [(f"`{name}`", clickhouse_type(name, type_)) for name, type_ in fields.items()]
    return [(f"`{name}`", _COLUMNS[dialect][type_]) for name, type_ in fields.items()]


_EACH_ITS_OWN = frozenset(
    {
        "url.path",
        "url.query",
        "http.request.body.content",
        "http.response.body.content",
        "httpipe.request.target",
        "httpipe.request.id",
        "httpipe.connection",
        "httpipe.websocket.content",
        "httpipe.websocket.close_reason",
        "client.address",
        "network.peer.address",
        "process.command_line",
        "httpipe.client.process.command_line",
    }
)
"""Texts that differ from event to event: a dictionary of them would be as large as they are."""
_SHORT = ("port", "http.response.status_code")


def clickhouse_type(name: str, type_: FieldType) -> str:
    """A column's type in ClickHouse. A text that is absent is empty there; a number or a truth value is NULL, never 0.

    Lists are text, as JSON, but for the marks: ClickHouse takes dotted names that begin alike for parts of one structure, whose
    lists must be equally long.
    """
    match type_:
        case FieldType.TIMESTAMP:
            return "DateTime64(9, 'UTC')"
        case FieldType.STRING:
            return "String" if name in _EACH_ITS_OWN else "LowCardinality(String)"
        case FieldType.STRINGS:
            return "Array(LowCardinality(String))" if name == "httpipe.marks" else "String"
        case FieldType.INT:
            return "Nullable(UInt16)" if name.endswith(_SHORT) else "Nullable(Int64)"
        case FieldType.FLOAT:
            return "Nullable(Float64)"
        case FieldType.BOOL:
            return "Nullable(Bool)"


def clickhouse_attribute(type_: FieldType) -> str:
    """As ``clickhouse_type``, for an attribute: how many different texts it has nobody knows."""
    return "String" if type_ is FieldType.STRING else clickhouse_type("", type_)
