"""Event ⇄ Protocol Buffers, as ``httpipe.proto`` says. Pure; encoding never raises, decoding raises ``DecodeError`` only.

The function for each kind is written out from its field table. ``only_fields`` and ``except_fields`` leave fields out; the time
is always there, since proto3 would read a missing one as 1970.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from mmap import mmap
from typing import Any

import msgspec

from pipeline.codecs import protobuf_wire as wire
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.layout import as_registered, encodable, layout_of, written_out
from pipeline.codecs.proto import ATTRIBUTES_NUMBER, EVENT_NAME_NUMBER, TIMESTAMP_NUMBER, written_fields
from pipeline.codecs.protobuf_reader import read_event
from pipeline.codecs.selection import Selection
from pipeline.codecs.text import whole
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import EVENT


class ProtobufCodec:
    """Compact binary that any Protobuf implementation reads."""

    content_type = "application/x-protobuf"
    suffix = ".binpb"
    text = False

    def __init__(self, selection: Selection | None = None) -> None:
        self._selection = selection or Selection()
        self._exchange = encoder_of(EXCHANGE, self._selection)

    def encode(self, event: Event) -> bytes:
        """One message."""
        if type(event) is Exchange:
            try:
                return bytes(self._exchange(event))
            except UnicodeEncodeError:
                return bytes(self._exchange(encodable(EXCHANGE, event)))
        return self._other(event)

    def encode_each(self, events: Sequence[Event]) -> list[bytes]:
        """One each."""
        return [self.encode(event) for event in events]

    def encode_batch(self, events: Sequence[Event]) -> bytearray:
        """Messages, each after its length."""
        out = bytearray()
        for event in events:
            message = self.encode(event)
            out += wire.varint(len(message))
            out += message
        return out

    def whole_length(self, content: bytes | bytearray | mmap) -> int:
        """Up to the end of the last whole message; lengths have to be followed from the beginning."""
        at, end = 0, len(content)
        while at < end:
            try:
                size, begin = wire.read_varint(content, at)
            except DecodeError:
                return at
            if size > end - begin:
                return at
            at = begin + size
        return at

    def may_begin(self, torn: bytes) -> bool:
        """Whether a length, and behind it the kind of event or the time, is where it belongs."""
        try:
            _, at = wire.read_varint(torn, 0)
        except DecodeError:
            return len(torn) < 5
        first = self.encode(Exchange(timestamp_ns=0))[:-8]
        return first.startswith(torn[at : at + len(first)])

    def decode(self, data: bytes | bytearray | memoryview) -> Event:
        """The event of one message: the inverse of ``encode``. Numbers that are not known are passed over."""
        return read_event(bytes(data))

    def decode_batch(self, content: bytes) -> Iterator[Event]:
        """The events of messages after their lengths."""
        at = 0
        while at < len(content):
            size, at = wire.read_varint(content, at)
            if size > len(content) - at:
                raise DecodeError("the last event is torn")
            yield read_event(content[at : at + size])
            at += size

    def _other(self, event: Event) -> bytes:
        kind, event = as_registered(event)
        if kind is not EVENT:
            try:
                return bytes(encoder_of(kind, self._selection)(event))
            except UnicodeEncodeError:
                return bytes(encoder_of(kind, self._selection)(encodable(kind, event)))
        name = str(event.attributes.get(EVENT_NAME, event.event_name))
        out = bytearray(_string(EVENT_NAME_NUMBER, name) if self._selection.takes(EVENT_NAME) else b"")
        out += wire.tag(TIMESTAMP_NUMBER, wire.FIXED64) + wire.sfixed64(event.timestamp_ns)
        _attribute_writer(self._selection, "timestamp".__eq__)(out, event.attributes)
        return bytes(out)


@lru_cache(maxsize=256)
def encoder_of(kind: Kind, selection: Selection) -> Callable[[Event], bytearray]:
    """A function that writes an event of this kind, field by field from the table."""
    scope: dict[str, Any] = {
        "astuple": msgspec.structs.astuple,
        "varint": wire.varint,
        "int64": wire.int64,
        "sfixed64": wire.sfixed64,
        "double": wire.DoubleValue.pack,
        "LEN": tuple(wire.varint(size) for size in range(128)),
        "string": _string,
        "entry": _entry,
        "attribute": _attribute,
        "add_attributes": _attribute_writer(selection, kind.by_name.__contains__),
        "add_headers": _header_writer(selection),
        "HEAD": (_string(EVENT_NAME_NUMBER, kind.name) if selection.takes(EVENT_NAME) else b"")
        + wire.tag(TIMESTAMP_NUMBER, wire.FIXED64),
    }
    lines = [
        "def encode(event):",
        f" ({', '.join(layout_of(kind).places)}) = astuple(event)",
        " out = bytearray(HEAD)",
        " out += sfixed64(timestamp_ns)",
    ]
    chosen = [field for field in written_fields(kind) if selection.takes(field.name)]
    for field in sorted((field for field in chosen if field.number), key=lambda each: each.number):
        lines += _lines(field, scope)
    for family in selection.families(kind):
        lines.append(f" if {family.attribute}: add_headers(out, {family.prefix!r}, {family.number}, {family.attribute})")
    for name, value in [(field.name, field.attribute) for field in chosen if not field.number]:
        lines.append(f" if {value} not in ((), None): out += entry({ATTRIBUTES_NUMBER}, {name!r}, attribute({value}))")
    lines += [" if attributes: add_attributes(out, attributes)", " return out"]
    function: Callable[[Event], bytearray] = written_out("encode", lines, scope)
    return function


def _lines(field: Field, scope: dict[str, Any]) -> list[str]:
    number, value = field.number, field.attribute
    kind = {FieldType.INT: wire.VARINT, FieldType.BOOL: wire.VARINT, FieldType.FLOAT: wire.FIXED64}.get(field.type, wire.BYTES)
    scope[f"TAG{number}"] = wire.tag(number, kind)
    match field.type:
        case FieldType.STRING:
            # Nearly all strings are shorter than 128 bytes; a table is cheaper than a call.
            return [
                f" if {value} is not None:",
                f"  b = {value}.encode(); n = len(b); out += TAG{number}; out += LEN[n] if n < 128 else varint(n); out += b",
            ]
        case FieldType.STRINGS:
            return [f" for each in {value}: out += string({number}, each)"]
        case FieldType.FLOAT:
            return [f" if {value} is not None: out += TAG{number}; out += double({value})"]
        case _:
            return [
                f" if {value} is not None: out += TAG{number}; out += varint({value}) if 0 <= {value} < 65536 else int64({value})"
            ]


def _string(number: int, text: str) -> bytes:
    return wire.delimited(number, whole(text).encode())


def _strings(values: Sequence[str]) -> bytes:
    return b"".join(_string(1, str(value)) for value in values)


def _entry(number: int, key: str, value: bytes) -> bytes:
    """A map's entry is a message with the key as field 1 and the value as field 2."""
    return wire.delimited(number, _string(1, key) + wire.delimited(2, value))


def _header_writer(selection: Selection) -> Callable[[bytearray, str, int, Mapping[str, tuple[str, ...]]], None]:
    def add(out: bytearray, prefix: str, number: int, headers: Mapping[str, tuple[str, ...]]) -> None:
        for key, values in headers.items():
            if not selection or selection.takes(prefix + key):
                out += _entry(number, key, _strings(values))

    return add


@lru_cache(maxsize=64)
def _attribute_writer(
    selection: Selection, reserved: Callable[[str], bool]
) -> Callable[[bytearray, Mapping[str, AttributeValue]], None]:
    def add(out: bytearray, attributes: Mapping[str, AttributeValue]) -> None:
        for name, value in attributes.items():
            if reserved(name) or name == EVENT_NAME or (selection and not selection.takes(name)):
                continue
            out += _entry(ATTRIBUTES_NUMBER, str(name), _attribute(value))

    return add


def _attribute(value: Any) -> bytes:  # noqa: ANN401  a plugin may have put anything there
    match value:
        case bool():
            return wire.tag(4, wire.VARINT) + wire.varint(value)
        case int() if wire.LEAST_INT64 <= value <= wire.MOST_INT64:
            return wire.tag(2, wire.VARINT) + wire.varint(value)
        case int() | float():
            return wire.tag(3, wire.FIXED64) + wire.DoubleValue.pack(_float(value))
        case tuple() | list():
            return wire.delimited(5, _strings(value))
        case _:
            return _string(1, str(value))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
