"""The part of a snapshot that every kind of component has, from its ledger, its health and its counters."""

from collections.abc import Mapping

from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.model.snapshot import ComponentKind, ComponentSnapshot, Discarded, State


def component_snapshot(  # noqa: PLR0913  what a component consists of
    *,
    component_id: str,
    kind: ComponentKind,
    type_: str,
    ledger: Ledger,
    health: Health,
    in_flight: int,
    counters: Mapping[str, int],
) -> ComponentSnapshot:
    """The copy. A sink adds what its queue says."""
    return ComponentSnapshot(
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
