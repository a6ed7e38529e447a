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


ENTRY_BYTES = 100
"""What an attribute or a header costs beside the characters of its value."""


def attributes_bytes(attributes: Mapping[str, AttributeValue]) -> int:
    """Approximate bytes of memory: what grows with the traffic is text. Costs 0.1 µs and 0.05 µs an attribute."""
    total = ENTRY_BYTES * len(attributes)
    for value in attributes.values():
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, tuple):
            total += sum(map(len, value))
    return total


def _field_bytes(value: Any) -> int:  # noqa: ANN401  of any field
    """The same for a field: text, raw bytes, headers. By the exact type, which costs a quarter of ``isinstance``."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)
    if kind is dict or kind is MappingProxyType:
        total = ENTRY_BYTES * len(value)
        for texts in value.values():
            for text in texts:
                total += len(text)
        return total
    return 0


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of all events.

    ``timestamp_ns`` nanoseconds since 1970-01-01 UTC. ``attributes`` is open and flat: what transforms and plugins add; its
    names must not be those of declared fields. ``memory_bytes`` is about what it costs in memory, for bounded queues.
    """

    event_name: ClassVar[str] = "event"

    timestamp_ns: int
    attributes: Mapping[str, AttributeValue] = NO_ATTRIBUTES
    memory_bytes: int = 1024

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401  as msgspec.structs.replace
        """A copy with some fields changed. Its ``memory_bytes`` follow, unless they are among the changes."""
        if "memory_bytes" not in changes:
            grown = 0
            for name, value in changes.items():
                if name == "attributes":
                    grown += attributes_bytes(value) - attributes_bytes(self.attributes)
                else:
                    grown += _field_bytes(value) - _field_bytes(getattr(self, name))
            changes["memory_bytes"] = self.memory_bytes + grown
        return msgspec.structs.replace(self, **changes)

    def with_attributes(self, **changes: AttributeValue) -> Self:
        """A copy with attributes added or changed."""
        return self.with_all_attributes({**self.attributes, **changes})

    def with_all_attributes(self, attributes: Mapping[str, AttributeValue]) -> Self:
        """A copy with these attributes and no others; what ``replace`` does, in two thirds of the time."""
        memory_bytes = self.memory_bytes + attributes_bytes(attributes) - attributes_bytes(self.attributes)
        return msgspec.structs.replace(self, attributes=attributes, memory_bytes=memory_bytes)
