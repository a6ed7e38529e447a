"""`httpipe watch`: the traffic that a command line describes, or that of a running pipeline, on the whole terminal."""

import gc
import os
import sys
from functools import partial
from importlib.util import find_spec

import click
from msgspec.structs import replace

from pipeline.cli.completion import instances
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.run import Run
from pipeline.cli.say import say
from pipeline.cli.traffic import (
    AS_CONFIG,
    FOR,
    KINDS,
    PACKETS,
    SELECTING,
    Size,
    Traffic,
    as_file,
    options,
    plan_of,
    text_of,
    with_traffic,
)
from pipeline.topology.plan import Plan

WITHOUT = "httpipe watch needs the package textual, which is not installed: pip install 'httpipe[watch]'"
STDIN = "-"


@click.command("watch", cls=Run)
@options(*SELECTING)
@FOR
@click.option("--headers", metavar="NAMES", help="Show these headers, by commas, in place of whole heads, which cost more.")
@click.option("--bodies", type=Size(), metavar="SIZE", help="Show bodies up to SIZE, such as 64KiB.")
@PACKETS
@options(*KINDS)
@click.option(
    "--attach",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[NAME]",
    shell_complete=instances,
    help="Watch a running pipeline, of several the one called NAME (its file, or PID), and capture nothing.",
)
@click.option(
    "--keep", default=100_000, show_default=True, type=click.IntRange(100, 1_000_000), metavar="N", help="Events to keep."
)
@AS_CONFIG
@click.option("-q", "--quiet", is_flag=True, help="No summary on standard error at the end.")
@with_traffic
def watch(  # noqa: PLR0913  one for each option
    *,
    traffic: Traffic,
    for_secs: float | None,
    attach: str | None,
    keep: int,
    packets: int | None,
    as_config: bool,
    quiet: bool,
) -> int:
    """Watch the HTTP traffic of this host, of a capture file or of a running pipeline on the whole terminal, until q.

    Exchanges as they come, filtered and sorted, with details of each; endpoints, who calls whom, and how the pipeline does.
    ? shows the keys. Needs httpipe[watch].
    """
    if attach is not None:
        if traffic != Traffic(where=traffic.where) or as_config or for_secs is not None or packets:
            raise click.UsageError("--attach shows what a running pipeline captures: of the other options --where and --keep")
        _check_terminal()
        return _attached(attach, traffic.where, keep)
    tables, reads = traffic.tables()
    tables["sinks.out"] = {"type": "null", "inputs": reads}
    text = text_of(tables)
    if as_config:
        plan_of(text)
        click.echo(as_file(text, for_secs))
        return ExitCode.OK
    _check_terminal()
    if traffic.capture == STDIN:
        tables["sources.http"]["path"] = _capture_beside_the_keyboard()
        text = text_of(tables)
    load = partial(_planned, text, heads=traffic.headers is None, packets=packets or 0)
    title = "standard input" if traffic.capture == STDIN else None
    return _run(load, title, for_secs=for_secs, keep=keep, in_progress=traffic.in_progress, quiet=quiet)


def _check_terminal() -> None:
    if find_spec("textual") is None:
        raise click.UsageError(WITHOUT)
    if not sys.stdout.isatty():
        raise click.UsageError("standard output is no terminal: httpipe print writes lines for pipes and files")
    if not sys.stderr.isatty():
        raise click.UsageError("standard error is no terminal, and that is what watch draws on")


def _planned(text: str, *, heads: bool, packets: int) -> Plan:
    """``heads``: kept whole, for the details; ``packets``: so many bytes of them, to be written."""
    plan = plan_of(text)
    sources = {name: replace(spec, keep_heads=heads, keep_packets=packets) for name, spec in plan.sources.items()}
    return replace(plan, sources=sources)


def _capture_beside_the_keyboard() -> str:
    """Standard input under another descriptor, since keys are read from the first one. Returns its path."""
    if sys.stdin.isatty():
        raise click.UsageError(
            "--read -: standard input is the keyboard; pipe a capture into it: tcpdump -w - | httpipe watch -r -"
        )
    kept = os.dup(0)
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError as error:
        raise click.UsageError(f"--read -: there is no terminal to read keys from: {error.strerror}") from error
    os.dup2(terminal, 0)
    os.close(terminal)
    return f"/dev/fd/{kept}"


def _run(  # noqa: PLR0913  what the options say
    load: partial[Plan], title: str | None, *, for_secs: float | None, keep: int, in_progress: bool, quiet: bool
) -> int:
    """A run and the screen beside it; without a ``title`` it is called as what it reads."""
    plan = load()
    gc.disable()  # as run does
    from pipeline.cli.watch.app import WatchApp  # noqa: PLC0415  start-up
    from pipeline.cli.watch.running import LogLines, Running  # noqa: PLC0415
    from pipeline.telemetry import logs  # noqa: PLC0415

    log = LogLines()
    logs.configure("info", "text", log)
    running = Running(plan, load, for_secs=for_secs, keep=keep)
    try:
        view = running.start()
        view = view if title is None else replace(view, title=title)
        WatchApp(view, in_progress=in_progress, log_lines=log.lines).run()
    finally:
        running.close()
    if running.error is not None:
        raise running.error
    if not quiet and running.summary is not None:
        say("\n".join(running.summary.lines()))
    return ExitCode.OK


def _attached(name: str, where: str | None, keep: int) -> int:
    from pipeline.cli.attached import attached, socket_named  # noqa: PLC0415  start-up
    from pipeline.cli.watch.app import WatchApp  # noqa: PLC0415
    from pipeline.errors import HttpipeError  # noqa: PLC0415

    try:
        with attached(socket_named(name), where, keep) as (view, missed, _):
            WatchApp(view, in_progress=True, missed=missed).run()
    except HttpipeError as error:
        say(f"httpipe: {error}")
        return ExitCode.USAGE
    return ExitCode.OK
