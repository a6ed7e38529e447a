"""Protocol Buffers → event: the inverse of ``protobuf``. Pure; raises ``DecodeError`` only, passes unknown numbers over."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.codecs import protobuf_wire as wire
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.events import ATTRIBUTES, BLANK, EVENT_BYTES, PLACES, TIMESTAMP, WEIGHT, other_event
from pipeline.codecs.proto import ATTRIBUTES_NUMBER, EVENT_NAME_NUMBER, NUMBERS, TIMESTAMP_NUMBER, written_fields
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import FAMILIES, Exchange
from pipeline.model.events.fields import EVENT_NAME, Family, Field, FieldType

_BY_NUMBER: Mapping[int, Field | Family] = {
    **{NUMBERS[field.name]: field for field in written_fields()},
    **{NUMBERS[family.prefix]: family for family in FAMILIES},
}
_STRINGS: Mapping[int, int] = {
    NUMBERS[field.name] << 3 | wire.BYTES: PLACES[field.attribute] for field in written_fields() if field.type is FieldType.STRING
}
_INTS: Mapping[int, int] = {
    NUMBERS[field.name] << 3 | wire.VARINT: PLACES[field.attribute] for field in written_fields() if field.type is FieldType.INT
}
_DOUBLES: Mapping[int, int] = {
    NUMBERS[field.name] << 3 | wire.FIXED64: PLACES[field.attribute]
    for field in written_fields()
    if field.type is FieldType.FLOAT
}
"""Places of the commonest kinds by their whole tag, for the fast way."""


_BEGINNING = wire.delimited(EVENT_NAME_NUMBER, Exchange.event_name.encode()) + wire.tag(TIMESTAMP_NUMBER, wire.FIXED64)
"""How we begin every exchange; the time's eight bytes follow."""


def read_event(message: bytes) -> Event:  # noqa: C901  a byte parser; calls would cost more than the work
    """Strings and numbers of declared fields the fast way, which is most of a message; everything else with all checks."""
    values = list(BLANK)
    rest: list[tuple[int, int, wire.Value]] = []
    at, end = 0, len(message)
    try:
        if message.startswith(_BEGINNING):
            at = len(_BEGINNING) + 8
            values[TIMESTAMP] = wire.FixedValue.unpack_from(message, at - 8)[0]
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
                rest.append((number, wire_type, value))
        if at > end:
            raise IndexError  # noqa: TRY301  the last string is cut
    except (IndexError, UnicodeDecodeError, struct.error):
        return _event(list(BLANK), wire.fields(message), end)  # finds the fault again and names it
    return _event(values, rest, end)


def _event(values: list[Any], rest: Iterable[tuple[int, int, wire.Value]], size: int) -> Event:
    name, timestamp_ns, attributes = Exchange.event_name, values[TIMESTAMP] or 0, dict[str, AttributeValue]()
    for number, wire_type, value in rest:
        field = _BY_NUMBER.get(number)
        if isinstance(field, Field):
            _put(values, field, wire_type, value)
        elif field is not None:
            place = PLACES[field.attribute]
            key, item = _read_entry(field.prefix, value)
            values[place] = {**values[place], key: _read_strings(field.prefix, item)}
        elif number == ATTRIBUTES_NUMBER:
            key, item = _read_entry("attributes", value)
            attributes[key] = _read_attribute(key, item)
        elif number == EVENT_NAME_NUMBER:
            name = _text(EVENT_NAME, value)
        elif number == TIMESTAMP_NUMBER:
            timestamp_ns = wire.signed(_of_type("timestamp", wire.FIXED64, wire_type, value))
    if name != Exchange.event_name:
        return other_event(timestamp_ns, attributes | {EVENT_NAME: name}, size)
    values[TIMESTAMP], values[WEIGHT] = timestamp_ns, EVENT_BYTES + 2 * size
    if attributes:
        values[ATTRIBUTES] = attributes
    return Exchange(*values)


def _put(values: list[Any], field: Field, wire_type: int, value: wire.Value) -> None:
    place = PLACES[field.attribute]
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
