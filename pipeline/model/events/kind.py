"""What a kind of event is: a class, and the one table of its outside names. Every encoder, check and page is made from it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from pipeline.model.events.event import Event
from pipeline.model.events.fields import EVENT_NAME, Family, Field, FieldType

TIMESTAMP = Field("timestamp", FieldType.TIMESTAMP, "When it happened.", attribute="timestamp_ns")


class Kind:
    """A kind of event.

    ``type``        the class; ``type.event_name`` is the kind's name, and what stands under ``event.name``.
    ``summary``     what one event of it is, in a sentence.
    ``fields``      names that the class holds, the time first; it is added where the table leaves it out.
    ``families``    names with an open end that the class holds.
    ``attributes``  names that events of the kind usually have among their attributes, so that expressions know their types.

    Raises ``ValueError`` where table and class do not agree.
    """

    __slots__ = ("attributes", "by_alias", "by_name", "families", "fields", "name", "summary", "type")

    def __init__(
        self,
        type: type[Event],  # noqa: A002  what it is
        summary: str,
        fields: Sequence[Field],
        families: Sequence[Family] = (),
        attributes: Sequence[Field] = (),
    ) -> None:
        self.type = type
        self.name = type.event_name
        self.summary = summary
        self.fields = tuple(fields) if fields and fields[0].name == TIMESTAMP.name else (TIMESTAMP, *fields)
        self.families = tuple(families)
        self.attributes = tuple(attributes)
        self.by_name: Mapping[str, Field] = MappingProxyType({each.name: each for each in self.fields})
        self.by_alias: Mapping[str, Field] = MappingProxyType({each.alias: each for each in self.fields if each.alias})
        self._check()

    def __repr__(self) -> str:
        return f"Kind({self.name!r})"

    def _check(self) -> None:
        held = {each.name: each for each in msgspec.structs.fields(self.type)}
        names = [each.name for each in (*self.fields, *self.attributes)]
        for name in names:
            if names.count(name) > 1 or name == EVENT_NAME:
                raise ValueError(f"{self.name}: the name {name} is taken already")
        for attribute in (*(field.attribute for field in self.fields[1:]), *(family.attribute for family in self.families)):
            place = held.get(attribute)
            if place is None:
                raise ValueError(f"{self.name}: {self.type.__name__} has no {attribute}")
            if place.required:
                raise ValueError(f"{self.name}: {self.type.__name__}.{attribute} needs a default: what is not known is absent")
