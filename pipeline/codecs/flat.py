"""Event → flat object: outside names to values, in the order in which they are written. Pure; never raises.

``event.name`` first, ``timestamp`` second, then declared fields, headers as ``http.request.header.<name>``, attributes. What is
``None`` or empty is left out. The function for exchanges is generated from the field table, because a loop over 45 fields costs
twice what the straight code costs (benchmarks/codecs.py).
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pipeline.codecs.selection import Selection
from pipeline.codecs.text import whole
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.exchange import AttributeValue, Event, Exchange
from pipeline.model.fields import BY_NAME, EVENT_NAME, FieldType

FlatObject = dict[str, Any]


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
    names = [each.name for each in msgspec.structs.fields(Exchange)]
    shown = [f"{EVENT_NAME!r}: {Exchange.event_name!r}"] if selection.takes(EVENT_NAME) else []
    shown += ["'timestamp': rfc3339(timestamp_ns)"] if selection.takes("timestamp") else []
    lines = ["def to_object(exchange):", f" ({', '.join(names)}) = astuple(exchange)", f" o = {{{', '.join(shown)}}}"]
    for field in selection.fields():
        match field.type:
            case FieldType.TIMESTAMP:
                continue
            case FieldType.STRINGS:
                lines.append(f" if {field.attribute}: o[{field.name!r}] = {field.attribute}")
            case _:
                lines.append(f" if {field.attribute} is not None: o[{field.name!r}] = {field.attribute}")
    lines += [f" if {family.attribute}: add_headers(o, {family.prefix!r}, {family.attribute})" for family in selection.families()]
    lines += [" if attributes: add_attributes(o, attributes)", " return o"]
    scope: dict[str, Any] = {
        "astuple": msgspec.structs.astuple,
        "rfc3339": rfc3339,
        "add_headers": _header_adder(selection),
        "add_attributes": _attribute_adder(selection, BY_NAME.__contains__),
    }
    exec("\n".join(lines), scope)  # noqa: S102  made of the field table alone, nothing from outside
    function: Callable[[Exchange], FlatObject] = scope["to_object"]
    return function


def _header_adder(selection: Selection) -> Callable[[FlatObject, str, Mapping[str, tuple[str, ...]]], None]:
    def add(target: FlatObject, prefix: str, headers: Mapping[str, tuple[str, ...]]) -> None:
        for key, values in headers.items():
            if not selection or selection.takes(prefix + key):
                target[prefix + key] = values

    return add


@lru_cache(maxsize=64)
def _attribute_adder(
    selection: Selection, reserved: Callable[[str], bool]
) -> Callable[[FlatObject, Mapping[str, AttributeValue]], None]:
    def add(target: FlatObject, attributes: Mapping[str, AttributeValue]) -> None:
        for name, value in attributes.items():
            if reserved(name) or (selection and not selection.takes(name)):
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
