"""What events belong to: OTLP's ``Resource``, which stands once for all spans, log records or metrics under it. Pure.

Host, service, container and pod are taken from the event; the pipeline file adds what holds for all of them.
"""

from collections.abc import Hashable, Mapping
from functools import lru_cache

from pipeline.model.events.event import Event
from pipeline.model.events.kinds import kind_of
from pipeline.sinks.otlp.anyvalue import key_value

PREFIXES = ("service.", "host.", "k8s.", "cloud.", "deployment.", "os.")
NAMES = {"container.id", "container.name", "container.image.name", "container.image.tags"}
SERVICE = "service.name"
UNKNOWN = "unknown_service"
"""What OpenTelemetry's own libraries say (resource semantic conventions, "Service")."""
MOST = 1000
"""Resources whose bytes are remembered: more than services and containers on a host."""
ATTRIBUTES = 1
"""Of Resource."""


@lru_cache(maxsize=4096)
def is_of_resource(name: str) -> bool:
    """Whether an attribute says something of what the event comes from, and not of the event."""
    return name in NAMES or name.startswith(PREFIXES)


@lru_cache(maxsize=256)
def _held(event_type: type[Event]) -> tuple[tuple[str, str], ...]:
    """Such fields of a class, each with the place where it holds it."""
    kind = kind_of(event_type)
    return () if kind is None else tuple((each.name, each.attribute) for each in kind.fields if is_of_resource(each.name))


class Resources:
    """The resources of events. ``always`` holds for all of them; what an event says itself is worth more."""

    def __init__(self, always: Mapping[str, str]) -> None:
        self._always = always
        self._written: dict[Hashable, bytes] = {}

    def key_of(self, event: Event, program: str | None) -> Hashable:
        """Events with the same key are of one resource. ``program`` names the service where nobody else does."""
        own = tuple([getattr(event, place) for _, place in _held(type(event))])
        if not event.attributes:
            return type(event), program, own
        return (
            type(event),
            program,
            own,
            *[(name, str(value)) for name, value in event.attributes.items() if is_of_resource(name)],
        )

    def written(self, key: Hashable, event: Event, program: str | None) -> bytes:
        """The fields of the Resource of an event with this key."""
        found = self._written.get(key)
        if found is None:
            if len(self._written) >= MOST:
                self._written.clear()
            found = self._written[key] = self._made(event, program)
        return found

    def _made(self, event: Event, program: str | None) -> bytes:
        held = {name: getattr(event, place) for name, place in _held(type(event))}
        own = {name: value for name, value in {**event.attributes, **held}.items() if is_of_resource(name) and value is not None}
        told = {SERVICE: program or UNKNOWN, **self._always, **own}
        return b"".join(key_value(ATTRIBUTES, name, value) for name, value in told.items())
