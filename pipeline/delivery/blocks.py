"""Blocks of a disk queue: what one holds, as bytes and back. Pure; it never raises, whatever a plugin put into an event."""

from collections.abc import Sequence

from pipeline.api import Event
from pipeline.codecs import binary


def encode_block(events: Sequence[Event]) -> tuple[int, bytes]:
    """How many events the block holds, and the block. An event that a plugin made and nothing can write is left out."""
    try:
        return len(events), binary.encode(events)
    except Exception:  # noqa: BLE001  a plugin may put anything into an event; the others must not wait for it for ever
        writable = [event for event in events if binary.is_writable(event)]
        return len(writable), binary.encode(writable)


def decode_block(block: bytes | None, count: int) -> list[Event] | None:
    """The events of a block that holds so many; None for a damaged one."""
    if block is None:
        return None
    try:
        events = binary.decode(block)
    except binary.DamagedBlock:
        return None
    return events if len(events) == count else None
