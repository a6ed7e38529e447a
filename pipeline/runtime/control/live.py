"""What a view of a run is given: the store, which an observer of the outputs fills, and functions that ask the run."""

from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.live.view import View
from pipeline.runtime.control.service import ControlService
from pipeline.runtime.engine import Engine
from pipeline.topology.plan import SourceSpec

NOT_KEPT = "packets are not kept: say --packets 64MiB, or packets_bytes in [ui]"


def live_view(engine: Engine, service: ControlService, keep: int) -> View:
    """Events that sinks read are kept from the next connecting of the graph on, ``keep`` of them. Call it before the run."""
    plan = engine.graph.plan
    store = Store(keep)
    live = any(not spec.component.can_wait for spec in plan.sources.values())
    engine.graph.fanouts.observer = store
    return View(
        title=plan.file or "; ".join(_about(spec) for spec in plan.sources.values()),
        store=store,
        summary=Summary(store) if live else Summary(store, now=None),
        snapshot=service.snapshot,
        attributes=service.attributes,
        ended=lambda: engine.over,
        packets=engine.options.packets if any(spec.keep_packets for spec in plan.sources.values()) else None,
        without_packets=NOT_KEPT,
    )


def _about(spec: SourceSpec) -> str:
    """What a source reads, as far as its options tell."""
    options = spec.config.model_dump()
    if path := options.get("path"):
        return str(path)
    ports = options.get("ports") or ()
    said = [*(options.get("interfaces") or ()), *(f"port {port}" for port in ports), *(options.get("executables") or ())]
    return f"{spec.type}: {', '.join(map(str, said))}" if said else spec.type
