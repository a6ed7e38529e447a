"""``run``: one pipeline from start to summary, with everything around it: logs, signals, reloads, time limit, ready file."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync
from msgspec.structs import replace

from pipeline.errors import InterruptedEarlyError
from pipeline.plugins.discovery import BUILTIN, version_of
from pipeline.runtime.control.paths import own_paths
from pipeline.runtime.control.server import ControlServer
from pipeline.runtime.control.service import ControlService
from pipeline.runtime.dry_run import counted
from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.process.overseer import Overseer
from pipeline.runtime.process.ready_file import ReadyFile
from pipeline.runtime.process.sd_notify import SdNotify
from pipeline.runtime.reloads import Load, Reloads
from pipeline.runtime.summary import Summary
from pipeline.telemetry import logs
from pipeline.topology.plan import Plan

if TYPE_CHECKING:
    from pipeline.telemetry.exposition import Exposition
    from pipeline.ui.server import UiServer


async def run(plan: Plan, *, load: Load | None = None, options: RunOptions | None = None) -> Summary:
    """Run the pipeline until its input ends, ``options.for_secs`` are over, or a signal asks it to stop.

    Raises ``CaptureError``, ``InputError`` or ``ConfigError`` when it cannot start, and ``InterruptedEarlyError`` when a signal
    ended it before it had begun; everything is closed by then. ``load`` reads the pipeline file again, for SIGHUP.
    """
    options = options or RunOptions()
    if options.configure_logs:
        logs.configure(plan.telemetry.log_level, plan.telemetry.log_format)
    with ReadyFile(options.ready_file) as ready_file, contextlib.closing(SdNotify()) as systemd:

        def on_ready() -> None:
            ready_file.create()
            systemd.status("carries events")
            systemd.ready()
            options.on_ready()

        def on_waiting(sinks: Sequence[str]) -> None:
            systemd.status(f"not ready before these sinks have been opened: {', '.join(sinks)}")
            options.on_waiting(sinks)

        callbacks = replace(options, on_ready=on_ready, on_waiting=on_waiting)
        engine = Engine(counted(plan) if options.dry_run else plan, callbacks)
        reloads, stop = Reloads(engine, load, systemd), _Stop(engine, systemd)
        with Overseer(engine, on_stop=stop, on_reload=reloads.ask, handle_signals=options.handle_signals) as overseer:
            service = ControlService(engine, reloads.now)
            await _run(engine, service, stop, ready_file, partial(_carry, engine, service, reloads, systemd, overseer))
    if stop.interrupted:
        raise InterruptedEarlyError(stop.interrupted)
    return engine.summary()


async def _run(
    engine: Engine, service: ControlService, stop: "_Stop", ready_file: ReadyFile, work: Callable[[], Awaitable[None]]
) -> None:
    """Open, do the work, close."""
    exposition: Exposition | None = None
    page = _page(engine, service)
    _show(engine, service, stop)
    try:
        with stop.opening:
            await engine.open()
            ready_file.check(engine.graph.plan.process.user)
            exposition = _expose(engine.graph.plan.telemetry.metrics_address, service)
            stop.opened = True
            if page is not None:
                page.start()
                engine.options.on_page(page.link)
        if stop.opened:
            await work()
    finally:
        await engine.aclose()
        if exposition is not None:
            await run_sync(exposition.close)
        if page is not None:
            await run_sync(page.close)


async def _carry(engine: Engine, service: ControlService, reloads: Reloads, systemd: SdNotify, overseer: Overseer) -> None:
    """Carry events, with what listens to the outside beside it."""
    gc.enable()  # the command had turned it off to start faster
    gc.freeze()  # what is there now stays: full collections need not look at it again and again, 20 ms each
    options, named = engine.options, engine.graph.plan.process.control_socket
    async with anyio.create_task_group() as outside:
        outside.start_soon(reloads.run)
        if options.for_secs is not None:
            overseer.limit(options.for_secs)
            outside.start_soon(_time_limit, engine, options.for_secs)
        paths = (named,) if named else own_paths()
        if paths and options.control:
            outside.start_soon(ControlServer(paths, service, asked_for=bool(named)).run)
        if systemd.watchdog_secs:
            outside.start_soon(_watchdog, systemd)
        await engine.run()
        if options.stay and engine.graph.plan.ui is not None:
            while not engine.stopping:  # a signal
                await engine.changed.wait()
        outside.cancel_scope.cancel()


def _page(engine: Engine, service: ControlService) -> "UiServer | None":
    """The page, where the pipeline file asks for one."""
    options = engine.graph.plan.ui
    if options is None:
        return None
    from pipeline.runtime.control.live import live_view  # noqa: PLC0415  only those who look pay for it
    from pipeline.ui.server import UiServer  # noqa: PLC0415  likewise

    return UiServer(live_view(engine, service, options.keep), options)


def _show(engine: Engine, service: ControlService, stop: "_Stop") -> None:
    """Tell a view in another thread what it shows, and how it ends the run."""
    if (on_live := engine.options.on_live) is None:
        return
    from pipeline.runtime.control.live import live_view  # noqa: PLC0415  only those who look pay for it

    call_soon = asyncio.get_running_loop().call_soon_threadsafe

    def stop_now() -> None:
        call_soon(stop.now)

    on_live(live_view(engine, service, engine.options.keep), stop_now)


def _expose(address: str | None, service: ControlService) -> "Exposition | None":
    """The metrics endpoint, where the pipeline file asks for one."""
    if address is None:
        return None
    from pipeline.telemetry.exposition import Exposition  # noqa: PLC0415  prometheus-client costs start-up time and memory

    exposition = Exposition(address, version_of(BUILTIN), service)
    exposition.start()
    return exposition


class _Stop:
    """What the first SIGINT or SIGTERM does: drain; while still opening, close what is open and run nothing."""

    def __init__(self, engine: Engine, systemd: SdNotify) -> None:
        self._engine = engine
        self._systemd = systemd
        self.opening = anyio.CancelScope()
        self.opened = False
        self.interrupted = 0

    def now(self) -> None:
        """Do not drain."""
        self(0)
        if self.opened:
            self._engine.stop_now()

    def __call__(self, number: int) -> None:
        """In the loop."""
        if self.opened:
            self._systemd.stopping()
            self._engine.stop()
        else:
            self.interrupted = number
            self.opening.cancel()


async def _time_limit(engine: Engine, secs: float) -> None:
    await anyio.sleep(secs)
    engine.stop()


async def _watchdog(systemd: SdNotify) -> None:
    """From the loop itself, twice per interval: a loop that hangs is what the watchdog is for."""
    while True:
        systemd.alive()
        await anyio.sleep(systemd.watchdog_secs / 2)
