"""Events of one kind → JSON lines, the short way: msgspec encodes a batch of the structs of ``json_wire`` in one call.

The long way makes a dict of each event and costs half as much again (benchmarks/codecs.py). To it are left: batches of several
kinds, lone surrogates, integers beyond 64 bits and whatever else a field should not hold: ``maybe_lines`` gives None. Both
ways write the same bytes, but for numbers from 1e16 on (``1e16`` here, ``1e+16`` there). Pure.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from pipeline.codecs.flat import FlatObject, HeaderAdder, undeclared
from pipeline.codecs.json_wire import members, wire_of
from pipeline.codecs.layout import written_out
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import EXCHANGE
from pipeline.model.events.fields import EVENT_NAME, Family, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import EVENT, kind_of

_encoder = msgspec.json.Encoder()
Wires = list[Any]
Tails = dict[int, bytes]
"""By place in the batch: what a line ends with instead of a brace."""


def maybe_lines(events: Sequence[Event]) -> bytes | bytearray | None:
    """One object a line, each line ended by a newline; None where the long way has to look."""
    kind = kind_of(type(events[0])) if events else EXCHANGE
    if kind is None or kind is EVENT:
        return None
    tails: Tails = {}
    try:
        wires = wires_of(kind)(events, tails)
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


def tail_of(more: FlatObject) -> bytes:
    """The end of a line, from a comma on."""
    if EVENT_NAME in more:
        raise ValueError("an attribute takes the place of the event's name")
    return b"," + orjson.dumps(more, option=orjson.OPT_APPEND_NEWLINE)[1:] if more else b"}\n"


@lru_cache(maxsize=256)
def wires_of(kind: Kind) -> Callable[[Sequence[Event], Tails], Wires | None]:
    """A function from events of a kind to what the encoder takes, and to the ends of lines that it cannot write: by position.

    Events of one moment share the text of their second, those to which ``set`` gave the same attributes the text of these.
    Integers are ORed: nothing tells more cheaply that none is too large.
    """
    named = members(kind)
    values = [f"event.{field.attribute}" for field in named.values()]
    for place, field in enumerate(named.values()):
        match field.type:
            case FieldType.TIMESTAMP:
                values[place] = "time"
            case FieldType.INT:
                values[place] = field.attribute
            case FieldType.STRINGS:
                values[place] += " or ()"
    integers = list(dict.fromkeys(field.attribute for field in named.values() if field.type is FieldType.INT))
    families, add_attributes = undeclared(kind)
    lines = [
        "def wires_of(events, tails):",
        " wires, second, text, known, known_tail = [], None, '', None, b''",
        " append = wires.append",
        " for event in events:",
        "  if type(event) is not Kind: return None",
        *(f"  {name} = event.{name}" for name in integers),
        *([f"  if ({' | '.join(f'({name} or 0)' for name in integers)}) >> 63: return None"] if integers else []),
        "  digits = str(event.timestamp_ns)",
        "  if digits[:-9] == second: time = f'{text}{digits[-9:]}Z'",
        "  else:",
        "   time = rfc3339(event.timestamp_ns)",
        "   if len(digits) == 19 and event.timestamp_ns > 0: second, text = digits[:-9], time[:-10]",
        "  attributes = event.attributes",
        *_headers(families),
        f"  {'elif' if families else 'if'} attributes:",
        "   if attributes is not known:",
        "    more = {}",
        "    add_attributes(more, attributes)",
        "    known, known_tail = attributes, tail(more)",
        "   tails[len(wires)] = known_tail",
        f"  append(WIRE({', '.join(values)}))",
        " return wires",
    ]
    scope: dict[str, Any] = {
        "Kind": kind.type,
        "WIRE": wire_of(kind),
        "rfc3339": rfc3339,
        "tail": tail_of,
        "add_attributes": add_attributes,
        **{f"add_{family.attribute}": add for family, add in families},
    }
    function: Callable[[Sequence[Event], Tails], Wires | None] = written_out("wires_of", lines, scope)
    return function


def _headers(families: Sequence[tuple[Family, HeaderAdder]]) -> list[str]:
    """Lines for an event with headers: they and its attributes stand behind the declared fields."""
    if not families:
        return []
    return [
        f"  if {' or '.join(f'event.{family.attribute}' for family, _ in families)}:",
        "   more = {}",
        *(f"   add_{family.attribute}(more, {family.prefix!r}, event.{family.attribute})" for family, _ in families),
        "   add_attributes(more, attributes)",
        "   tails[len(wires)] = tail(more)",
    ]
