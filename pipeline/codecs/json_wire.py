"""JSON line → exchange, the short way: msgspec decodes it into a struct with the outside names, made of the field table.

For lines that hold declared fields only, as most recordings do, this costs a third of decoding into a dict. Everything else (an
attribute, a header, another kind of event, a value of another type, text that strict JSON does not allow) is left to the long
way, which knows what to do or what to say: ``maybe_exchange`` gives None. So both ways agree on every line.
``json_lines`` encodes the same struct.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from pipeline.codecs.events import BLANK, EVENT_BYTES, PLACES
from pipeline.codecs.timestamp import from_rfc3339
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.exchange import FIELDS, Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType

_TYPES: dict[FieldType, Any] = {
    FieldType.STRING: str | None,
    FieldType.INT: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None,
    FieldType.FLOAT: float | None,
    FieldType.BOOL: bool | None,
    FieldType.STRINGS: tuple[str, ...],
    FieldType.TIMESTAMP: str,
}
Line = bytes | bytearray | memoryview | str


def _members() -> dict[str, Field]:
    """Fields by the name that the struct gives them, in the order in which they are written; some stand for a place again."""
    members: dict[str, Field] = {}
    for field in FIELDS:
        members[f"again_{field.attribute}" if field.attribute in members else field.attribute] = field
    return members


MEMBERS = _members()
WIRE = msgspec.defstruct(
    "WIRE",
    [
        (name, _TYPES[field.type])
        if field.type is FieldType.TIMESTAMP
        else (name, _TYPES[field.type], () if field.type is FieldType.STRINGS else None)
        for name, field in MEMBERS.items()
    ],
    rename={name: field.name for name, field in MEMBERS.items()},
    tag_field=EVENT_NAME,
    tag=Exchange.event_name,
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,
)
"""A line: the tag, the time, then fields in the order of the table. Names that are unknown are refused, not passed over."""


def _exchange_of() -> Callable[[Any, int], Exchange | None]:
    """A function from the struct of a line, and its size, to the exchange: written out, by position."""
    values = {name: f"wire.{name}" for name in PLACES if name in MEMBERS}
    values |= {
        "timestamp_ns": "time_of(wire.timestamp_ns)",
        "attributes": "NO_ATTRIBUTES",
        "weight": f"size + (size if size > {EVENT_BYTES} else {EVENT_BYTES})",
    }
    arguments = [values.get(name, f"blank_{name}") for name in PLACES]
    again = [(f"wire.{name}", f"wire.{field.attribute}") for name, field in MEMBERS.items() if name != field.attribute]
    lines = [
        "def exchange_of(wire, size):",
        f" if {' or '.join(f'({name} is not None and {name} != {attribute})' for name, attribute in again)}: return None",
        f" return Exchange({', '.join(arguments)})",
    ]
    scope: dict[str, Any] = {
        "time_of": from_rfc3339,
        "Exchange": Exchange,
        "NO_ATTRIBUTES": NO_ATTRIBUTES,
        **{f"blank_{name}": BLANK[place] for name, place in PLACES.items()},
    }
    exec("\n".join(lines), scope)  # noqa: S102  made of the field table alone, nothing from outside
    function: Callable[[Any, int], Exchange | None] = scope["exchange_of"]
    return function


_decode = msgspec.json.Decoder(WIRE).decode
_exchange = _exchange_of()


def maybe_exchange(line: Line) -> Exchange | None:
    """The exchange of a line that holds declared fields only; None where the long way has to look."""
    try:
        return _exchange(_decode(line), len(line))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
