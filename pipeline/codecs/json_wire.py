"""JSON line → exchange, the short way: msgspec decodes it into a struct with the outside names, made of the field table.

For lines that hold declared fields only, as most recordings do, this costs a third of decoding into a dict. Everything else (an
attribute, a header, another kind of event, a value of another type, text that strict JSON does not allow) is left to the long
way, which knows what to do or what to say: ``maybe_exchange`` gives None. So both ways agree on every line.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from pipeline.codecs.events import BLANK, EVENT_BYTES, PLACES
from pipeline.codecs.timestamp import from_rfc3339
from pipeline.model.exchange import NO_ATTRIBUTES, Exchange
from pipeline.model.fields import EVENT_NAME, FIELDS, Field, FieldType

_TYPES: dict[FieldType, Any] = {
    FieldType.STRING: str | None,
    FieldType.INT: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None,
    FieldType.FLOAT: float | None,
    FieldType.BOOL: bool | None,
    FieldType.STRINGS: tuple[str, ...],
    FieldType.TIMESTAMP: str,
}
Line = bytes | bytearray | memoryview | str


def _exchange_of() -> Callable[[Any, int], Exchange | None]:
    """A function from the struct of a line, and its size, to the exchange: written out, by position."""
    given = {field.attribute for field in FIELDS}
    values = {name: name for name in PLACES if name in given}
    values |= {"timestamp_ns": "time_of(timestamp_ns)", "attributes": "NO_ATTRIBUTES", "weight": f"size + {EVENT_BYTES}"}
    arguments = [values.get(name, f"blank_{name}") for name in PLACES]
    again = [(name, field.attribute) for name, field in _SECOND.items()]
    lines = [
        "def exchange_of(wire, size):",
        f" {', '.join(each.name for each in msgspec.structs.fields(_WIRE))} = astuple(wire)",
        f" if {' or '.join(f'({name} is not None and {name} != {attribute})' for name, attribute in again)}: return None",
        f" return Exchange({', '.join(arguments)})",
    ]
    scope: dict[str, Any] = {
        "astuple": msgspec.structs.astuple,
        "time_of": from_rfc3339,
        "Exchange": Exchange,
        "NO_ATTRIBUTES": NO_ATTRIBUTES,
        **{f"blank_{name}": BLANK[place] for name, place in PLACES.items()},
    }
    exec("\n".join(lines), scope)  # noqa: S102  made of the field table alone, nothing from outside
    function: Callable[[Any, int], Exchange | None] = scope["exchange_of"]
    return function


def _fields() -> tuple[dict[str, Field], dict[str, Field]]:
    """Fields by the name that the struct gives them: the first of each place, and those that stand for it a second time."""
    first: dict[str, Field] = {}
    second: dict[str, Field] = {}
    for field in FIELDS:
        if field.attribute in first:
            second[f"again_{field.attribute}"] = field
        else:
            first[field.attribute] = field
    return first, second


_FIRST, _SECOND = _fields()
_WIRE = msgspec.defstruct(
    "_WIRE",
    [
        *((name, _TYPES[field.type]) for name, field in _FIRST.items() if field.type is FieldType.TIMESTAMP),
        ("event_name", Literal["http.exchange"], "http.exchange"),
        *(
            (name, _TYPES[field.type], () if field.type is FieldType.STRINGS else None)
            for name, field in (_FIRST | _SECOND).items()
            if field.type is not FieldType.TIMESTAMP
        ),
    ],
    rename={"event_name": EVENT_NAME, **{name: field.name for name, field in (_FIRST | _SECOND).items()}},
    forbid_unknown_fields=True,
    gc=False,
)
"""A line. Unknown names are refused, because they would be passed over otherwise."""

_decode = msgspec.json.Decoder(_WIRE).decode
_exchange = _exchange_of()


def maybe_exchange(line: Line) -> Exchange | None:
    """The exchange of a line that holds declared fields only; None where the long way has to look."""
    try:
        return _exchange(_decode(line), len(line))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
