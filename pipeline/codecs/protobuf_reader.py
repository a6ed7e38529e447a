"""Protocol Buffers → event: the inverse of ``protobuf``. Pure; raises ``DecodeError`` only, passes unknown numbers over."""

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pipeline.codecs import protobuf_wire as wire
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.layout import EVENT_BYTES, layout_of
from pipeline.codecs.proto import ATTRIBUTES_NUMBER, EVENT_NAME_NUMBER, TIMESTAMP_NUMBER, numbered, written_fields
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import EXCHANGE
from pipeline.model.events.fields import EVENT_NAME, Family, Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import EVENT, kind_named

Numbered = Field | Family
_CLASSES = {
    FieldType.STRING: str,
    FieldType.INT: int,
    FieldType.FLOAT: float,
    FieldType.BOOL: bool,
    FieldType.STRINGS: tuple,
    FieldType.TIMESTAMP: str,
}


class Reading:
    """A kind's fields by number, and positions of the commonest types by their whole tag, for the fast way.

    ``named`` are the declared fields that have no number and stand among the attributes of the message.
    """

    def __init__(self, kind: Kind) -> None:
        self.layout = layout_of(kind)
        written = written_fields(kind)
        self.by_number: Mapping[int, Numbered] = {each.number: each for each in numbered(kind)}
        self.named: Mapping[str, Field] = {field.name: field for field in written if not field.number}
        self.strings = self._tags(FieldType.STRING, wire.BYTES, written)
        self.ints = self._tags(FieldType.INT, wire.VARINT, written)
        self.doubles = self._tags(FieldType.FLOAT, wire.FIXED64, written)

    def _tags(self, type_: FieldType, wire_type: int, written: Iterable[Field]) -> Mapping[int, int]:
        places = self.layout.places
        return {each.number << 3 | wire_type: places[each.attribute] for each in written if each.type is type_ and each.number}


@lru_cache(maxsize=256)
def _reading(kind: Kind) -> Reading:
    return Reading(kind)


_EXCHANGE = _reading(EXCHANGE)
_BLANK, _TIMESTAMP = _EXCHANGE.layout.blank, _EXCHANGE.layout.timestamp
_STRINGS, _INTS, _DOUBLES = _EXCHANGE.strings, _EXCHANGE.ints, _EXCHANGE.doubles
_BEGINNING = wire.delimited(EVENT_NAME_NUMBER, EXCHANGE.name.encode()) + wire.tag(TIMESTAMP_NUMBER, wire.FIXED64)
"""How we begin every exchange; the time's eight bytes follow."""
_NAMED = wire.tag(EVENT_NAME_NUMBER, wire.BYTES)
"""How we begin every other event."""


def read_event(message: bytes) -> Event:  # noqa: C901, PLR0912  a byte parser; calls would cost more than the work
    """Strings and numbers of an exchange the fast way, which is most of a message; everything else with all checks."""
    values = list(_BLANK)
    rest: list[tuple[int, int, wire.Value]] = []
    at, end = 0, len(message)
    try:
        if message.startswith(_BEGINNING):
            at = len(_BEGINNING) + 8
            values[_TIMESTAMP] = wire.FixedValue.unpack_from(message, at - 8)[0]
        elif message.startswith(_NAMED):
            return _other(message)
        while at < end:
            begin, key = at, message[at]
            at += 1
            if key > 0x7F:
                key = key & 0x7F | message[at] << 7
                at += 1
            if (place := _STRINGS.get(key)) is not None:
                size = message[at]
                at += 1
                if size > 0x7F:
                    size, at = wire.read_varint(message, at - 1)
                values[place] = message[at : at + size].decode()
                at += size
            elif (place := _INTS.get(key)) is not None:
                number = message[at]
                at += 1
                if number > 0x7F:
                    number, at = wire.read_varint(message, at - 1)
                values[place] = wire.signed(number)
            elif (place := _DOUBLES.get(key)) is not None:
                values[place] = wire.DoubleValue.unpack_from(message, at)[0]
                at += 8
            else:
                number, wire_type, value, at = wire.read_field(message, begin)
                if number == EVENT_NAME_NUMBER:
                    return _other(message)  # the name came late: it may be that of another kind
                rest.append((number, wire_type, value))
        if at > end:
            raise IndexError  # noqa: TRY301  the last string is cut
    except (IndexError, UnicodeDecodeError, struct.error):
        return _other(message)  # finds the fault again and names it
    return _event(_EXCHANGE, values, rest, end)


def _other(message: bytes) -> Event:
    """An event of any kind: its name decides what the numbers mean."""
    found = list(wire.fields(message))
    name = next((_text(EVENT_NAME, value) for number, _, value in reversed(found) if number == EVENT_NAME_NUMBER), EXCHANGE.name)
    kind = kind_named(name)
    reading = _reading(kind or EVENT)
    event = _event(reading, list(reading.layout.blank), found, len(message))
    return event if kind else event.with_all_attributes({EVENT_NAME: name, **event.attributes})


def _event(reading: Reading, values: list[Any], rest: Iterable[tuple[int, int, wire.Value]], size: int) -> Event:
    layout = reading.layout
    timestamp_ns, attributes = values[layout.timestamp] or 0, dict[str, AttributeValue]()
    for number, wire_type, value in rest:
        field = reading.by_number.get(number)
        if isinstance(field, Field):
            _put(values, layout.places[field.attribute], field, wire_type, value)
        elif field is not None:
            place = layout.places[field.attribute]
            key, item = _read_entry(field.prefix, value)
            values[place] = {**values[place], key: _read_strings(field.prefix, item)}
        elif number == ATTRIBUTES_NUMBER:
            key, item = _read_entry("attributes", value)
            attributes[key] = _read_attribute(key, item)
        elif number == TIMESTAMP_NUMBER:
            timestamp_ns = wire.signed(_of_type("timestamp", wire.FIXED64, wire_type, value))
    for name in reading.named.keys() & attributes.keys() if reading.named else ():
        named = reading.named[name]
        values[layout.places[named.attribute]] = _declared(named, attributes.pop(name))
    values[layout.timestamp], values[layout.memory_bytes] = timestamp_ns, EVENT_BYTES + 2 * size
    if attributes:
        values[layout.attributes] = attributes
    return layout.make(*values)


def _put(values: list[Any], place: int, field: Field, wire_type: int, value: wire.Value) -> None:
    match field.type:
        case FieldType.STRING:
            values[place] = _text(field.name, value)
        case FieldType.STRINGS:
            values[place] = (*values[place], _text(field.name, value))
        case FieldType.FLOAT:
            values[place] = _double(_of_type(field.name, wire.FIXED64, wire_type, value))
        case _:
            number = wire.signed(_of_type(field.name, wire.VARINT, wire_type, value))
            values[place] = bool(number) if field.type is FieldType.BOOL else number


def _declared(field: Field, value: AttributeValue) -> AttributeValue:
    """The value of a field that stood among the attributes, checked."""
    if field.type is FieldType.FLOAT and type(value) is int:
        return float(value)
    if type(value) is not _CLASSES[field.type]:
        raise DecodeError(f"{field.name}: must be {field.type}, not {type(value).__name__}")
    return value


def _of_type(name: str, expected: int, wire_type: int, value: wire.Value) -> int:
    if wire_type != expected or isinstance(value, bytes):
        raise DecodeError(f"{name}: has wire type {wire_type}, not {expected}")
    return value


def _double(value: int) -> float:
    number: float = wire.DoubleValue.unpack(value.to_bytes(8, "little"))[0]
    return number


def _text(name: str, value: wire.Value | None) -> str:
    if not isinstance(value, bytes):
        raise DecodeError(f"{name}: must be a string")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"{name}: not UTF-8") from error


def _read_entry(name: str, value: wire.Value) -> tuple[str, bytes]:
    if not isinstance(value, bytes):
        raise DecodeError(f"{name}: must be a map")
    entry = {number: item for number, _, item in wire.fields(value)}
    item = entry.get(2, b"")
    if not isinstance(item, bytes):
        raise DecodeError(f"{name}: must be a map of messages")
    return _text(name, entry.get(1, b"")), item


def _read_strings(name: str, value: bytes) -> tuple[str, ...]:
    return tuple(_text(name, item) for number, _, item in wire.fields(value) if number == 1)


def _read_attribute(name: str, value: bytes) -> AttributeValue:
    result: AttributeValue = ""
    for number, wire_type, item in wire.fields(value):
        match number:
            case 1:
                result = _text(name, item)
            case 2:
                result = wire.signed(_of_type(name, wire.VARINT, wire_type, item))
            case 3:
                result = _double(_of_type(name, wire.FIXED64, wire_type, item))
            case 4:
                result = bool(_of_type(name, wire.VARINT, wire_type, item))
            case 5 if isinstance(item, bytes):
                result = _read_strings(name, item)
    return result
