"""The Protobuf schema of events, made from the field table: what ``httpipe.proto`` holds. Pure.

Field numbers are for ever: they stand in the table and are not counted, so that a new line in it cannot move an old number.
``python -m pipeline.codecs.proto`` prints the schema; a test compares it with the file that is shipped.
"""

import sys

from pipeline.model.events.fields import Family, Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import OURS

EVENT_NAME_NUMBER, TIMESTAMP_NUMBER, ATTRIBUTES_NUMBER = 1, 2, 3

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
// One Event is one HTTP exchange as httpipe saw it, or an event of another kind: event_name says which. Absent means not seen or
// not known, never zero. Several events in one file or stream are each preceded by their length as a varint
// (parseDelimitedFrom and its like read them); a Kafka record holds one event without a length.

syntax = "proto3";

package httpipe.v1;

message Event {{
  // Kind of event: {kinds}, or one of a plugin.
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


def written_fields(kind: Kind) -> tuple[Field, ...]:
    """The declared fields that are written: all but the time, which has its own place, and what repeats another field."""
    return tuple(field for field in kind.fields if field.type is not FieldType.TIMESTAMP and not field.same_as)


def numbered(kind: Kind) -> list[Field | Family]:
    """The fields and families that have a number of their own in a message."""
    declared: list[Field | Family] = [*written_fields(kind), *kind.families]
    return [each for each in declared if each.number]


def proto_text() -> str:
    """The whole schema: the fields of all our kinds in one message, since a name means the same in each of them."""
    declared: dict[int, Field | Family] = {each.number: each for kind in OURS for each in numbered(kind)}
    kinds = ", ".join(f'"{kind.name}"' for kind in OURS)
    return _HEAD.format(kinds=kinds) + "".join(_declaration(declared[number]) for number in sorted(declared)) + _TAIL


def _declaration(field: Field | Family) -> str:
    if isinstance(field, Family):
        return f"  // {field.prefix}<name>: {field.description}\n  map<string, Strings> {field.attribute} = {field.number};\n"
    unit = f" ({field.unit})" if field.unit else ""
    name = field.name.replace(".", "_")
    return f"  // {field.name}: {field.description}{unit}\n  {PROTO_TYPES[field.type]} {name} = {field.number};\n"


if __name__ == "__main__":
    sys.stdout.write(proto_text())
