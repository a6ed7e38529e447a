"""Every kind with a field table is written and read back by every codec, ours and one that a plugin registers."""

from typing import Any, ClassVar

import pytest
from codec_samples import TIMESTAMP_NS, PlainJson, PlainProtobuf
from jsonschema import Draft202012Validator

from pipeline.codecs import binary
from pipeline.codecs.ecs import EcsCodec, ecs_names
from pipeline.codecs.errors import DecodeError
from pipeline.codecs.flat import flat
from pipeline.codecs.json import dump_lines, load
from pipeline.codecs.schema import event_schema
from pipeline.codecs.selection import Selection
from pipeline.model.events import kinds as registry
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import OURS, register

JSON, PROTOBUF, ECS = PlainJson(), PlainProtobuf(), EcsCodec()


class Depth(Event, frozen=True, gc=False):
    """How long a queue is: a plugin's kind, with a field of each type."""

    event_name: ClassVar[str] = "plugin.depth"

    client_address: str | None = None
    queue_name: str | None = None
    queue_depth: int | None = None
    queue_age_secs: float | None = None
    queue_full: bool | None = None
    queue_readers: tuple[str, ...] = ()


DEPTH = Kind(
    Depth,
    "How long a queue is.",
    (
        registry.field_named("client.address") or Field("never", FieldType.STRING, ""),
        Field("queue.name", FieldType.STRING, "Name."),
        Field("queue.depth", FieldType.INT, "Length."),
        Field("queue.age_secs", FieldType.FLOAT, "Age of the oldest.", "s"),
        Field("queue.full", FieldType.BOOL, "Whether it is full."),
        Field("queue.readers", FieldType.STRINGS, "Who reads."),
    ),
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin's kind, for one test: no other shall know it."""
    for name in ("_BY_NAME", "_BY_TYPE", "_FIELDS", "_ALIASES", "_NUMBERS"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    register(DEPTH)


def full(kind: Kind) -> Event:
    """An event of a kind in which every field and usual attribute has a value."""

    def value(number: int, field: Field) -> Any:
        return {
            FieldType.STRING: f"text {number}",
            FieldType.INT: number,
            FieldType.FLOAT: number + 0.5,
            FieldType.BOOL: True,
            FieldType.STRINGS: ("a", f"b {number}"),
            FieldType.TIMESTAMP: TIMESTAMP_NS,
        }[field.type]

    held = {field.attribute: value(number, field) for number, field in enumerate(kind.fields)}
    attributes = {field.name: value(number, field) for number, field in enumerate(kind.attributes, 100)}
    return kind.type(**held, attributes={**attributes, "team": "shop"})


KINDS = pytest.mark.parametrize("kind", [*OURS, DEPTH], ids=lambda kind: kind.name)


@KINDS
def test_every_field_comes_back_from_every_codec(kind: Kind) -> None:
    """One of all its fields, one of none; alone, in a batch, and in a batch with other kinds."""
    for event in (full(kind), kind.type(timestamp_ns=5)):
        assert JSON.decode(JSON.encode(event)) == event
        assert PROTOBUF.decode(PROTOBUF.encode(event)) == event
        assert list(PROTOBUF.decode_batch(bytes(PROTOBUF.encode_batch([event, event])))) == [event, event]
        assert binary.decode(binary.encode([event, Exchange(1), event])) == [event, Exchange(1), event]
        mixed = [event, Exchange(timestamp_ns=1), event]
        assert [JSON.decode(line) for line in JSON.encode_each(mixed)] == mixed


@KINDS
def test_the_short_and_the_long_way_write_the_same_lines(kind: Kind) -> None:
    """A batch of one kind is encoded in one call, one of several kinds event by event."""
    events = [full(kind), kind.type(timestamp_ns=5), full(kind).replace(attributes={})]
    assert bytes(JSON.encode_batch(events)) == bytes(dump_lines(events, JSON.to_object))


@KINDS
def test_ecs_has_a_place_for_every_field(kind: Kind) -> None:
    """No two fields share one, and nothing but attributes becomes a label."""
    event = full(kind)
    addresses = {each: "192.0.2.1" for each in ("client_address", "network_local_address") if each in kind.type.__struct_fields__}
    read = ECS.to_object(event.replace(**addresses))
    places = [place for field in kind.fields for place in ecs_names(field)]
    assert len(places) == len(set(places))
    for place in places:
        value: Any = read
        for step in place.split("."):
            value = value[step]
        assert not isinstance(value, dict), place
    assert len(read["labels"]) == len(event.attributes)
    assert read["event"]["dataset"] == f"httpipe.{kind.name}"


@KINDS
def test_names_stand_in_the_order_of_the_table(kind: Kind) -> None:
    """`event.name`, the time, the fields, the attributes; the flat object of sinks has the same."""
    names = ["event.name", *(each.name for each in (*kind.fields, *kind.attributes)), "team"]
    assert list(load(JSON.encode(full(kind)))) == names
    assert list(flat(full(kind))) == names
    assert flat(full(kind))["event.name"] == kind.name


@KINDS
def test_what_is_written_satisfies_the_schema_of_its_kind(kind: Kind) -> None:
    """And not if a field had another type, nor that of another kind."""
    validator = Draft202012Validator(event_schema(kind))
    written = load(JSON.encode(full(kind)))
    validator.validate(written)
    assert not validator.is_valid({**written, "event.name": "other"})
    assert not validator.is_valid({**written, kind.fields[-1].name: {"a": 1}})


@KINDS
def test_a_selection_holds_for_every_kind(kind: Kind) -> None:
    """Only what was asked for is written, in each codec; ECS and Protobuf always have the time."""
    last = kind.fields[-1].name
    chosen = Selection((last,), None)
    assert set(load(PlainJson(chosen).encode(full(kind)))) == {last}
    codec = PlainProtobuf(Selection(("event.name", last), None))
    expected = {field.attribute: getattr(full(kind), field.attribute) for field in kind.fields if field.name == last}
    assert codec.decode(codec.encode(full(kind))) == kind.type(**{"timestamp_ns": TIMESTAMP_NS, **expected})
    assert EcsCodec(chosen).to_object(full(kind))["@timestamp"]


@KINDS
def test_lone_surrogates_harm_no_kind(kind: Kind) -> None:
    """Text off the wire that UTF-8 cannot carry is replaced, in text formats; the binary block gives it back."""
    texts = {field.attribute: "\ud800x" for field in kind.fields if field.type is FieldType.STRING}
    event = kind.type(timestamp_ns=1, **texts)
    for codec in (JSON, PROTOBUF):
        assert all(getattr(codec.decode(codec.encode(event)), name) == "\ufffdx" for name in texts)
    assert binary.decode(binary.encode([event])) == [event]
    assert isinstance(ECS.encode(event), bytes)


def test_a_value_of_the_wrong_type_is_refused_by_name() -> None:
    """Whatever the codec; an integer is good enough where a number is wanted."""
    line = b'{"event.name":"plugin.depth","timestamp":"2026-01-02T03:04:05Z","queue.depth":"three"}'
    with pytest.raises(DecodeError, match=r"queue\.depth: must be an integer, not a string"):
        JSON.decode(line)
    plain = Event(timestamp_ns=1, attributes={"event.name": "plugin.depth", "queue.age_secs": 3})
    assert PROTOBUF.decode(PROTOBUF.encode(plain)) == Depth(1, queue_age_secs=3.0)
    with pytest.raises(DecodeError, match=r"queue\.name: must be string, not int"):
        PROTOBUF.decode(PROTOBUF.encode(plain.with_attributes(**{"queue.name": 3})))


def test_a_kind_that_is_not_known_keeps_everything_as_attributes() -> None:
    """So a newer httpipe can write into a topic that an older one reads."""
    line = b'{"event.name":"next.year","timestamp":"2026-01-02T03:04:05.000000006Z","queue.depth":3,"server.port":80}'
    event = JSON.decode(line)
    assert event == Event(TIMESTAMP_NS, {"event.name": "next.year", "queue.depth": 3, "server.port": 80})
    assert JSON.encode(event) == line
    assert PROTOBUF.decode(PROTOBUF.encode(event)) == event
