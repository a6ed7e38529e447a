"""The ledger: what became of every event that entered a component. Plain counters, counted per batch; no I/O, no time.

It holds at all times, for every component::

    received + created + restored = sent + discarded{reason} + in_flight

``received``  events that entered over the edges of the graph (for a source: that it brought in).
``created``   events that a transform made beyond those it took: copies to several outputs, new events.
``restored``  events that a disk queue still held from an earlier run.
``sent``      events that left: once for each output that somebody reads (transform, source), or delivered (sink).
``in_flight`` events inside the component now: queued, being written, held by a window. Measured where they are, not derived.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Reason(StrEnum):
    """Why the engine discards events. Transforms add reasons of their own (``Transform.discard_reason``)."""

    QUEUE_FULL = "queue_full"  # `when_full` gave way, or `block_timeout_secs` ran out
    TOO_LARGE = "too_large"  # one event alone is larger than the whole queue may be
    REJECTED = "rejected"  # the sink can never take it, and there is no dead letter
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"  # `retry.max_attempts` failed, and there is no dead letter
    UNDECODABLE = "undecodable"  # a source brought what is not an event, and has no dead letter
    DEAD_LETTER = "dead_letter"  # handed to the dead letter sink, where it is received again
    COMPONENT_ERROR = "component_error"  # a transform raised
    UNREAD = "unread"  # the output has no reader
    SINK_FINISHED = "sink_finished"  # the other end accepts no more (`| head`)
    SHUTDOWN = "shutdown"  # left when the shutdown deadline passed
    DAMAGED = "damaged"  # could not be read back from the disk queue
    REMOVED = "removed"  # a reload removed the sink and its queue did not drain in time


ON_PURPOSE = frozenset({Reason.DEAD_LETTER, Reason.UNREAD, Reason.SINK_FINISHED})
"""Engine reasons that lose nothing anybody wanted. ``queue_full`` is not one of them: allowed, but somebody should look."""


class Ledger:
    """The counters of one component. Only the engine writes them."""

    __slots__ = ("_discarded", "created", "received", "restored", "sent")

    def __init__(self) -> None:
        self.received = 0
        self.created = 0
        self.restored = 0
        self.sent = 0
        self._discarded: dict[tuple[str, bool], int] = {}

    @property
    def discarded(self) -> Mapping[tuple[str, bool], int]:
        """Events by (reason, intentional)."""
        return MappingProxyType(self._discarded)

    def discard(self, reason: str, events: int, *, intentional: bool | None = None) -> None:
        """Count events that end here. Engine reasons know by themselves whether they are intentional."""
        if events:
            key = (str(reason), reason in ON_PURPOSE if intentional is None else intentional)
            self._discarded[key] = self._discarded.get(key, 0) + events

    @property
    def lost(self) -> int:
        """Events that were discarded although somebody wanted them."""
        return sum(count for (_, intentional), count in self._discarded.items() if not intentional)

    def balance(self) -> int:
        """What must be in flight, by the counters. Differs from the measured number only where the engine has a fault."""
        return self.received + self.created + self.restored - self.sent - sum(self._discarded.values())
