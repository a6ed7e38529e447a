"""Kafka records → events. A record that is not an event becomes an ``Undecodable`` that carries it to the dead letter. Pure."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from pipeline.codecs.errors import DecodeError
from pipeline.model.events.event import Event

MOST_BODY_BYTES = 256 << 10
"""Of an undecodable record, so much is kept."""

MEMORY_PER_BYTE = 2
"""Memory of an event is about twice its JSON."""


class Undecodable(Event, frozen=True, gc=False, kw_only=True):
    """A record that is not an event: where it stood (OpenTelemetry's messaging names), and its bytes as base64."""

    event_name: ClassVar[str] = "kafka.undecodable"


class Record(Protocol):
    """aiokafka's ``ConsumerRecord``."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def decoded(records: Iterable[Record], decode: Callable[[bytes], Event]) -> tuple[list[Event], list[tuple[Event, DecodeError]]]:
    """The events of these records, and those that are not, with the reason."""
    events: list[Event] = []
    bad: list[tuple[Event, DecodeError]] = []
    for record in records:
        value = record.value
        try:
            if value is None:
                raise DecodeError("the record has no value")  # noqa: TRY301  a tombstone: handled as all that is not an event
            event = decode(value)
        except DecodeError as error:
            bad.append((_undecodable(record), error))
        else:
            events.append(event)
    return events, bad


def _undecodable(record: Record) -> Undecodable:
    body = (record.value or b"")[:MOST_BODY_BYTES]
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.message.body.size": len(record.value or b""),
        "httpipe.kafka.value": b64encode(body).decode(),
    }
    if record.key is not None:
        attributes["messaging.kafka.message.key"] = record.key[:1024].decode(errors="replace")
    return Undecodable(
        timestamp_ns=max(record.timestamp, 0) * 1_000_000, attributes=attributes, memory_bytes=1024 + MEMORY_PER_BYTE * len(body)
    )
