"""A picture of the pipeline at one moment: what `top`, the metrics, the exit summary and the tests look at."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from pipeline.delivery.health import Health, State
from pipeline.delivery.ledger import Ledger
from pipeline.telemetry.histogram import Histogram

Kind = Literal["source", "transform", "sink"]


class Discarded(msgspec.Struct, frozen=True):
    """Events that ended in a component, for one reason."""

    reason: str
    intentional: bool
    events: int


class ComponentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One component. The ledger balances: received + created + restored = sent + discarded + in_flight.

    ``counters`` are what the component itself counted: for sources the losses of the capture. ``queued_*`` and ``max_*``
    belong to a sink's queue. ``busy_secs`` is time inside the component's code, ``lag_secs`` the age of the oldest queued event,
    ``latency`` from capture to delivery, of the oldest event of each batch. ``complaint`` is what the component itself says
    hinders it now. A sink is ``awaited`` while the pipeline is not ready because it has not been opened yet.
    """

    id: str
    kind: Kind
    type: str
    state: str
    error: str
    complaint: str = ""
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


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole pipeline. ``taken_ns`` is the wall clock, ``uptime_secs`` since the start."""

    file: str
    pid: int
    taken_ns: int
    uptime_secs: float
    ready: bool
    draining: bool
    components: tuple[ComponentStatus, ...]

    def of(self, component_id: str) -> ComponentStatus:
        """The component with this id."""
        return next(each for each in self.components if each.id == component_id)


def component_status(  # noqa: PLR0913  what a component consists of
    *, component_id: str, kind: Kind, type_: str, ledger: Ledger, health: Health, in_flight: int, counters: Mapping[str, int]
) -> ComponentStatus:
    """What every kind of component has."""
    return ComponentStatus(
        id=component_id,
        kind=kind,
        type=type_,
        state=str(State.DEGRADED if health.complaint and health.state is State.OK else health.state),
        error=health.complaint or health.error,
        complaint=health.complaint,
        errors=health.errors,
        restarts=health.restarts,
        received=ledger.received,
        created=ledger.created,
        restored=ledger.restored,
        sent=ledger.sent,
        discarded=tuple(Discarded(reason, meant, count) for (reason, meant), count in list(ledger.discarded.items())),
        in_flight=in_flight,
        counters=dict(counters),
        busy_secs=health.busy_secs,
        blocked_secs=health.blocked_secs,
    )
