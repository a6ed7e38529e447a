"""Events → attributes: a function for each kind of event, written out from its field table. Pure; never raises.

Names are the outside names of fields, which are OpenTelemetry's own wherever it has one. What says where an event comes from
(``is_of_resource``) is left to ``resource``, and what a message has a field of its own for is left out.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pipeline.codecs import protobuf_wire as wire
from pipeline.codecs.layout import layout_of, written_out
from pipeline.codecs.selection import Selection
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.sinks.otlp.anyvalue import SHORT, Key, key_value
from pipeline.sinks.otlp.resource import is_of_resource

Writer = Callable[[Event], bytearray]

IN_THE_MESSAGE = {"timestamp", "event.name", "trace_id", "span_id", "trace_sampled"}
"""What spans and log records have fields of their own for."""


class Wording(msgspec.Struct, frozen=True):
    """How attributes are written: their field number in the message, which are left out, and which get another name.

    ``renamed``: outside name of a field to the name of the attribute. ``selection`` goes by the names that fields have.
    """

    number: int
    selection: Selection = Selection()
    omitted: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()

    def name_of(self, name: str) -> str | None:
        """What an attribute is called; None where it is left out."""
        if name in IN_THE_MESSAGE or name in self.omitted or is_of_resource(name) or not self.selection.takes(name):
            return None
        return dict(self.renamed).get(name, name)


@lru_cache(maxsize=256)
def writer_of(kind: Kind, wording: Wording) -> Writer:
    """A function that gives the attributes of an event of this kind, one field of the message after the other."""
    scope: dict[str, Any] = {
        "astuple": msgspec.structs.astuple,
        "varint": wire.varint,
        "int64": wire.int64,
        "double": wire.DoubleValue.pack,
        "key_value": key_value,
        "add": _adder(wording, kind.by_name.__contains__),
        "add_headers": _header_adder(wording),
    }
    lines = ["def write(event):", f" ({', '.join(layout_of(kind).places)}) = astuple(event)", " out = bytearray()"]
    for field in kind.fields:
        name = wording.name_of(field.name)
        if name is not None:
            lines += _lines(field, name, wording.number, scope)
    for family in wording.selection.families(kind):
        lines.append(f" if {family.attribute}: add_headers(out, {family.prefix!r}, {family.attribute})")
    lines += [" if attributes: add(out, attributes)", " return out"]
    function: Writer = written_out("write", lines, scope)
    return function


def _lines(field: Field, name: str, number: int, scope: dict[str, Any]) -> list[str]:
    key, value = f"K{len(scope)}", field.attribute
    keys = Key(number, name)
    match field.type:
        case FieldType.STRING:
            scope[key], scope[f"{key}_long"] = keys.text, keys.with_text
            short = f"if n < {SHORT}: out += {key}[n]; out += b"
            return [
                f" if {value} is not None:",
                f"  b = {value}.encode(); n = len(b)",
                f"  {short}",
                f"  else: out += {key}_long(b)",
            ]
        case FieldType.INT:
            scope[key] = keys.integer
            return [
                f" if {value} is not None:",
                f"  b = varint({value}) if 0 <= {value} < 65536 else int64({value})",
                f"  out += {key}[len(b)]; out += b",
            ]
        case FieldType.FLOAT:
            scope[key] = keys.double
            return [f" if {value} is not None: out += {key}; out += double({value})"]
        case _:
            return [f" if {value} not in ((), None): out += key_value({number}, {name!r}, {value})"]


def _adder(wording: Wording, reserved: Callable[[str], bool]) -> Callable[[bytearray, Mapping[str, AttributeValue]], None]:
    known: dict[str, str | None] = {}

    def add(out: bytearray, attributes: Mapping[str, AttributeValue]) -> None:
        for name, value in attributes.items():
            if name not in known:
                if len(known) > 1000:  # names come from the configuration, but for events that are read from elsewhere
                    known.clear()
                known[name] = None if reserved(name) else wording.name_of(name)
            if (shown := known[name]) is not None and value is not None:
                out += key_value(wording.number, shown, value)

    return add


def _header_adder(wording: Wording) -> Callable[[bytearray, str, Mapping[str, tuple[str, ...]]], None]:
    def add(out: bytearray, prefix: str, headers: Mapping[str, tuple[str, ...]]) -> None:
        for name, values in headers.items():
            if (shown := wording.name_of(prefix + name)) is not None:
                out += key_value(wording.number, shown, values)

    return add
