"""What all codecs take from a kind of event: where its class holds each value, and functions written out from its table. Pure.

Code that is written out field by field costs half of what a loop over the table costs (benchmarks/codecs.py). A codec says
what one field's line looks like; ``written_out`` is the only place that compiles such lines.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from pipeline.codecs.text import whole
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import Kind
from pipeline.model.events.kinds import EVENT, kind_of

EVENT_BYTES = 600
"""What an event costs in memory beside its text, roughly. From so many bytes of text on, it costs about twice its text."""

_AS_IT_IS = {FieldType.STRING: str, FieldType.INT: int, FieldType.FLOAT: float, FieldType.BOOL: bool}


class Layout:
    """Events of a kind are built by position, which costs a seventh of what so many keywords cost.

    ``places``  position by the struct's own name.
    ``blank``   the values of an event of which nothing is known, not even the time.
    ``plan``    by outside name: position, the Python type that needs no further look, the field.
    ``families``  prefix and position of each family.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.make = kind.type
        self.places: Mapping[str, int] = {name: place for place, name in enumerate(kind.type.__struct_fields__)}
        self.timestamp, self.attributes, self.memory_bytes = (
            self.places[name] for name in ("timestamp_ns", "attributes", "memory_bytes")
        )
        self.blank: tuple[Any, ...] = tuple(
            None if each.default is msgspec.NODEFAULT else each.default for each in msgspec.structs.fields(kind.type)
        )
        self.plan: Mapping[str, tuple[int, type | None, Field]] = {
            field.name: (self.places[field.attribute], _AS_IT_IS.get(field.type), field) for field in kind.fields
        }
        self.families = tuple((family.prefix, self.places[family.attribute]) for family in kind.families)


@lru_cache(maxsize=256)
def layout_of(kind: Kind) -> Layout:
    """The layout of a kind."""
    return Layout(kind)


def as_registered(event: Event) -> tuple[Kind, Event]:
    """The kind by whose table an event is written, and the event as one of it.

    A plugin's own class that is not registered is written as what it is derived from: an exchange, or else its time and its
    attributes.
    """
    kind = kind_of(type(event))
    if kind is not None:
        return kind, event
    if isinstance(event, Exchange):
        return EXCHANGE, Exchange(*[getattr(event, name) for name in Exchange.__struct_fields__])
    return EVENT, event


def encodable(kind: Kind, event: Event) -> Event:
    """The event with every lone surrogate in its fields replaced, for those who write UTF-8."""
    texts = {field.attribute for field in kind.fields if field.type is FieldType.STRING}
    return event.replace(**{name: whole(text) for name in texts if (text := getattr(event, name)) is not None})


def written_out(name: str, lines: Sequence[str], scope: dict[str, Any]) -> Any:  # noqa: ANN401  a function; the caller knows which
    """The function ``name`` that these lines define. They are made of a field table alone, nothing from outside."""
    exec("\n".join(lines), scope)  # noqa: S102  see above
    return scope[name]
