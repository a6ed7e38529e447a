"""The Protobuf schema of events, made from the field table: what ``httpipe.proto`` holds. Pure.

Field numbers are forever: they are listed here and not counted, so that a new line in the table cannot move an old number.
``python -m pipeline.codecs.proto`` prints the schema; a test compares it with the file that is shipped.
"""

import sys
from collections.abc import Mapping

from pipeline.model.fields import FAMILIES, FIELDS, Family, Field, FieldType

NUMBERS: Mapping[str, int] = {
    "http.request.method": 4,
    "http.request.method_original": 5,
    "url.scheme": 6,
    "url.path": 7,
    "url.query": 8,
    "server.address": 9,
    "server.port": 10,
    "client.address": 11,
    "client.port": 12,
    "network.local.address": 13,
    "network.local.port": 14,
    "http.response.status_code": 15,
    "network.type": 16,
    "network.protocol.name": 17,
    "network.protocol.version": 18,
    "http.request.body.size": 19,
    "http.response.body.size": 20,
    "http.request.size": 21,
    "http.response.size": 22,
    "user_agent.original": 23,
    "http.request.body.content": 24,
    "http.response.body.content": 25,
    "httpipe.request.body.encoding": 26,
    "httpipe.response.body.encoding": 27,
    "httpipe.request.body.decoded_size": 28,
    "httpipe.response.body.decoded_size": 29,
    "error.type": 30,
    "process.pid": 31,
    "process.executable.name": 32,
    "container.id": 33,
    "httpipe.duration_ms": 34,
    "httpipe.ttfb_ms": 35,
    "httpipe.request.target": 36,
    "httpipe.source": 37,
    "httpipe.capture": 38,
    "httpipe.connection": 39,
    "httpipe.sequence": 40,
    "httpipe.marks": 41,
    "http.request.header.": 42,
    "http.response.header.": 43,
}
EVENT_NAME_NUMBER, TIMESTAMP_NUMBER, ATTRIBUTES_NUMBER = 1, 2, 3

SAME_AS: Mapping[str, str] = {"network.peer.address": "client.address", "network.peer.port": "client.port"}
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
