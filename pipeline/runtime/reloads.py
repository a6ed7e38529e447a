"""Reloads, one after the other, whoever asks: SIGHUP, or a client of the control socket that wants to know how it went."""

from collections.abc import Callable

import anyio
from anyio.to_thread import run_sync

from pipeline.delivery.health import describe
from pipeline.delivery.signal import Signal
from pipeline.errors import ConfigError, HttpipeError
from pipeline.runtime.dry_run import counted
from pipeline.runtime.engine import Engine
from pipeline.runtime.process.sd_notify import SdNotify
from pipeline.runtime.reload import reload
from pipeline.telemetry import logs
from pipeline.topology.plan import Plan

Load = Callable[[], Plan]


class Reloads:
    """``load`` reads the pipeline file; without it there is nothing to read again."""

    def __init__(self, engine: Engine, load: Load | None, systemd: SdNotify) -> None:
        self._engine = engine
        self._load = load
        self._systemd = systemd
        self._one_at_a_time = anyio.Lock()
        self._asked = False
        self._news = Signal()

    def ask(self) -> None:
        """A SIGHUP came. Asked twice while one runs it does one more, which reads the newest file; the log says how it went."""
        self._asked = True
        self._news.set()

    async def run(self) -> None:
        """Do what ``ask`` asks for; for ever."""
        while True:
            while not self._asked:
                await self._news.wait()
            self._asked = False
            await self.now()

    async def now(self) -> tuple[str, ...]:
        """Reload. Returns what is wrong; nothing when the file runs now."""
        async with self._one_at_a_time:
            return await self._reload()

    async def _reload(self) -> tuple[str, ...]:
        engine = self._engine
        if engine.stopping:
            return ("httpipe is shutting down",)
        if self._load is None:
            return ("this pipeline came from no file",)
        if engine.ready:  # else systemd still waits for the first READY, and this is not it
            self._systemd.reloading()
        problems = await reload_file(engine, self._load)
        if engine.ready:
            self._systemd.ready()
        return problems


async def reload_file(engine: Engine, load: Load) -> tuple[str, ...]:
    """Read the pipeline file and change over to it. One that cannot run changes nothing: log and result say why."""
    try:
        plan = await run_sync(load)
        sentence = await reload(engine, counted(plan) if engine.options.dry_run else plan)
    except ConfigError as error:
        problems = tuple(str(problem) for problem in error.problems) or ("it cannot run",)
    except (HttpipeError, OSError) as error:
        problems = (str(error),)
    except Exception as error:
        problems = (f"internal error: {describe(error)}",)
        engine.log.debug("while reading the pipeline file", exc_info=error)
    else:
        if engine.options.configure_logs:
            logs.configure(plan.telemetry.log_level, plan.telemetry.log_format)
        engine.log.info("reloaded", extra={"file": plan.file, "changes": sentence})
        return ()
    for problem in problems:
        engine.log.error(
            "not reloaded; the pipeline keeps running unchanged", extra={"file": engine.graph.plan.file, "error": problem}
        )
    return problems
