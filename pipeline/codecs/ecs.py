"""Event → one JSON object as the Elastic Common Schema 8.17 has it. Pure; never raises. Write only: ECS cannot hold it all.

Objects are nested, because ingest pipelines cannot address names with dots. Fields that ECS does not have stay under
``httpipe``; headers under ``http.request.headers``; attributes that ECS knows in their places, others under ``labels``, with
``_`` for ``.`` as ECS asks. Elasticsearch refuses a document whose ``ip`` field holds anything else, so an address that a
transform has masked is left out there.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from mmap import mmap
from typing import Any

from pipeline.codecs.flat import FlatObject
from pipeline.codecs.json import JsonCodec, dump, dump_lines
from pipeline.codecs.selection import Selection
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.attributes import attribute_named
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.fields import EVENT_NAME, Field, FieldType
from pipeline.model.events.kinds import families, kinds

ECS_VERSION = "8.17.0"

_CATEGORIES: Mapping[str, tuple[str, str]] = {
    "http.request": ("web", "info"),
    "tls.handshake": ("network", "connection"),
    "websocket.message": ("network", "protocol"),
    "httpipe.firewall.decision": ("intrusion_detection", "info"),
}
"""``event.category`` and ``event.type``, from ECS's own lists of words, of what is seen on the network beside exchanges."""

_OUTCOMES = {1: "success", 2: "success", 3: "success", 4: "failure", 5: "failure"}
_DURATION = "httpipe.duration_ms"


def ecs_names(field: Field) -> tuple[str, ...]:
    """Where ECS has a declared field. One that ECS does not know keeps its name; what repeats another is not written twice."""
    if field.type is FieldType.TIMESTAMP or field.same_as:
        return ()  # the time is always there
    return (field.name,) if field.ecs is None else field.ecs


def _place(name: str) -> tuple[str, str, bool]:
    parent, _, key = name.rpartition(".")
    return parent, key, key == "ip"


_PLACES: dict[str, tuple[tuple[str, str, bool], ...]] = {}
"""By name: parent, key and whether the value must be an address, for each place of a declared field that was met."""


def _places(name: str) -> tuple[tuple[str, str, bool], ...] | None:
    """The places of a name that is met for the first time; None where no kind of event declares it, nor we such an attribute.

    Measurements have names of exchanges among their attributes, such as ``server.address``, and they mean the same.
    """
    field = next((kind.by_name[name] for kind in kinds() if name in kind.by_name), None) or attribute_named(name)
    if field is None:
        return None  # not kept: attributes may have any name
    _PLACES[name] = places = tuple(map(_place, ecs_names(field)))
    return places


class EcsCodec:
    """ECS JSON lines. The selection speaks of httpipe's names, not of ECS's."""

    content_type = "application/x-ndjson"
    suffix = ".ndjson"
    text = True

    def __init__(self, selection: Selection | None = None) -> None:
        self._flat = JsonCodec(selection)

    def to_object(self, event: Event) -> FlatObject:
        """The event as a nested object. ``@timestamp`` is always there: nothing in the Elastic stack does without."""
        flat = self._flat.to_object(event)
        target: FlatObject = {"@timestamp": rfc3339(event.timestamp_ns), "ecs": {"version": ECS_VERSION}}
        objects: dict[str, FlatObject] = {}
        if (name := flat.pop(EVENT_NAME, None)) is not None:
            _object_at(target, objects, "event")["dataset"] = f"httpipe.{name}"
        if isinstance(event, Exchange):
            outcome = _OUTCOMES.get((event.http_response_status_code or 0) // 100, "unknown")
            _object_at(target, objects, "event").update(kind="event", category=["web"], type=["access"], outcome=outcome)
            _object_at(target, objects, "network")["transport"] = "tcp"
        elif (words := _CATEGORIES.get(event.event_name)) is not None:
            _object_at(target, objects, "event").update(kind="event", category=[words[0]], type=[words[1]])
            _object_at(target, objects, "network")["transport"] = "tcp"
        if (duration := flat.get(_DURATION)) is not None:
            flat[_DURATION] = _nanoseconds(duration)
        known = _PLACES.get
        for name, value in flat.items():
            places = known(name)
            if places is None and (places := _places(name)) is None:
                _put_undeclared(target, objects, name, value)
                continue
            for parent, key, is_address in places:
                if not is_address or _is_ip(value):
                    (objects.get(parent) or _object_at(target, objects, parent))[key] = value
        return target

    def encode(self, event: Event) -> bytes:
        """One object without a newline."""
        return dump(self.to_object(event))

    def encode_each(self, events: Sequence[Event]) -> list[bytes]:
        """One object each, without newlines: JSON has none inside."""
        lines = bytes(self.encode_batch(events)).split(b"\n")
        lines.pop()
        return lines

    def encode_batch(self, events: Sequence[Event]) -> bytes | bytearray:
        """One object a line, each line ended by a newline."""
        return dump_lines(events, self.to_object)

    def whole_length(self, content: bytes | bytearray | mmap) -> int:
        """Up to and with the last newline."""
        return self._flat.whole_length(content)

    def may_begin(self, torn: bytes) -> bool:
        """Whether the first key is the one with which every line begins."""
        first_key = self.encode(Exchange(timestamp_ns=0)).partition(b":")[0]
        return first_key.startswith(torn[: len(first_key)])


def _put_undeclared(target: FlatObject, objects: dict[str, FlatObject], name: str, value: Any) -> None:  # noqa: ANN401
    for family in families():
        if name.startswith(family.prefix):
            # "http.request.header." → "http.request.headers", with one key for each header whatever dots are in its name.
            _object_at(target, objects, f"{family.prefix[:-1]}s")[name[len(family.prefix) :]] = value
            return
    _object_at(target, objects, "labels")[name.replace(".", "_")] = value


def _object_at(target: FlatObject, objects: dict[str, FlatObject], path: str) -> FlatObject:
    """The object at a path, made where it is missing; ``objects`` remembers those of this event."""
    found = objects.get(path)
    if found is None:
        parent, _, key = path.rpartition(".")
        found = (_object_at(target, objects, parent) if parent else target).setdefault(key, {})
        objects[path] = found
    return found


def _nanoseconds(milliseconds: float) -> int | None:
    nanoseconds = milliseconds * 1e6
    return round(nanoseconds) if math.isfinite(nanoseconds) else None


@lru_cache(maxsize=1024)
def _is_ip(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False
