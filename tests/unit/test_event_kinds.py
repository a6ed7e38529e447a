"""Kinds of events: what a field table must be, and what the registry refuses."""

from typing import ClassVar

import pytest

from pipeline.model.events.event import Event
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import EVENT, kind_named, kind_of, kinds, register
from pipeline.model.events.measurement import MEASUREMENT, Measurement


class Depth(Event, frozen=True, gc=False):
    """How long a queue is, for these tests."""

    event_name: ClassVar[str] = "test.depth"

    queue_name: str | None = None
    server_address: str | None = None
    queue_depth: int = 0


def test_a_kind_is_found_by_its_name_and_by_its_class() -> None:
    """Names off the wire may be anything; a class that nobody registered has no kind, whatever it is derived from."""

    class Mine(Exchange, frozen=True):
        """A plugin's own."""

    assert (kind_named("http.exchange"), kind_named("http.measurement")) == (EXCHANGE, MEASUREMENT)
    assert (kind_of(Exchange), kind_of(Measurement), kind_of(Event)) == (EXCHANGE, MEASUREMENT, EVENT)
    assert [kind_named(name) for name in ("no.such", 3, None, ["http.exchange"])] == [None] * 4
    assert kind_of(Mine) is None
    assert EVENT not in kinds()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field("queue.nothing", FieldType.INT, "Not held."), "Depth has no queue_nothing"),
        (Field("event.name", FieldType.STRING, "The tag."), "the name event.name is taken already"),
        (Field("timestamp", FieldType.TIMESTAMP, "Twice.", attribute="timestamp_ns"), "the name timestamp is taken already"),
    ],
)
def test_a_table_that_does_not_fit_its_class_is_refused(field: Field, words: str) -> None:
    """The message names the kind, and what is wrong."""
    with pytest.raises(ValueError, match=rf"test\.depth: {words}"):
        Kind(Depth, "Depth.", (Field("queue.name", FieldType.STRING, "Queue."), field))


def test_a_field_needs_a_default() -> None:
    """What is not known is absent, so a decoder must be able to leave it out."""

    class Strict(Event, frozen=True, kw_only=True):
        """With a field that must be given."""

        event_name: ClassVar[str] = "test.strict"
        queue_name: str

    with pytest.raises(ValueError, match=r"test\.strict: Strict\.queue_name needs a default"):
        Kind(Strict, "Strict.", (Field("queue.name", FieldType.STRING, "Queue."),))


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field("server.address", FieldType.STRING, "Without its short name and number."), "server.address differs in type"),
        (Field("queue.name", FieldType.STRING, "Queue.", alias="status"), "the short name status stands for http.response"),
        (Field("queue.name", FieldType.STRING, "Queue.", number=15), "the number 15 of queue.name is that of http.response"),
    ],
)
def test_one_name_means_one_thing(field: Field, words: str) -> None:
    """A kind that gives a known name, short name or number another meaning is not registered at all."""
    with pytest.raises(ValueError, match=rf"test\.depth: {words}"):
        register(Kind(Depth, "Depth.", (field,)))
    assert kind_named("test.depth") is None


def test_a_second_kind_of_the_same_name_is_refused() -> None:
    """Two plugins cannot both say what `http.exchange` is; registering the same kind again does nothing."""
    assert register(EXCHANGE) is EXCHANGE
    with pytest.raises(ValueError, match=r"http\.exchange is registered already, by pipeline\.model\.events\.exchange"):
        register(Kind(Exchange, "Another.", ()))
