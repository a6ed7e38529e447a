"""Attributes as OTLP has them: ``KeyValue`` and ``AnyValue`` of opentelemetry/proto/common/v1/common.proto. Pure; never raises.

A message of these is four lengths inside each other. For short text all of them are known with the text's, so that they are
made once for each name and length, and writing an attribute is one look into a table and two appends.
"""

from typing import Any

from pipeline.codecs.protobuf_wire import LEAST_INT64, MOST_INT64, VARINT, DoubleValue, delimited, tag, varint
from pipeline.codecs.text import whole

STRING_VALUE, BOOL_VALUE, INT_VALUE, DOUBLE_VALUE, ARRAY_VALUE = 1, 2, 3, 4, 5
"""Numbers of AnyValue's fields."""
FIXED64_VALUE = 1
"""Protobuf's wire type of a double."""

SHORT = 96
"""Text of fewer bytes has its beginning in a table: nearly all but user agents, queries and long paths."""


class Key:
    """An attribute's name in a message whose attributes have this field number; what stands before each value is made here.

    ``text[n]`` goes before text of n bytes, ``integer[n]`` before an integer whose varint has n, ``double`` before eight bytes.
    """

    __slots__ = ("_name", "_tag", "double", "integer", "text")

    def __init__(self, number: int, name: str) -> None:
        self._tag = tag(number, 2)
        self._name = delimited(1, whole(name).encode())
        self.text = tuple(self._before(STRING_VALUE, 2, size, varint(size)) for size in range(SHORT))
        self.integer = tuple(self._before(INT_VALUE, VARINT, size, b"") for size in range(11))
        self.double = self._before(DOUBLE_VALUE, FIXED64_VALUE, 8, b"")

    def with_value(self, value: bytes) -> bytes:
        """The whole attribute with this AnyValue."""
        pair = self._name + delimited(2, value)
        return self._tag + varint(len(pair)) + pair

    def with_text(self, text: bytes) -> bytes:
        """The whole attribute with text of any length."""
        return self.text[len(text)] + text if len(text) < SHORT else self.with_value(delimited(STRING_VALUE, text))

    def _before(self, number: int, wire_type: int, size: int, length: bytes) -> bytes:
        """What stands before ``size`` bytes of a value of this field of AnyValue."""
        head = tag(number, wire_type) + length
        pair = self._name + tag(2, 2) + varint(len(head) + size) + head
        return self._tag + varint(len(pair) + size) + pair


def any_value(value: Any) -> bytes:  # noqa: ANN401  a plugin may have put anything there
    """The fields of an AnyValue."""
    match value:
        case bool():
            return tag(BOOL_VALUE, VARINT) + varint(value)
        case int() if LEAST_INT64 <= value <= MOST_INT64:
            return tag(INT_VALUE, VARINT) + varint(value)
        case float():
            return tag(DOUBLE_VALUE, FIXED64_VALUE) + DoubleValue.pack(value)
        case tuple() | list():
            return delimited(ARRAY_VALUE, b"".join(delimited(1, any_value(each)) for each in value))
        case _:  # an integer beyond 64 bits, too: text keeps all of it
            return delimited(STRING_VALUE, whole(str(value)).encode())


def key_value(number: int, name: str, value: Any) -> bytes:  # noqa: ANN401  as ``any_value``
    """A whole attribute, of a name that does not come often enough for a ``Key``."""
    return delimited(number, delimited(1, whole(name).encode()) + delimited(2, any_value(value)))
