"""Flat object → event: the inverse of ``flat``. Pure; raises ``DecodeError`` naming the field, nothing else.

Keys that are no declared fields become attributes. ``null`` is as good as absent.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.timestamp import from_rfc3339
from pipeline.model.exchange import AttributeValue, Event, Exchange
from pipeline.model.fields import BY_NAME, EVENT_NAME, FAMILIES, Family, Field, FieldType

_OWN = {FieldType.STRING: str, FieldType.INT: int, FieldType.FLOAT: float, FieldType.BOOL: bool}
_WORDS = {
    FieldType.STRING: "a string",
    FieldType.INT: "an integer",
    FieldType.FLOAT: "a number",
    FieldType.BOOL: "true or false",
    FieldType.STRINGS: "an array of strings",
    FieldType.TIMESTAMP: "an RFC 3339 timestamp",
}


def from_object(source: Mapping[str, Any]) -> Event:
    """The event of a flat object. An unknown ``event.name`` gives a plain ``Event`` that keeps the name as an attribute."""
    kind = source.get(EVENT_NAME, Exchange.event_name)
    values: dict[str, Any] = {}
    attributes: dict[str, AttributeValue] = {}
    families: dict[str, dict[str, tuple[str, ...]]] = {}
    declared = BY_NAME if kind == Exchange.event_name else _TIMESTAMP_ONLY
    for name, value in source.items():
        if value is None or (name == EVENT_NAME and kind in (Exchange.event_name, Event.event_name)):
            continue
        if (field := declared.get(name)) is not None:
            if field.attribute not in values or field.name.startswith("client."):
                values[field.attribute] = _checked(field, value)
        elif declared is BY_NAME and (family := _family(name)) is not None:
            families.setdefault(family.attribute, {})[name[len(family.prefix) :]] = _strings(name, value)
        else:
            attributes[name] = _attribute(name, value)
    if "timestamp_ns" not in values:
        raise DecodeError("timestamp: is missing")
    if attributes:
        values["attributes"] = attributes
    values.update(families)
    return Exchange(**values) if declared is BY_NAME else Event(**values)


_TIMESTAMP_ONLY: Mapping[str, Field] = {"timestamp": BY_NAME["timestamp"]}


def _family(name: str) -> Family | None:
    for family in FAMILIES:
        if name.startswith(family.prefix):
            return family
    return None


def _checked(field: Field, value: Any) -> Any:  # noqa: ANN401  the field's own type
    match field.type:
        case FieldType.TIMESTAMP if isinstance(value, str):
            try:
                return from_rfc3339(value)
            except ValueError as error:
                raise DecodeError(f"{field.name}: {error}") from error
        case FieldType.STRINGS:
            return _strings(field.name, value)
        case FieldType.FLOAT if type(value) is int:
            return nearest_float(value)
        case kind if type(value) is _OWN.get(kind):
            return value
    raise DecodeError(f"{field.name}: must be {_WORDS[field.type]}, not {kind_of(value)}")


def _strings(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401  any JSON value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise DecodeError(f"{name}: must be an array of strings, not {kind_of(value)}")


def _attribute(name: str, value: Any) -> AttributeValue:  # noqa: ANN401  any JSON value
    if isinstance(value, str | int | float):  # bool is an int
        return value
    if isinstance(value, list):
        return _strings(name, value)
    raise DecodeError(f"{name}: an attribute is a string, a number, a boolean or an array of strings, not {kind_of(value)}")


def kind_of(value: Any) -> str:  # noqa: ANN401  any JSON value
    """What a value is, for a message."""
    words = {dict: "an object", list: "an array", str: "a string", int: "an integer", float: "a number", bool: "a boolean"}
    return f"{words.get(type(value), 'null')} ({value!r:.60})"


def nearest_float(value: int) -> float | None:
    """The float next to an integer of any size; None beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return None
