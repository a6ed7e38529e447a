"""The Protobuf schema of events, made from the field table: what ``httpipe.proto`` holds. Pure.

Field numbers are for ever: they stand in the table and are not counted, so that a new line in it cannot move an old number.
``python -m pipeline.codecs.proto`` prints the schema; a test compares it with the file that is shipped.
"""

import sys
from collections.abc import Mapping

from pipeline.model.events.exchange import FAMILIES, FIELDS
from pipeline.model.events.fields import Family, Field, FieldType

NUMBERS: Mapping[str, int] = {
    **{field.name: field.number for field in FIELDS if field.number},
    **{family.prefix: family.number for family in FAMILIES},
}
EVENT_NAME_NUMBER, TIMESTAMP_NUMBER, ATTRIBUTES_NUMBER = 1, 2, 3

SAME_AS: Mapping[str, str] = {field.name: field.same_as for field in FIELDS if field.same_as}
"""Fields that are another one's value by definition: not written twice."""

PROTO_TYPES = {
    FieldType.STRING: "optional string",
    FieldType.INT: "optional int64",
    FieldType.FLOAT: "optional double",
    FieldType.BOOL: "optional bool",
    FieldType.STRINGS: "repeated string",
}

_HEAD = """\
// Made from httpipe's field table by `python -m pipeline.codecs.proto`: do not edit.
//
// One Event is one HTTP exchange as httpipe saw it. Absent means not seen or not known, never zero. Several events in one
// file or stream are each preceded by their length as a varint (parseDelimitedFrom and its like read them); a Kafka record
// holds one event without a length.

syntax = "proto3";

package httpipe.v1;

message Event {
  // Kind of event: "http.exchange".
  string event_name = 1;
  // Nanoseconds since 1970-01-01 UTC.
  sfixed64 timestamp_unix_nano = 2;
  // What transforms and plugins add.
  map<string, AttributeValue> attributes = 3;
"""

_TAIL = """\
}

message Strings {
  repeated string values = 1;
}

message AttributeValue {
  oneof value {
    string string_value = 1;
    int64 int_value = 2;
    double double_value = 3;
    bool bool_value = 4;
    Strings strings_value = 5;
  }
}
"""


def written_fields() -> tuple[Field, ...]:
    """The declared fields that have a number."""
    return tuple(field for field in FIELDS if field.type is not FieldType.TIMESTAMP and field.name not in SAME_AS)


def proto_text() -> str:
    """The whole schema."""
    declared: list[Field | Family] = [*written_fields(), *FAMILIES]
    body = [_declaration(each) for each in sorted(declared, key=_number)]
    return _HEAD + "".join(body) + _TAIL


def _number(field: Field | Family) -> int:
    return NUMBERS[field.prefix if isinstance(field, Family) else field.name]


def _declaration(field: Field | Family) -> str:
    if isinstance(field, Family):
        return f"  // {field.prefix}<name>: {field.description}\n  map<string, Strings> {field.attribute} = {_number(field)};\n"
    unit = f" ({field.unit})" if field.unit else ""
    name = field.name.replace(".", "_")
    return f"  // {field.name}: {field.description}{unit}\n  {PROTO_TYPES[field.type]} {name} = {_number(field)};\n"


if __name__ == "__main__":
    sys.stdout.write(proto_text())
