"""Attributes given to events: those that get the same share one mapping, so that encoders write its text once. Pure.

Batches in native memory (``pipeline.native.EVENTS``) stay there: attributes stand beside an event until somebody looks at it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from pipeline import native
from pipeline.api import AttributeValue, Event
from pipeline.model.events.event import attributes_bytes


class Addition(NamedTuple):
    """Attributes to be given, and about how many bytes of memory they take."""

    attributes: dict[str, AttributeValue]
    bytes: int


def addition(attributes: Mapping[str, AttributeValue]) -> Addition:
    """These attributes."""
    return Addition(dict(attributes), attributes_bytes(attributes))


Merge = Callable[[Mapping[str, AttributeValue], Addition], Addition]
"""From the attributes that an event has, and what it is to be given: all that it has then."""


def over(attributes: Mapping[str, AttributeValue], added: Addition) -> Addition:
    """What is given takes the place of what is there."""
    return addition({**attributes, **added.attributes})


def under(attributes: Mapping[str, AttributeValue], added: Addition) -> Addition:
    """What is there stays."""
    return addition({**added.attributes, **attributes})


def give(events: Sequence[Event], added: Addition, merge: Merge = over) -> Sequence[Event]:
    """All of them with these attributes."""
    if isinstance(events, native.EVENTS):
        return events.with_attributes(added, merge, partial(given, merge=merge))
    return [given(event, added, merge) for event in events]


def give_each(events: Sequence[Event], rows: list[Addition | None], merge: Merge = over) -> Sequence[Event]:
    """Each with its own; None: it stays as it is."""
    if isinstance(events, native.EVENTS):
        return events.with_attributes(rows, merge, partial(given, merge=merge))
    return [event if added is None else given(event, added, merge) for event, added in zip(events, rows, strict=True)]


def given(event: Event, added: Addition, merge: Merge = over) -> Event:
    """One event with these attributes."""
    if not event.attributes:
        return replace(event, attributes=added.attributes, memory_bytes=event.memory_bytes + added.bytes)
    whole = merge(event.attributes, added)
    memory_bytes = event.memory_bytes + whole.bytes - attributes_bytes(event.attributes)
    return replace(event, attributes=whole.attributes, memory_bytes=memory_bytes)
