"""The Protocol Buffers wire format (protobuf.dev, "Encoding"): varints, tags, fields. Pure; reading raises ``DecodeError`` only.

Written by hand because the library takes 0.1 s to import and is no faster once the fields have been handed to it
(benchmarks/codecs.py); the tests check every byte against the library.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from mmap import mmap

from pipeline.codecs.errors import DecodeError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. 3 and 4 (groups) have been deprecated since before proto3."""

LEAST_INT64, MOST_INT64 = -(1 << 63), (1 << 63) - 1
_UINT64 = (1 << 64) - 1

FixedValue = struct.Struct("<q")
DoubleValue = struct.Struct("<d")

Value = int | bytes
"""A field as it lies on the wire: a varint or a fixed number as unsigned integer, or bytes."""


@lru_cache(maxsize=8192)  # sizes, ports and status codes come again and again
def varint(value: int) -> bytes:
    """Base 128, least significant group first; a negative number as its 64-bit two's complement."""
    value &= _UINT64
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def tag(number: int, wire_type: int) -> bytes:
    """What stands before a field's value."""
    return varint(number << 3 | wire_type)


def delimited(number: int, value: bytes) -> bytes:
    """A whole field of type string, bytes or message."""
    return tag(number, BYTES) + varint(len(value)) + value


def int64(value: int) -> bytes:
    """An int64; beyond 64 bits the nearest that fits."""
    return varint(min(max(value, LEAST_INT64), MOST_INT64))


def sfixed64(value: int) -> bytes:
    """An sfixed64; beyond 64 bits the nearest that fits."""
    return FixedValue.pack(min(max(value, LEAST_INT64), MOST_INT64))


def signed(value: int) -> int:
    """The int64 that an unsigned 64-bit number stands for."""
    return value - (1 << 64) if value > MOST_INT64 else value


def read_varint(data: bytes | bytearray | mmap, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data):
            raise DecodeError("ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64, at
        shift += 7
        if shift > 63:
            raise DecodeError("a number has more than ten bytes")


def read_field(data: bytes, at: int) -> tuple[int, int, Value, int]:
    """Number, wire type and value of the field that begins at ``at``, and where it ends."""
    key, at = read_varint(data, at)
    number, wire_type = key >> 3, key & 7
    if wire_type == VARINT and number:
        value, at = read_varint(data, at)
        return number, wire_type, value, at
    if wire_type == BYTES:
        size, at = read_varint(data, at)
    else:
        size = {FIXED64: 8, FIXED32: 4}.get(wire_type, -1)
    if number == 0 or size < 0:
        raise DecodeError(f"field {number} has wire type {wire_type}: this is not an event")
    if size > len(data) - at:
        raise DecodeError(f"field {number} is longer than the message")
    value_bytes = data[at : at + size]
    return number, wire_type, value_bytes if wire_type == BYTES else int.from_bytes(value_bytes, "little"), at + size


def fields(data: bytes) -> Iterator[tuple[int, int, Value]]:
    """Number, wire type and value of each field of a message."""
    at = 0
    while at < len(data):
        number, wire_type, value, at = read_field(data, at)
        yield number, wire_type, value
