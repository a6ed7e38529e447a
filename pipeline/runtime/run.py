"""``run``: one pipeline from start to summary, with everything around it: logs, signals, time limit, ready file."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio

from pipeline.runtime.engine import Engine
from pipeline.runtime.options import RunOptions
from pipeline.runtime.summary import Summary
from pipeline.telemetry import logs
from pipeline.topology.plan import Plan


async def run(plan: Plan, *, load: Callable[[], Plan] | None = None, options: RunOptions | None = None) -> Summary:
    """Run the pipeline until its input ends, ``options.for_secs`` are over, or a signal asks it to stop.

    Raises ``CaptureError``, ``InputError`` or ``ConfigError`` when it cannot start. ``load`` reads the pipeline file again,
    for SIGHUP.
    """
    options = options or RunOptions()
    if options.configure_logs:
        logs.configure(plan.telemetry.log_level, plan.telemetry.log_format)
    with _ready_file(options.ready_file) as mark_ready:
        began = options.on_ready

        def on_ready() -> None:
            mark_ready()
            began()

        engine = Engine(plan, replace(options, on_ready=on_ready))
        try:
            await engine.open()
            async with anyio.create_task_group() as outside:
                if options.handle_signals:
                    outside.start_soon(_signals, engine)
                if options.for_secs is not None:
                    outside.start_soon(_time_limit, engine, options.for_secs)
                await engine.run()
                outside.cancel_scope.cancel()
        finally:
            await engine.aclose()
        return engine.summary()


async def _signals(engine: Engine) -> None:
    """The first SIGINT or SIGTERM drains, the second stops at once."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            if engine.stopping:
                engine.stop_now()
            else:
                engine.stop()


async def _time_limit(engine: Engine, secs: float) -> None:
    await anyio.sleep(secs)
    engine.stop()


@contextlib.contextmanager
def _ready_file(path: str | None) -> Iterator[Callable[[], None]]:
    """Gives the function that creates the file; removes the file at the end."""
    if path is None:
        yield lambda: None
        return
    file = Path(path)
    file.unlink(missing_ok=True)
    try:
        yield file.touch
    finally:
        file.unlink(missing_ok=True)
