"""Flat object → event: the inverse of ``flat``. Pure; raises ``DecodeError`` naming the field, nothing else.

Keys that are no declared fields become attributes. ``null`` is as good as absent.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.timestamp import from_rfc3339
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import BY_NAME, FAMILIES, FIELDS, Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType
from pipeline.model.events.measurement import Measurement

_WORDS = {
    FieldType.STRING: "a string",
    FieldType.INT: "an integer",
    FieldType.FLOAT: "a number",
    FieldType.BOOL: "true or false",
    FieldType.STRINGS: "an array of strings",
    FieldType.TIMESTAMP: "an RFC 3339 timestamp",
}
_AS_IT_IS = {FieldType.STRING: str, FieldType.INT: int, FieldType.FLOAT: float, FieldType.BOOL: bool}

PLACES: Mapping[str, int] = {name: place for place, name in enumerate(Exchange.__struct_fields__)}
"""Exchanges are built by position, which costs a seventh of what so many keywords cost."""
TIMESTAMP, ATTRIBUTES, WEIGHT = PLACES["timestamp_ns"], PLACES["attributes"], PLACES["weight"]
BLANK: tuple[Any, ...] = tuple(
    None if each.default is msgspec.NODEFAULT else each.default for each in msgspec.structs.fields(Exchange)
)
"""An exchange of which nothing is known, not even the time."""

_PLAN: Mapping[str, tuple[int, type | None, Field]] = {
    field.name: (PLACES[field.attribute], _AS_IT_IS.get(field.type), field) for field in FIELDS
}
"""By outside name: where the value goes, and the type that needs no further look."""
_FAMILY_PLACES = tuple((family.prefix, PLACES[family.attribute]) for family in FAMILIES)

OTHER_KINDS: Mapping[object, type[Event]] = {kind.event_name: kind for kind in (Event, Measurement)}
"""Events that are their time and their attributes and nothing else."""

EVENT_BYTES = 600
"""What an event costs in memory beside its text, roughly. From so many bytes of text on, it costs about twice its text."""


def from_object(source: Mapping[str, Any], size: int = 0) -> Event:
    """The event of a flat object. An unknown ``event.name`` gives a plain ``Event`` that keeps the name as an attribute.

    ``size`` is the number of bytes that the object was read from: the event's weight follows it.
    """
    kind = source.get(EVENT_NAME, Exchange.event_name)
    if kind != Exchange.event_name:
        return _other_event(source, size)
    values = list(BLANK)
    attributes: dict[str, AttributeValue] = {}
    for name, value in source.items():
        plan = _PLAN.get(name)
        if plan is None:
            _put_undeclared(name, value, values, attributes)
        elif type(value) is plan[1]:
            values[plan[0]] = value
        elif value is not None:
            values[plan[0]] = _checked(plan[2], value)
    if values[TIMESTAMP] is None:
        raise DecodeError("timestamp: is missing")
    if attributes:
        values[ATTRIBUTES] = attributes
    values[WEIGHT] = size + max(size, EVENT_BYTES)
    return Exchange(*values)


def _put_undeclared(name: str, value: Any, values: list[Any], attributes: dict[str, AttributeValue]) -> None:  # noqa: ANN401
    if value is None or name == EVENT_NAME:
        return
    for prefix, place in _FAMILY_PLACES:
        if name.startswith(prefix):
            if values[place] is BLANK[place]:
                values[place] = {}
            values[place][name[len(prefix) :]] = _strings(name, value)
            return
    attributes[name] = _attribute(name, value)


def _other_event(source: Mapping[str, Any], size: int) -> Event:
    attributes = {name: _attribute(name, value) for name, value in source.items() if value is not None and name != "timestamp"}
    if source.get("timestamp") is None:
        raise DecodeError("timestamp: is missing")
    return other_event(_checked(BY_NAME["timestamp"], source["timestamp"]), attributes, size)


def other_event(timestamp_ns: int, attributes: dict[str, AttributeValue], size: int) -> Event:
    """An event whose name is among its attributes; the name stays there unless a class stands for it."""
    kind = OTHER_KINDS.get(attributes.get(EVENT_NAME, Event.event_name))
    if kind is not None:
        attributes.pop(EVENT_NAME, None)
    return (kind or Event)(timestamp_ns, attributes, size + max(size, EVENT_BYTES))


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
            return _nearest_float(value)
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


def _nearest_float(value: int) -> float | None:
    """The float next to an integer of any size; None beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return None
