"""Event → flat object: outside names to values, in the order in which they are written. Pure; never raises.

``event.name`` first, ``timestamp`` second, then declared fields, headers as ``http.request.header.<name>``, attributes. What is
``None`` or empty is left out.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pipeline.codecs.layout import as_registered, written_out
from pipeline.codecs.selection import Selection
from pipeline.codecs.text import whole
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import EVENT_NAME, Family, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import EVENT

EVERYTHING = Selection()
FlatObject = dict[str, Any]
ToObject = Callable[[Event], FlatObject]
HeaderAdder = Callable[[FlatObject, str, Mapping[str, tuple[str, ...]]], None]
AttributeAdder = Callable[[FlatObject, Mapping[str, AttributeValue]], None]


def flat(event: Event) -> dict[str, AttributeValue]:
    """What an event says, under its outside names: for sinks that write columns or properties instead of bytes.

    The timestamp is RFC 3339 text. All text can be written as UTF-8; it may still hold whatever untrusted peers send, NUL too.
    """
    plain = to_object_of(EXCHANGE, EVERYTHING)(event) if type(event) is Exchange else event_to_object(event, EVERYTHING)
    return {whole(name): _whole(value) for name, value in plain.items()}


def _whole(value: AttributeValue) -> AttributeValue:
    if isinstance(value, str):
        return whole(value)
    return tuple(map(whole, value)) if isinstance(value, tuple) else value


def event_to_object(event: Event, selection: Selection) -> FlatObject:
    """The flat object of any event. One that stands for no kind has its class's name, or that among its attributes."""
    kind, event = as_registered(event)
    if kind is not EVENT:
        return to_object_of(kind, selection)(event)
    target: FlatObject = {EVENT_NAME: event.event_name} if selection.takes(EVENT_NAME) else {}
    if selection.takes("timestamp"):
        target["timestamp"] = rfc3339(event.timestamp_ns)
    _attribute_adder(selection, "timestamp".__eq__)(target, event.attributes)
    return target


@lru_cache(maxsize=256)
def to_object_of(kind: Kind, selection: Selection) -> ToObject:
    """A function that makes the flat object of an event of this kind, written out field by field from the table."""
    shown = [f"{EVENT_NAME!r}: {kind.name!r}"] if selection.takes(EVENT_NAME) else []
    shown += ["'timestamp': rfc3339(event.timestamp_ns)"] if selection.takes("timestamp") else []
    lines = ["def to_object(event):", f" o = {{{', '.join(shown)}}}"]
    for field in selection.fields(kind):
        match field.type:
            case FieldType.TIMESTAMP:
                continue
            case FieldType.STRINGS:
                lines.append(f" if value := event.{field.attribute}: o[{field.name!r}] = value")
            case _:
                lines.append(f" if (value := event.{field.attribute}) is not None: o[{field.name!r}] = value")
    lines += [f" if value := event.{each.attribute}: add_headers(o, {each.prefix!r}, value)" for each in selection.families(kind)]
    lines += [" if value := event.attributes: add_attributes(o, value)", " return o"]
    scope: dict[str, Any] = {
        "rfc3339": rfc3339,
        "add_headers": _header_adder(selection),
        "add_attributes": _attribute_adder(selection, kind.by_name.__contains__),
    }
    function: ToObject = written_out("to_object", lines, scope)
    return function


def undeclared(kind: Kind) -> tuple[list[tuple[Family, HeaderAdder]], AttributeAdder]:
    """Functions that add what stands behind the declared fields: headers by family, and attributes."""
    add_attributes = _attribute_adder(EVERYTHING, kind.by_name.__contains__)
    return [(family, _header_adder(EVERYTHING)) for family in kind.families], add_attributes


def _header_adder(selection: Selection) -> HeaderAdder:
    chosen = bool(selection)

    def add(target: FlatObject, prefix: str, headers: Mapping[str, tuple[str, ...]]) -> None:
        for key, values in headers.items():
            if not chosen or selection.takes(prefix + key):
                target[prefix + key] = values

    return add


@lru_cache(maxsize=64)
def _attribute_adder(selection: Selection, reserved: Callable[[str], bool]) -> AttributeAdder:
    chosen = bool(selection)

    def add(target: FlatObject, attributes: Mapping[str, AttributeValue]) -> None:
        for name, value in attributes.items():
            if reserved(name) or (chosen and not selection.takes(name)):
                continue  # what the event itself says is never overwritten
            if not (isinstance(value, float) and not math.isfinite(value)) and value is not None:
                target[name] = value

    return add
