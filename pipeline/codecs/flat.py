"""Event → flat object: outside names to values, in the order in which they are written. Pure; never raises.

``event.name`` first, ``timestamp`` second, then declared fields, headers as ``http.request.header.<name>``, attributes. What is
``None`` or empty is left out. The function for exchanges is generated from the field table, because a loop over 45 fields costs
twice what the straight code costs (benchmarks/codecs.py).
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pipeline.codecs.selection import Selection
from pipeline.codecs.text import whole
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import BY_NAME, FAMILIES, Exchange
from pipeline.model.events.fields import EVENT_NAME, Family, FieldType

FlatObject = dict[str, Any]
HeaderAdder = Callable[[FlatObject, str, Mapping[str, tuple[str, ...]]], None]
AttributeAdder = Callable[[FlatObject, Mapping[str, AttributeValue]], None]


def flat(event: Event) -> dict[str, AttributeValue]:
    """What an event says, under its outside names: for sinks that write columns or properties instead of bytes.

    The timestamp is RFC 3339 text. All text can be written as UTF-8; it may still hold whatever strangers send, NUL too.
    """
    plain = exchange_to_object(Selection())(event) if type(event) is Exchange else event_to_object(event, Selection())
    return {whole(name): _whole(value) for name, value in plain.items()}


def _whole(value: AttributeValue) -> AttributeValue:
    if isinstance(value, str):
        return whole(value)
    return tuple(map(whole, value)) if isinstance(value, tuple) else value


@lru_cache(maxsize=64)
def exchange_to_object(selection: Selection) -> Callable[[Exchange], FlatObject]:
    """A function that makes the flat object of an exchange, written out field by field from the table."""
    shown = [f"{EVENT_NAME!r}: {Exchange.event_name!r}"] if selection.takes(EVENT_NAME) else []
    shown += ["'timestamp': rfc3339(exchange.timestamp_ns)"] if selection.takes("timestamp") else []
    lines = ["def to_object(exchange):", f" o = {{{', '.join(shown)}}}"]
    for field in selection.fields():
        match field.type:
            case FieldType.TIMESTAMP:
                continue
            case FieldType.STRINGS:
                lines.append(f" if value := exchange.{field.attribute}: o[{field.name!r}] = value")
            case _:
                lines.append(f" if (value := exchange.{field.attribute}) is not None: o[{field.name!r}] = value")
    lines += [f" if value := exchange.{each.attribute}: add_headers(o, {each.prefix!r}, value)" for each in selection.families()]
    lines += [" if value := exchange.attributes: add_attributes(o, value)", " return o"]
    scope: dict[str, Any] = {
        "rfc3339": rfc3339,
        "add_headers": _header_adder(selection),
        "add_attributes": _attribute_adder(selection, BY_NAME.__contains__),
    }
    exec("\n".join(lines), scope)  # noqa: S102  made of the field table alone, nothing from outside
    function: Callable[[Exchange], FlatObject] = scope["to_object"]
    return function


def undeclared() -> tuple[list[tuple[Family, HeaderAdder]], AttributeAdder]:
    """Functions that add what stands behind the declared fields of an exchange: headers by family, and attributes."""
    selection = Selection()
    return [(family, _header_adder(selection)) for family in FAMILIES], _attribute_adder(selection, BY_NAME.__contains__)


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


def event_to_object(event: Event, selection: Selection) -> FlatObject:
    """An event that is no plain exchange: its name, its time and its attributes; with fields, a kind of exchange of a plugin."""
    if isinstance(event, Exchange):
        plain = Exchange(**{name: getattr(event, name) for name in Exchange.__struct_fields__})
        return exchange_to_object(selection)(plain)
    target: FlatObject = {EVENT_NAME: event.event_name} if selection.takes(EVENT_NAME) else {}
    if selection.takes("timestamp"):
        target["timestamp"] = rfc3339(event.timestamp_ns)
    _attribute_adder(selection, "timestamp".__eq__)(target, event.attributes)
    return target
