"""The base of all events, whatever kind they belong to.

Events are frozen and shared between sinks: nobody changes one, a transform makes a new one (``event.replace(...)``).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

import msgspec

AttributeValue = str | int | float | bool | tuple[str, ...]
"""What an attribute may hold: OpenTelemetry's attribute types."""

NO_ATTRIBUTES: Mapping[str, AttributeValue] = MappingProxyType({})
NO_HEADERS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of all events.

    ``timestamp_ns`` nanoseconds since 1970-01-01 UTC. ``attributes`` is open and flat: what transforms and plugins add; its
    names must not be those of declared fields. ``weight`` is the approximate memory cost in bytes, for bounded queues.
    """

    event_name: ClassVar[str] = "event"

    timestamp_ns: int
    attributes: Mapping[str, AttributeValue] = NO_ATTRIBUTES
    weight: int = 1024

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401  as msgspec.structs.replace
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)

    def with_attributes(self, **changes: AttributeValue) -> Self:
        """A copy with attributes added or changed."""
        return msgspec.structs.replace(self, attributes={**self.attributes, **changes})
