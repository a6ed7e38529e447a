"""``remove``: fields, headers and attributes that nobody downstream shall see."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Exchange, Outputs, Transform
from pipeline.model.events.kinds import kinds
from pipeline.transforms.changes import FIXED, NOWHERE, Changes, Place, place
from pipeline.transforms.options import Compiled


class RemoveConfig(Config):
    """Remove fields and attributes."""

    fields: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names, such as `url.query`, `http.request.header.cookie`, `team`. A name ending in `.*` removes everything below it."""


class Remove(Transform):
    """Removes fields, headers and attributes.

    What an event does not have is passed over in silence. The raw heads go with any field of theirs, since they repeat it.
    """

    api_version = 1
    Config = RemoveConfig

    def __init__(self, config: RemoveConfig, context: Context) -> None:
        self.prefixes = tuple(name[:-1] for name in config.fields if name.endswith(".*"))
        self.places: list[Place] = []
        with Compiled(context) as options:
            for index, name in enumerate(config.fields):
                if not name.endswith(".*"):
                    self.places.append(options.of(f"fields.{index}", NOWHERE, place, name))
            self.places += [place(name) for name in declared() if name.startswith(self.prefixes)] if self.prefixes else []

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that has any of the fields."""
        return {DEFAULT: [self._without(event) for event in batch]}

    def _without(self, event: Event) -> Event:
        changes = Changes(event)
        for where in self.places:
            changes.drop(where)
        if self.prefixes:
            for where in undeclared(event, self.prefixes):
                changes.drop(where)
        if changes.fields and isinstance(event, Exchange) and (event.request_head or event.response_head):
            changes.fields |= {"request_head": None, "response_head": None}
        return changes.applied()


def declared() -> list[str]:
    """Names of declared fields that can be removed."""
    return list(dict.fromkeys(field.name for kind in kinds() for field in kind.fields if field.name not in FIXED))


def undeclared(event: Event, prefixes: tuple[str, ...]) -> list[Place]:
    """Headers and attributes of an event below the prefixes."""
    names = [name for name in event.attributes if name.startswith(prefixes)]
    if isinstance(event, Exchange):
        names += [f"http.request.header.{key}" for key in event.http_request_headers]
        names += [f"http.response.header.{key}" for key in event.http_response_headers]
    return [place(name) for name in names if name.startswith(prefixes)]
