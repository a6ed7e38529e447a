"""Flat object → event: the inverse of ``flat``. Pure; raises ``DecodeError`` naming the field, nothing else.

Keys that are not declared fields become attributes. ``null`` is as good as absent.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.layout import EVENT_BYTES, Layout, layout_of
from pipeline.codecs.timestamp import from_rfc3339
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType
from pipeline.model.events.kinds import EVENT, kind_named

_WORDS = {
    FieldType.STRING: "a string",
    FieldType.INT: "an integer",
    FieldType.FLOAT: "a number",
    FieldType.BOOL: "true or false",
    FieldType.STRINGS: "an array of strings",
    FieldType.TIMESTAMP: "an RFC 3339 timestamp",
}


def from_object(source: Mapping[str, Any], size: int = 0) -> Event:
    """The event of a flat object. An unknown ``event.name`` gives a plain ``Event`` that keeps the name as an attribute.

    ``size`` is the number of bytes that the object was read from: the event's ``memory_bytes`` follow from it.
    """
    kind = kind_named(source.get(EVENT_NAME, Exchange.event_name))
    layout = layout_of(kind or EVENT)
    plan_of = layout.plan.get
    values = list(layout.blank)
    attributes: dict[str, AttributeValue] = {}
    if kind is None and (unknown := source[EVENT_NAME]) is not None:
        attributes[EVENT_NAME] = _attribute(EVENT_NAME, unknown)
    for name, value in source.items():
        plan = plan_of(name)
        if plan is None:
            _put_undeclared(layout, name, value, values, attributes)
        elif type(value) is plan[1]:
            values[plan[0]] = value
        elif value is not None:
            values[plan[0]] = _checked(plan[2], value)
    if values[layout.timestamp] is None:
        raise DecodeError("timestamp: is missing")
    if attributes:
        values[layout.attributes] = attributes
    values[layout.memory_bytes] = size + max(size, EVENT_BYTES)
    return layout.make(*values)


def _put_undeclared(
    layout: Layout,
    name: str,
    value: Any,  # noqa: ANN401  any JSON value
    values: list[Any],
    attributes: dict[str, AttributeValue],
) -> None:
    if value is None or name == EVENT_NAME:
        return
    for prefix, place in layout.families:
        if name.startswith(prefix):
            if values[place] is layout.blank[place]:
                values[place] = {}
            values[place][name[len(prefix) :]] = _strings(name, value)
            return
    attributes[name] = _attribute(name, value)


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
    raise DecodeError(f"{field.name}: must be {_WORDS[field.type]}, not {json_type(value)}")


def _strings(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401  any JSON value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise DecodeError(f"{name}: must be an array of strings, not {json_type(value)}")


def _attribute(name: str, value: Any) -> AttributeValue:  # noqa: ANN401  any JSON value
    if isinstance(value, str | int | float):  # bool is an int
        return value
    if isinstance(value, list):
        return _strings(name, value)
    raise DecodeError(f"{name}: an attribute is a string, a number, a boolean or an array of strings, not {json_type(value)}")


def json_type(value: Any) -> str:  # noqa: ANN401  any JSON value
    """What a value is, for a message."""
    words = {dict: "an object", list: "an array", str: "a string", int: "an integer", float: "a number", bool: "a boolean"}
    return f"{words.get(type(value), 'null')} ({value!r:.60})"


def _nearest_float(value: int) -> float | None:
    """The float next to an integer of any size; None beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return None
