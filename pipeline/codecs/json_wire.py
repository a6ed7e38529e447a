"""Struct with the outside names, made of a kind's field table: what msgspec turns into a JSON line and back in one call. Pure.

For lines that hold declared fields only, as most recordings do, decoding into it costs a third of decoding into a dict.
Everything else (an attribute, a header, another kind of event, a value of another type, text that strict JSON does not allow)
is left to the long way, which knows what to do or what to say: ``maybe_exchange`` gives None. So both ways agree on every line.
``json_lines`` encodes the same struct.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Annotated, Any

import msgspec

from pipeline.codecs.layout import EVENT_BYTES, layout_of, written_out
from pipeline.codecs.timestamp import from_rfc3339
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType
from pipeline.model.events.kind import Kind

_TYPES: dict[FieldType, Any] = {
    FieldType.STRING: str | None,
    FieldType.INT: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None,
    FieldType.FLOAT: float | None,
    FieldType.BOOL: bool | None,
    FieldType.STRINGS: tuple[str, ...],
    FieldType.TIMESTAMP: str,
}
Line = bytes | bytearray | memoryview | str


def members(kind: Kind) -> dict[str, Field]:
    """Fields by the name that the struct gives them, in the order in which they are written; some stand for a place again."""
    found: dict[str, Field] = {}
    for field in kind.fields:
        found[f"again_{field.attribute}" if field.attribute in found else field.attribute] = field
    return found


@lru_cache(maxsize=256)
def wire_of(kind: Kind) -> type[msgspec.Struct]:
    """A line: the tag, the time, then fields in the order of the table. Names that are unknown are refused, not passed over."""
    named = members(kind)
    return msgspec.defstruct(
        "WIRE",
        [
            (name, _TYPES[field.type])
            if field.type is FieldType.TIMESTAMP
            else (name, _TYPES[field.type], () if field.type is FieldType.STRINGS else None)
            for name, field in named.items()
        ],
        rename={name: field.name for name, field in named.items()},
        tag_field=EVENT_NAME,
        tag=kind.name,
        omit_defaults=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def _event_of(kind: Kind) -> Callable[[Any, int], Any]:
    """A function from the struct of a line, and its size, to the event: written out, by position."""
    layout, named = layout_of(kind), members(kind)
    values = {name: f"wire.{name}" for name in layout.places if name in named}
    values |= {
        "timestamp_ns": "time_of(wire.timestamp_ns)",
        "attributes": "NO_ATTRIBUTES",
        "memory_bytes": f"size + (size if size > {EVENT_BYTES} else {EVENT_BYTES})",
    }
    arguments = [values.get(name, f"blank_{name}") for name in layout.places]
    again = [(f"wire.{name}", f"wire.{field.attribute}") for name, field in named.items() if name != field.attribute]
    lines = [
        "def event_of(wire, size):",
        *[f" if {name} is not None and {name} != {attribute}: return None" for name, attribute in again],
        f" return Made({', '.join(arguments)})",
    ]
    blanks: Mapping[str, Any] = {f"blank_{name}": layout.blank[place] for name, place in layout.places.items()}
    scope = {"time_of": from_rfc3339, "Made": layout.make, "NO_ATTRIBUTES": NO_ATTRIBUTES, **blanks}
    function: Callable[[Any, int], Any] = written_out("event_of", lines, scope)
    return function


@cache
def _exchanges() -> tuple[Callable[[Line], Any], Callable[[Any, int], Exchange | None]]:
    """What reads a line, and what makes an exchange of that. Made for the first line: who only writes needs neither."""
    return msgspec.json.Decoder(wire_of(EXCHANGE)).decode, _event_of(EXCHANGE)


def maybe_exchange(line: Line) -> Exchange | None:
    """The exchange of a line that holds declared fields only; None where the long way has to look."""
    decode, event_of = _exchanges()
    try:
        return event_of(decode(line), len(line))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
