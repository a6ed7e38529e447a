"""What a source gave at once, kept as it is, and which connections have something in it.

Keeping costs no object a packet: a batch of records in native memory stays one, a block of a capture file stays a block.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from pipeline import native
from pipeline.model.packet import RAW_IP, Interface, Packet
from pipeline.model.records import ACK, SYN, FlowKey, Record, Segment, is_stream_key, reverse, sent_by_observer

RECORD_BYTES = 300
"""Of memory, approximately, beside its payload: a record that is an object."""
SYNTHESIZED = (
    "packets made by httpipe from what it reported of segments: addresses, numbers, flags and bytes are those of the wire"
)
PLAIN_TEXT = (
    "plain text of TLS connections, read by probes; it was never on the wire like this: TCP/IP around it is made by httpipe"
)


class Part(NamedTuple):
    """What a batch has of one connection: where its packets stand in it.

    ``opening`` is the sequence number of the SYN that stands first, None where none does; ``first_ns`` the time of the first.
    """

    connection: bytes
    opening: int | None
    first_ns: int
    places: Sequence[int]


class Kept(Protocol):
    """A batch. ``size`` is what it takes of memory in bytes."""

    size: int

    def parts(self) -> Iterable[Part]:
        """Of every connection in it. A pair of endpoints that is used again within the batch has several."""

    def contents(self, places: Sequence[int]) -> Iterable[Record | Packet]:
        """What stands there: packets, or records of which some are to be made."""

    def interface(self, record: Record) -> Interface:
        """Where a record's packets are said to come from."""


class KeptRecords:
    """Records as a source gave them. ``source`` is its id; ``live``: interfaces are this host's."""

    def __init__(self, records: Sequence[Record], source: str, *, live: bool) -> None:
        self._records = records
        self._source = source
        self._live = live
        self._native = native.lane is not None and isinstance(records, native.lane.Records)
        self.size: int = records.memory_bytes if self._native else sum(map(_size, records))  # type: ignore[attr-defined]

    def parts(self) -> Iterable[Part]:
        """Found in native memory where they lie there."""
        if self._native:
            return (Part(*found) for found in self._records.by_connection())  # type: ignore[attr-defined]
        return parts_of((place, record) for place, record in enumerate(self._records))

    def contents(self, places: Sequence[int]) -> Iterable[Record]:
        """The records there."""
        return (self._records[place] for place in places)

    def interface(self, record: Record) -> Interface:
        """By its name, as long as the host has it."""
        if is_stream_key(record.key):
            return Interface(self._source, RAW_IP, PLAIN_TEXT)
        number = getattr(record, "interface", 0)
        name = _name(number) if self._live and number else self._source
        return Interface(name, RAW_IP, SYNTHESIZED)


def parts_of(records: Iterable[tuple[int, Record]]) -> list[Part]:
    """The parts of records and their places."""
    found: list[Part] = []
    latest: dict[bytes, tuple[int | None, list[int]]] = {}
    for place, record in records:
        connection = connection_of(record.key)
        opening = record.seq if isinstance(record, Segment) and record.flags & (SYN | ACK) == SYN else None
        before = latest.get(connection)
        if before is not None and opening in (None, before[0]):
            before[1].append(place)
            continue
        places = [place]
        latest[connection] = opening, places
        found.append(Part(connection, opening, record.ts_ns, places))
    return found


def connection_of(key: FlowKey) -> bytes:
    """The same for both directions of a connection."""
    return sent_by_observer(key) if is_stream_key(key) else min(key, reverse(key))


def _size(record: Record) -> int:
    return RECORD_BYTES + len(getattr(record, "payload", b""))


def _name(number: int) -> str:
    import socket  # noqa: PLC0415  only who takes packets away pays for it

    try:
        return socket.if_indextoname(number)
    except OSError:  # it is gone, or of another network namespace
        return f"interface {number}"
