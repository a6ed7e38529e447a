"""What can be set, from the models alone: rows for ``httpipe list`` and the generated page ``docs/configuration.md``.

In: models. Out: text. A model's field docstrings are the documentation; there is no second place to keep it.
"""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config.documentation import documented, models_in

Schema = Mapping[str, Any]


class Row(NamedTuple):
    """One option: its dotted name, what it takes, its default (empty: required) and what it means."""

    name: str
    kind: str
    default: str
    meaning: str


def option_rows(model: type[BaseModel], prefix: str = "") -> list[Row]:
    """The options of a model, those of tables inside it by their dotted names.

    What is required stands first, what it shares with other models last.
    """
    schema = documented(model).model_json_schema()
    rows: list[Row] = []
    declared = [*dict.fromkeys(name for owner in model.__mro__ for name in inspect.get_annotations(owner))]
    fields = sorted(model.model_fields.items(), key=lambda option: (not option[1].is_required(), declared.index(option[0])))
    for name, field in fields:
        option = f"{prefix}{field.alias or name}"
        inner = next(models_in(field.annotation), None)
        if inner is not None and not _is_list(field):
            if field.description and field.default is None:
                rows.append(Row(option, "table", "none", _one_line(field.description)))
            rows += option_rows(inner, f"{option}.")
            continue
        described = schema["properties"][field.alias or name]
        kind = kind_of(described, schema.get("$defs", {}))
        rows.append(Row(option, kind, _default(field), _one_line(field.description or "")))
    return rows


def kind_of(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """What an option takes, in a few words."""
    match schema:
        case {"$ref": str(ref)}:
            kind = kind_of(definitions[ref.rpartition("/")[2]], definitions)
        case {"anyOf": list(parts)} | {"oneOf": list(parts)}:
            kinds = [kind_of(part, definitions) for part in parts if part.get("type") != "null"]
            kind = " or ".join(dict.fromkeys(kinds))
        case {"const": value}:
            kind = f"`{_toml(value)}`"
        case {"enum": list(values)}:
            kind = ", ".join(f"`{_toml(value)}`" for value in values)
        case {"type": "array"}:
            entries = schema.get("items") or {}
            kind = f"list of {_plural(kind_of(entries, definitions))}" if entries else "list"
        case {"type": str(name)}:
            kind = {"boolean": "true or false", "object": "table"}.get(name, name) + _range(schema)
        case _:
            kind = "any value"
    return kind


def first_sentence(text: str | None) -> str:
    """The first sentence of a docstring."""
    paragraph = _one_line((text or "").strip().partition("\n\n")[0])
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0]


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    lines = ["| Option | Takes | Default | Meaning |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = f"`{row.default}`" if row.default not in ("", "none") else row.default or "required"
        cells = (f"`{row.name}`", row.kind, default, row.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    parts = [
        f"from {_number(low)}" if low is not None else f"above {_number(above)}" if above is not None else "",
        f"to {_number(high)}" if high is not None else f"below {_number(below)}" if below is not None else "",
    ]
    text = " ".join(filter(None, parts))
    return f" {text}" if text else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _plural(kind: str) -> str:
    first, space, rest = kind.partition(" ")
    return f"{first}s{space}{rest}" if first in ("string", "integer", "number", "table") else kind


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    return "none" if value is None else _toml(value)


def _toml(value: object) -> str:
    """A default as one would write it in the file."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(list(value) if isinstance(value, (tuple, set, frozenset)) else value, ensure_ascii=False, default=str)


def _is_list(field: FieldInfo) -> bool:
    return any(word in str(field.annotation) for word in ("list[", "tuple[", "dict[", "Sequence[", "Mapping["))


def _one_line(text: str) -> str:
    return " ".join(text.split())
