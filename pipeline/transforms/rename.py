"""``rename``: a field, header or attribute goes on under another name."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, FieldType, Outputs, Transform
from pipeline.expressions.errors import ExpressionError
from pipeline.transforms.changes import NOWHERE, Changes, Place, headers_of, place, types_of
from pipeline.transforms.options import Compiled


class RenameConfig(Config):
    """Rename fields and attributes."""

    fields: Annotated[Mapping[str, str], Field(min_length=1)]
    """Old name and new name, such as `fields."http.request.header.x-tenant" = "tenant"`. A header becomes a text."""


class Rename(Transform):
    """Gives fields, headers and attributes another name.

    What an event does not have is passed over in silence; all old values are read before any new one is written.
    """

    api_version = 1
    Config = RenameConfig

    def __init__(self, config: RenameConfig, context: Context) -> None:
        with Compiled(context) as options:
            pairs = [
                options.of(f"fields.{old}", (NOWHERE, NOWHERE), pair, old, new, context) for old, new in config.fields.items()
            ]
        self.pairs = pairs
        places = [new for _, new in pairs]
        self.adds, self.adds_headers = types_of(places), headers_of(places)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that has any of the fields."""
        return {DEFAULT: [self._renamed(event) for event in batch]}

    def _renamed(self, event: Event) -> Event:
        changes = Changes(event)
        found = [(old, new, value) for old, new in self.pairs if (value := changes.get(old)) is not None]
        for old, _, _ in found:
            changes.drop(old)
        for old, new, value in found:
            if old.header and not new.header and isinstance(value, tuple):
                changes.put(new, ", ".join(value))
            else:
                changes.put(new, value)
        return changes.applied()


def pair(old: str, new: str, context: Context) -> tuple[Place, Place]:
    """Both places, with a type that fits both. Raises ``ExpressionError``."""
    source = place(old, context.attributes.get(old, FieldType.STRING))
    given = FieldType.STRING if source.header else source.type
    target = place(new, given)
    if not target.header and target.type is not given:
        raise ExpressionError(f"{source.name} is {given.value}, {target.name} holds {target.type.value}")
    return source, target
