"""``docs/fields.md``, made from the field table. Pure; ``python -m pipeline.codecs.fields_page > docs/fields.md`` writes it."""

import sys

from pipeline.codecs.ecs import ecs_names
from pipeline.codecs.proto import TIMESTAMP_NUMBER
from pipeline.model.events.attributes import DOCUMENTED
from pipeline.model.events.exchange import EXCHANGE, Mark
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import OURS, field_named
from pipeline.model.events.measurement import MEASUREMENT

_HEAD = """\
<!-- Made from the field tables by `python -m pipeline.codecs.fields_page`: do not edit. -->

# Fields

Every event belongs to a kind, which `event.name` tells: {kinds}, or one that a plugin registers. Each kind has its own table
below. Fields have the same names in JSON, in filters, in templates and in Kafka: OpenTelemetry's where OpenTelemetry has one,
`httpipe.*` where not; a name means the same in every kind. A field that was not seen or is not known is absent; absent is
never zero.

In JSON an event is one flat object that begins with `"event.name"`, such as `"event.name": "http.exchange"`. Expressions may
say the short name instead. `httpipe schema --event http.exchange` prints the JSON Schema of such objects. The last columns
tell where the other codecs put a field; one without a number stands among the attributes of the Protobuf message.

## `http.exchange`

{summary}

"""

_COLUMNS = """\
| Field | Short | Type | Meaning | ECS | Protobuf |
|---|---|---|---|---|---|
"""

_FAMILIES = """
### Headers

Only the headers that the source was asked for. Names are in lower case; the value is always an array, one element for each
field line, in order.

| Fields | Type | Meaning | Protobuf |
|---|---|---|---|
"""

_TAIL = """
### Marks

`httpipe.marks` lists what is not whole about an exchange. An exchange without marks was seen whole.

{marks}
{others}
## Attributes

What transforms and plugins add stands beside the fields, under its own name, in the same flat object. Its value is a string, a
number, a boolean or an array of strings. An attribute cannot take the name of a field.

These mean the same in every pipeline. `host.*` and `service.name` come from
[`[resource]`](configuration.md#who-events-are-of-resource), `k8s.*` from the transform [`kubernetes`](transforms/kubernetes.md),
`container.*` and `service.name` from [`containers`](transforms/containers.md),
`client.geo.*` and `client.autonomous_system.*` from [`geoip`](transforms/geoip.md).

| Attribute | Type | Meaning | ECS |
|---|---|---|---|
{attributes}
`k8s.*`, `service.name` and `process.*` are of one end of the connection, which `httpipe.process.end` names where the process is
known, and so are `container.*`. The pod or container at the other end has the same names behind `httpipe.client.` or
`httpipe.server.`, whichever it is: `httpipe.client.k8s.pod.name`, `httpipe.client.service.name`. Other attributes are under
`labels` in ECS, with `_` for `.`.

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
    Mark.PROTOCOL_ERROR: "what was sent breaks RFC 9112 or RFC 9113; it was decoded the way most servers do",
    Mark.HPACK_PARTIAL: "fields of HTTP/2 stood in a table whose beginning was not seen: what they say is absent",
}


def fields_page() -> str:
    """The whole page."""
    kinds = ", ".join(f"`{kind.name}`" for kind in OURS)
    families = "".join(
        f"| `{family.prefix}<name>` | {family.type} | {family.description} | {family.number} |\n" for family in EXCHANGE.families
    )
    marks = "\n".join(f"- `{mark}`: {_MARKS[mark]}." for mark in Mark)
    head = _HEAD.format(kinds=kinds, summary=EXCHANGE.summary)
    others = "".join(map(_section, OURS[1:]))
    attributes = "".join(map(_attribute_row, DOCUMENTED))
    return (
        head + _COLUMNS + _rows(EXCHANGE) + _FAMILIES + families + _TAIL.format(marks=marks, others=others, attributes=attributes)
    )


def _attribute_row(field: Field) -> str:
    return f"| `{field.name}` | {field.type} | {field.description} | {', '.join(f'`{place}`' for place in ecs_names(field))} |\n"


def _section(kind: Kind) -> str:
    """Another kind's table."""
    note = "\nWhat it was measured by, such as `server.address`, stands beside these.\n" if kind is MEASUREMENT else ""
    return f"\n## `{kind.name}`\n\n{kind.summary}\n{note}\n{_COLUMNS}{_rows(kind)}"


def _rows(kind: Kind) -> str:
    return "".join(map(_row, kind.fields)) + "".join(_row(field, label=True) for field in kind.attributes)


def _row(field: Field, *, label: bool = False) -> str:
    meaning = f"{field.description} In {field.unit}." if field.unit else field.description
    alias = f"`{field.alias}`" if field.alias else ""
    number = TIMESTAMP_NUMBER if field.type is FieldType.TIMESTAMP else _number_of(field.same_as or field.name)
    ecs = ", ".join(f"`{place}`" for place in _places(field, label=label))
    return f"| `{field.name}` | {alias} | {field.type} | {meaning} | {ecs} | {number or ''} |\n"


def _places(field: Field, *, label: bool) -> tuple[str, ...]:
    """Where ECS has it; attributes are labels there."""
    if field.type is FieldType.TIMESTAMP:
        return ("@timestamp",)
    return (f"labels.{field.name.replace('.', '_')}",) if label else ecs_names(field)


def _number_of(name: str) -> int:
    field = field_named(name)
    return field.number if field is not None else 0


if __name__ == "__main__":
    sys.stdout.write(fields_page())
