"""``docs/fields.md``, made from the field table. Pure; ``python -m pipeline.codecs.fields_page > docs/fields.md`` writes it."""

import sys

from pipeline.codecs.ecs import NAMES
from pipeline.codecs.proto import NUMBERS, SAME_AS
from pipeline.model.events.exchange import FAMILIES, FIELDS, Mark
from pipeline.model.events.fields import Field

_HEAD = """\
<!-- Made from the field table by `python -m pipeline.codecs.fields_page`: do not edit. -->

# Fields

One exchange is one HTTP request with its response. Its fields have the same names in JSON, in filters, in templates and in
Kafka: OpenTelemetry's where OpenTelemetry has one, `httpipe.*` where not. A field that was not seen or is not known is
absent; absent is never zero.

In JSON an exchange is one flat object that begins with `"event.name": "http.exchange"`. Expressions may say the short name
instead. The last columns tell where the other codecs put a field.

| Field | Short | Type | Meaning | ECS | Protobuf |
|---|---|---|---|---|---|
"""

_FAMILIES = """
## Headers

Only the headers that the source was asked for. Names are in lower case; the value is always an array, one element for each
field line, in order.

| Fields | Type | Meaning | Protobuf |
|---|---|---|---|
"""

_TAIL = """
## Marks

`httpipe.marks` lists what is not whole about an exchange. An exchange without marks was seen whole.

{marks}

## Attributes

What transforms and plugins add stands beside the fields, under its own name, in the same flat object. Its value is a string, a
number, a boolean or an array of strings. An attribute cannot take the name of a field.

## Values

- `timestamp` is RFC 3339 in UTC with nine digits of a second.
- Body sizes are OpenTelemetry's: as transferred, after dechunking, before decompression.
- Text off the wire is written as UTF-8. Control characters, direction overrides and lone surrogates never stand in a line as they
  are: they are escaped or replaced by U+FFFD.
- Integers beyond 64 bits become the nearest that fits; floats that JSON cannot write are left out.
"""

_MARKS = {
    Mark.TRUNCATED: "a head, or a body that was asked for, is longer than what was kept",
    Mark.GAP: "bytes of the exchange were lost by the capture",
    Mark.MID_STREAM: "the connection was joined after its beginning",
    Mark.UNMATCHED_REQUEST: "no response was seen",
    Mark.UNMATCHED_RESPONSE: "no request was seen",
    Mark.SIZE_ESTIMATED: "the body size is not exact: its chunk framing was not copied",
    Mark.AMBIGUOUS_FRAMING: "two readers may disagree where the message ends (RFC 9112, section 11.2)",
    Mark.PROTOCOL_ERROR: "what was sent breaks RFC 9112; it was decoded the way most servers do",
}


def fields_page() -> str:
    """The whole page."""
    families = "".join(
        f"| `{family.prefix}<name>` | {family.type} | {family.description} | {NUMBERS[family.prefix]} |\n" for family in FAMILIES
    )
    marks = "\n".join(f"- `{mark}`: {_MARKS[mark]}." for mark in Mark)
    return _HEAD + "".join(map(_row, FIELDS)) + _FAMILIES + families + _TAIL.format(marks=marks)


def _row(field: Field) -> str:
    meaning = f"{field.description} In {field.unit}." if field.unit else field.description
    alias = f"`{field.alias}`" if field.alias else ""
    places = ("@timestamp",) if field.name == "timestamp" else NAMES.get(field.name, (field.name,))
    ecs = ", ".join(f"`{place}`" for place in places)
    number = 2 if field.name == "timestamp" else NUMBERS.get(SAME_AS.get(field.name, field.name), "")
    return f"| `{field.name}` | {alias} | {field.type} | {meaning} | {ecs} | {number} |\n"


if __name__ == "__main__":
    sys.stdout.write(fields_page())
