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


REMEMBERED_MERGES = 2048


def remembered(merge: Merge) -> Merge:
    """A merge that gives the same mapping for the same two mappings, so that what is made of it need not be made again.

    Mappings of events must not change, and those that are given to many are few: by their identity, both of them kept.
    """
    known: dict[tuple[int, int], tuple[Mapping[str, AttributeValue], Addition, Addition]] = {}

    def merged(attributes: Mapping[str, AttributeValue], added: Addition) -> Addition:
        key = id(attributes), id(added.attributes)
        found = known.get(key)
        if found is None:
            if len(known) >= REMEMBERED_MERGES:
                known.clear()
            found = known[key] = (attributes, added, merge(attributes, added))
        return found[2]

    return merged


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
