"""What a change of fields means for an event: the one place that knows where an outside name is kept. Never changes an event.

A name is that of a declared field (``url.path``, or its alias), of a header (``http.request.header.x-id``), or else of an
attribute. Which of these it is for one event depends on its kind. Times and the tag ``event.name`` cannot be changed.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from pipeline.api import AttributeValue, Event, Exchange, FieldType
from pipeline.expressions.errors import ExpressionError
from pipeline.model.events.fields import EVENT_NAME
from pipeline.model.events.kinds import families, field_named, is_held, kind_of

FIXED = ("timestamp", EVENT_NAME)


class Place(msgspec.Struct, frozen=True):
    """Where a name is kept: a field of the struct, a key in a mapping of headers, or an attribute."""

    name: str
    type: FieldType
    field: str = ""
    header: str = ""

    @property
    def is_attribute(self) -> bool:
        """Neither field nor header."""
        return not self.field


def place(name: str, type_: FieldType = FieldType.STRING) -> Place:
    """The place of a name; an attribute's ``type_`` is as given. Raises ``ExpressionError``."""
    if name in FIXED:
        raise ExpressionError(f'"{name}" cannot be changed')
    field = field_named(name)
    if field is not None and is_held(field.name):
        return Place(field.name, field.type, field.attribute)
    for family in families():
        if name.startswith(family.prefix):
            return Place(name, FieldType.STRINGS, family.attribute, name[len(family.prefix) :].lower())
    if not name or name != name.strip():
        raise ExpressionError(f'"{name}" is not the name of a field')
    return Place(name, type_)


NOWHERE = Place("nowhere", FieldType.STRING)
"""Stands in for a name that is not valid, until its problem is raised."""


@lru_cache(maxsize=256)
def held_by(kind: type[Event]) -> frozenset[str]:
    """What a class of events holds itself."""
    return frozenset(kind.__struct_fields__)


@lru_cache(maxsize=256)
def text_names(kind: type[Event]) -> tuple[str, ...]:
    """Where a class of events holds texts that its field table names."""
    known = kind_of(kind)
    texts = (FieldType.STRING, FieldType.STRINGS)
    return () if known is None else tuple(dict.fromkeys(field.attribute for field in known.fields if field.type in texts))


class Changes:
    """Collects what one event is to become; ``applied`` makes it. Reading goes to the event as it was."""

    __slots__ = ("attributes", "event", "fields")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.fields: dict[str, Any] = {}
        self.attributes: dict[str, AttributeValue] | None = None

    def _is_attribute(self, where: Place) -> bool:
        """Whether this event keeps the name among its attributes: one whose class does not hold the field does."""
        return where.is_attribute or where.field not in held_by(self.event.__class__)

    def get(self, where: Place) -> AttributeValue | None:
        """The value at a place; None where there is none."""
        if self._is_attribute(where):
            return self.event.attributes.get(where.name)
        value = getattr(self.event, where.field)
        if where.header:
            value = value.get(where.header)
        return None if value == () else value

    def put(self, where: Place, value: AttributeValue) -> None:
        """Set a value."""
        if self._is_attribute(where):
            self._attributes()[where.name] = value
        elif where.header:
            self._headers(where)[where.header] = value if isinstance(value, tuple) else (str(value),)
        else:
            self.fields[where.field] = value

    def drop(self, where: Place) -> None:
        """Remove a value."""
        if self._is_attribute(where):
            if where.name in self.event.attributes:
                self._attributes().pop(where.name, None)
        elif where.header:
            if where.header in getattr(self.event, where.field):
                self._headers(where).pop(where.header, None)
        elif self.get(where) is not None:
            self.fields[where.field] = () if where.type is FieldType.STRINGS else None

    def applied(self) -> Event:
        """The new event, or the same one where nothing changes."""
        if self.attributes is not None:
            self.fields["attributes"] = self.attributes
        return self.event.replace(**self.fields) if self.fields else self.event

    def _attributes(self) -> dict[str, AttributeValue]:
        if self.attributes is None:
            self.attributes = dict(self.event.attributes)
        return self.attributes

    def _headers(self, where: Place) -> dict[str, Any]:
        if where.field not in self.fields:
            self.fields[where.field] = dict(getattr(self.event, where.field))
        headers: dict[str, Any] = self.fields[where.field]
        return headers


def types_of(places: Sequence[Place]) -> Mapping[str, FieldType]:
    """What exchanges get as attributes, for ``Transform.adds``: also fields that only other kinds hold."""
    return {each.name: each.type for each in places if each.is_attribute or each.field not in held_by(Exchange)}


def headers_of(places: Sequence[Place]) -> Sequence[str]:
    """The headers among the places, for ``Transform.adds_headers``."""
    return [each.name for each in places if each.header]
