"""The page of a run (``[ui]``): joins the store, which an observer of the outputs fills, with the server that shows it."""

from pipeline.config.options import UiOptions
from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.runtime.control.service import ControlService
from pipeline.runtime.engine import Engine
from pipeline.topology.plan import SourceSpec
from pipeline.ui.server import UiServer
from pipeline.ui.view import View


class Page:
    """Bound at once, so that what is wrong with the address shows before anything is opened. Raises ``ConfigError``."""

    def __init__(self, options: UiOptions, engine: Engine, service: ControlService) -> None:
        plan = engine.graph.plan
        store = Store(options.keep)
        live = any(not spec.component.can_wait for spec in plan.sources.values())
        view = View(
            title=plan.file or "; ".join(_about(spec) for spec in plan.sources.values()),
            store=store,
            summary=Summary(store) if live else Summary(store, now=None),
            snapshot=service.snapshot,
            attributes=service.attributes,
            ended=lambda: engine.over,
        )
        self._server = UiServer(view, options)
        engine.graph.fanouts.observer = store

    def start(self) -> str:
        """Begin to answer; returns the link."""
        self._server.start()
        return self._server.link

    def close(self) -> None:
        """Stop answering. Call it from a thread that may wait."""
        self._server.close()


def _about(spec: SourceSpec) -> str:
    """What a source reads, as far as its options tell."""
    options = spec.config.model_dump()
    if path := options.get("path"):
        return str(path)
    ports = options.get("ports") or ()
    said = [*(options.get("interfaces") or ()), *(f"port {port}" for port in ports), *(options.get("executables") or ())]
    return f"{spec.type}: {', '.join(map(str, said))}" if said else spec.type
