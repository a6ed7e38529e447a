"""`httpipe run`: from a pipeline file to a running pipeline and, at its end, a summary and an exit code."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline.cli.completion import files
from pipeline.cli.durations import DURATION
from pipeline.cli.exit_codes import ExitCode, write_exit_codes
from pipeline.cli.interruption import end_plainly
from pipeline.cli.loading import DEFAULT_FILE, load, load_for_start
from pipeline.cli.say import say, speaks_json
from pipeline.errors import ConfigError, InterruptedEarlyError
from pipeline.topology.plan import Plan


class Run(click.Command):
    """A command whose help ends with the exit codes."""

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As the overview does."""
        write_exit_codes(formatter)


@click.command(cls=Run)
@click.argument("file", default=DEFAULT_FILE, shell_complete=files)
@click.option("--dry-run", is_flag=True, help="Real input, but every sink only counts what it would get.")
@click.option("--for", "for_secs", type=DURATION, metavar="TIME", help="Stop after TIME, such as 10s, 5m or 1h.")
@click.option("--require-healthy", is_flag=True, help="End at once when a sink cannot take events at the start.")
@click.option("--ready-file", metavar="PATH", help="Create PATH when the run is ready (see `required`); remove it at the end.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary on standard error.")
def run(  # noqa: PLR0913  one for each option
    *, file: str, dry_run: bool, for_secs: float | None, require_healthy: bool, ready_file: str | None, quiet: bool
) -> int:
    """Run a pipeline until its inputs end, --for is over, or Ctrl-C.

    FILE defaults to pipeline.toml; - is standard input. The first Ctrl-C or SIGTERM delivers what is queued, a second one, or
    one after --for is over, stops at once; SIGHUP reads FILE again, or ends the run when its terminal was closed. Output goes to
    standard output, everything about the run to standard error.
    """
    if ready_file is not None and not os.access(Path(ready_file).absolute().parent, os.W_OK):
        raise click.UsageError(f"--ready-file: cannot create {ready_file}: its folder is missing or not writable")
    gc.disable()  # until the pipeline is ready: starting makes no garbage
    from pipeline.telemetry import logs  # noqa: PLC0415  start-up

    plan = load_for_start(file, partial(logs.configure, "info"))
    for warning in plan.warnings:
        if speaks_json():
            say(warning, "warning", file=plan.file)
        else:
            say(f"{plan.file}: warning: {warning}")
    given = {"dry_run": dry_run, "for_secs": for_secs, "require_healthy": require_healthy, "ready_file": ready_file}
    return carry_out(plan, partial(load, file), quiet=quiet, **given)


def carry_out(plan: Plan, load_again: Callable[[], Plan], *, quiet: bool, **given: Any) -> int:  # noqa: ANN401  of RunOptions
    """Run a plan to its end, and say how it was. Returns the exit code."""
    import anyio  # noqa: PLC0415  start-up: a wrong file is reported before the slow imports

    from pipeline.cli.progress import Progress  # noqa: PLC0415
    from pipeline.isolation.loop import EventLoop  # noqa: PLC0415
    from pipeline.runtime.options import RunOptions  # noqa: PLC0415
    from pipeline.runtime.run import run as run_plan  # noqa: PLC0415
    from pipeline.runtime.summary import Outcome  # noqa: PLC0415

    prints = any(sink.type == "stdout" for sink in plan.sinks.values()) and sys.stdout.isatty()
    progress = Progress(sys.stderr, enabled=not quiet and not prints and not speaks_json())
    options = RunOptions(on_progress=progress.show, on_page=_show_page, **given)
    try:
        work = partial(run_plan, plan, load=load_again, options=options)
        end_plainly()  # until the run hears signals itself: nothing is open yet, and an exception would leave half an event loop
        summary = anyio.run(work, backend_options={"loop_factory": EventLoop})
    except ConfigError as error:  # what only opening can find, such as an address that is taken
        raise ConfigError(error.problems, file=error.file or plan.file) from error
    except InterruptedEarlyError as error:
        return _interrupted(error.number)
    finally:
        progress.clear()
    if not quiet and speaks_json():
        say("the run has ended", "info", **summary.fields())
    elif not quiet:
        say("\n".join(summary.lines()))
    return {
        Outcome.OK: ExitCode.OK,
        Outcome.DAMAGED_INPUT: ExitCode.DAMAGED_INPUT,
        Outcome.UNDELIVERED: ExitCode.UNDELIVERED,
    }[summary.outcome]


def _show_page(link: str) -> None:
    say(f"httpipe: the page is at {link}", page=link)


def _interrupted(number: int) -> ExitCode:
    """Everything is closed: now SIGTERM does what it does to any program."""
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    return ExitCode.INTERRUPTED
