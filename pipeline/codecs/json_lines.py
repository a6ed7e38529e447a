"""Exchanges → JSON lines, the short way: msgspec encodes a batch of the structs of ``json_wire`` in one call.

The long way makes a dict of each exchange and costs half as much again (benchmarks/codecs.py). To it are left: other kinds of
events, lone surrogates, integers beyond 64 bits and whatever else a field should not hold: ``maybe_lines`` gives None. Both
ways write the same bytes, but for numbers from 1e16 on (``1e16`` here, ``1e+16`` there). Pure.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import orjson

from pipeline.codecs.flat import FlatObject, undeclared
from pipeline.codecs.json_wire import MEMBERS, WIRE
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.fields import EVENT_NAME, FieldType

_encoder = msgspec.json.Encoder()
Wires = list[Any]
Tails = dict[int, bytes]
"""By place in the batch: what a line ends with instead of a brace."""


def maybe_lines(events: Sequence[Event]) -> bytes | bytearray | None:
    """One object a line, each line ended by a newline; None where the long way has to look."""
    tails: Tails = {}
    try:
        wires = _wires(events, tails)
        if wires is None:
            return None
        return _extended(wires, tails) if tails else _encoder.encode_lines(wires)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _extended(wires: Wires, tails: Tails) -> bytearray:
    """The lines, each with what stands behind its declared fields."""
    lines = bytearray()
    for place, wire in enumerate(wires):
        _encoder.encode_into(wire, lines, -1)
        lines[-1:] = tails.get(place, b"}\n")
    return lines


def _tail(more: FlatObject) -> bytes:
    """The end of a line, from a comma on."""
    if EVENT_NAME in more:
        raise ValueError("an attribute takes the place of the event's name")
    return b"," + orjson.dumps(more, option=orjson.OPT_APPEND_NEWLINE)[1:] if more else b"}\n"


def _wires_of() -> Callable[[Sequence[Event], Tails], Wires | None]:
    """A function from exchanges to what the encoder takes, and to the ends of lines that it cannot write: by position.

    Events of one moment share the text of their second, those to which ``set`` gave the same attributes the text of these.
    Integers are ORed: nothing tells more cheaply that none is too large.
    """
    values = [f"exchange.{field.attribute}" for field in MEMBERS.values()]
    for place, field in enumerate(MEMBERS.values()):
        match field.type:
            case FieldType.TIMESTAMP:
                values[place] = "time"
            case FieldType.INT:
                values[place] = field.attribute
            case FieldType.STRINGS:
                values[place] += " or ()"
    integers = list(dict.fromkeys(field.attribute for field in MEMBERS.values() if field.type is FieldType.INT))
    families, add_attributes = undeclared()
    lines = [
        "def wires_of(exchanges, tails):",
        " wires, second, text, known, known_tail = [], None, '', None, b''",
        " append = wires.append",
        " for exchange in exchanges:",
        "  if type(exchange) is not Exchange: return None",
        *(f"  {name} = exchange.{name}" for name in integers),
        f"  if ({' | '.join(f'({name} or 0)' for name in integers)}) >> 63: return None",
        "  digits = str(exchange.timestamp_ns)",
        "  if digits[:-9] == second: time = f'{text}{digits[-9:]}Z'",
        "  else:",
        "   time = rfc3339(exchange.timestamp_ns)",
        "   if len(digits) == 19 and exchange.timestamp_ns > 0: second, text = digits[:-9], time[:-10]",
        "  attributes = exchange.attributes",
        f"  if {' or '.join(f'exchange.{family.attribute}' for family, _ in families)}:",
        "   more = {}",
        *(f"   add_{family.attribute}(more, {family.prefix!r}, exchange.{family.attribute})" for family, _ in families),
        "   add_attributes(more, attributes)",
        "   tails[len(wires)] = tail(more)",
        "  elif attributes:",
        "   if attributes is not known:",
        "    more = {}",
        "    add_attributes(more, attributes)",
        "    known, known_tail = attributes, tail(more)",
        "   tails[len(wires)] = known_tail",
        f"  append(WIRE({', '.join(values)}))",
        " return wires",
    ]
    scope: dict[str, Any] = {
        "Exchange": Exchange,
        "WIRE": WIRE,
        "rfc3339": rfc3339,
        "tail": _tail,
        "add_attributes": add_attributes,
        **{f"add_{family.attribute}": add for family, add in families},
    }
    exec("\n".join(lines), scope)  # noqa: S102  made of the field table alone, nothing from outside
    function: Callable[[Sequence[Event], Tails], Wires | None] = scope["wires_of"]
    return function


_wires = _wires_of()
