"""What a run says of itself: a consistent copy of its state at one moment, typed, and the only one.

``/metrics``, ``/health``, `httpipe top`, the control socket and the summary at the end are views of a ``Snapshot``. Its JSON, by
these names, is what a client of the control socket gets.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec

from pipeline.model.histogram import Histogram

ComponentKind = Literal["source", "transform", "sink"]


class State(StrEnum):
    """What a component is doing."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"  # it works on, but something failed and is being tried again
    FAILED = "failed"  # it is down; the engine tries to restart it
    FINISHED = "finished"  # it ended well


class Discarded(msgspec.Struct, frozen=True):
    """Events that ended in a component, for one reason."""

    reason: str
    intentional: bool
    events: int


class ComponentSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One component. The ledger balances: received + created + restored = sent + discarded + in_flight.

    ``counters`` are what the component itself counted: for sources the losses of the capture. ``queued_*`` and ``max_*``
    belong to a sink's queue. ``busy_secs`` is time inside the component's code, ``lag_secs`` the age of the oldest queued event,
    ``latency`` from capture to delivery, of the oldest event of each batch. ``complaint`` is what the component itself says
    hinders it now. A sink is ``awaited`` while the pipeline is not ready because it has not been opened yet. ``brings`` is what a
    source's events are called: ``exchange`` while they can be nothing else, ``event`` where other kinds were asked for.
    ``decoder`` says who decodes what a source brings, empty where nothing is decoded.
    """

    id: str
    kind: ComponentKind
    type: str
    state: str
    error: str
    complaint: str = ""
    decoder: str = ""
    errors: int
    restarts: int
    received: int
    created: int
    restored: int
    sent: int
    discarded: tuple[Discarded, ...]
    in_flight: int
    counters: Mapping[str, int]
    busy_secs: float
    blocked_secs: float
    queued_events: int = 0
    queued_bytes: int = 0
    max_events: int = 0
    max_bytes: int = 0
    awaited: bool = False
    brings: str = "exchange"
    guards: bool = False
    lag_secs: float = 0.0
    latency: Histogram | None = None

    @property
    def lost(self) -> int:
        """Events that ended here although somebody wanted them."""
        return sum(each.events for each in self.discarded if not each.intentional)

    @property
    def difference(self) -> int:
        """By how much the ledger does not balance; anything but 0 is a fault of the engine."""
        gone = self.sent + sum(each.events for each in self.discarded) + self.in_flight
        return self.received + self.created + self.restored - gone


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole pipeline. ``taken_ns`` is the wall clock, ``uptime_secs`` since the start; ``edges``: who feeds whom, by id."""

    file: str
    pid: int
    taken_ns: int
    uptime_secs: float
    ready: bool
    draining: bool
    components: tuple[ComponentSnapshot, ...]
    edges: tuple[tuple[str, str], ...] = ()

    def of(self, component_id: str) -> ComponentSnapshot:
        """The component with this id."""
        return next(each for each in self.components if each.id == component_id)
