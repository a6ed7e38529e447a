"""`httpipe print`: the pipeline that a command line describes, for who types a command and writes no file."""

import gc
import os
import sys
from functools import partial
from pathlib import Path

import click

from pipeline.cli.completion import files
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.run import Run, carry_out
from pipeline.cli.traffic import (
    AS_CONFIG,
    FOR,
    KINDS,
    SELECTING,
    Size,
    Table,
    Traffic,
    as_file,
    options,
    plan_of,
    text_of,
    with_traffic,
)

FORMATS = ("line", "json", "raw", "har", "curl", "pcapng")


@click.command("print", cls=Run)
@options(*SELECTING)
@click.option("-n", "--count", type=int, metavar="N", help="Stop after N events.")
@FOR
@click.option("-f", "--format", "style", type=click.Choice(FORMATS), default="line", help="Default: line.")
@click.option("--headers", metavar="NAMES", help="Headers to report with --format json, separated by commas.")
@click.option(
    "--bodies", type=Size(), metavar="SIZE", help="Report bodies up to SIZE, such as 4KiB, with --format json, raw, har or curl."
)
@click.option(
    "--packets",
    "keep_bytes",
    type=Size(),
    metavar="SIZE",
    help="With --format pcapng: the newest packets to choose from. Default: 64MiB.",
)
@options(*KINDS)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=files,
    help="Write to FILE, which is emptied first, in place of standard output.",
)
@AS_CONFIG
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors on standard error.")
@with_traffic
def print_(  # noqa: PLR0913  one for each option
    *,
    traffic: Traffic,
    count: int | None,
    for_secs: float | None,
    style: str,
    keep_bytes: int | None,
    output: str | None,
    as_config: bool,
    quiet: bool,
) -> int:
    """Print the HTTP traffic of this host, or of a capture file, until Ctrl-C or the end of the file.

    What is printed is what `httpipe run` would print; pipes work: httpipe print -f json | jq, httpipe print | head. The
    expression language of --where is that of pipeline files (docs/expressions.md).
    """
    _refuse_other_kinds(
        style,
        {
            "--tls-handshakes": traffic.tls_handshakes,
            "--websocket-messages": traffic.websocket_messages,
            "--in-progress": traffic.in_progress,
        },
    )
    if traffic.headers is not None and style != "json":
        raise click.UsageError("--headers has no effect without --format json: raw, har and curl show all of a head")
    if traffic.bodies is not None and style in ("line", "pcapng"):
        raise click.UsageError(f"--bodies has no effect with --format {style}: say --format json, raw, har or curl")
    if keep_bytes is not None and style != "pcapng":
        raise click.UsageError("--packets has no effect without --format pcapng")
    if style == "pcapng" and output is None and sys.stdout.isatty() and not as_config:
        raise click.UsageError("--format pcapng is for a file or a pipe: say -o FILE, or pipe it: | tshark -r -")
    tables, reads = traffic.tables()
    tables["sinks.out"] = _sink(reads, style, count)
    if keep_bytes is not None:
        tables["sinks.out"]["keep_bytes"] = keep_bytes
    text = text_of(tables)
    plan = plan_of(text)
    if as_config:
        click.echo(as_file(text, for_secs, output))
        return ExitCode.OK
    gc.disable()  # as run does
    from pipeline.telemetry import logs  # noqa: PLC0415  start-up

    logs.configure("warning" if quiet else "info", "text")
    if output is not None:
        _spare_input(traffic.capture, output)
        _redirect(output, 0o600 if style == "pcapng" else 0o666)
    return carry_out(plan, partial(plan_of, text), quiet=quiet, for_secs=for_secs)


def _refuse_other_kinds(style: str, asked: dict[str, bool]) -> None:
    """Heads, archives and commands show exchanges only."""
    for option in (name for name, wanted in asked.items() if wanted and style in ("raw", "har", "curl")):
        raise click.UsageError(f"{option} has no effect with --format {style}, which shows exchanges only")


def _sink(reads: list[str], style: str, count: int | None) -> Table:
    """Standard output, and what makes it end."""
    sink: Table = {"type": "stdout", "inputs": reads}
    if style != "line":
        sink["format"] = style
    if count is not None:
        sink["stop_after_events"] = count
    return sink


def _spare_input(capture: str | None, output: str) -> None:
    """Before ``output`` is emptied: it is not what is read, and what is read is there and is a capture. Raises what is wrong."""
    if capture is None or capture == "-":
        return
    from pipeline.sources.pcap.find import find  # noqa: PLC0415  start-up

    if any(Path(output).exists() and path.samefile(output) for path, _ in find(capture)):
        raise click.UsageError(f"--output: {output} is what --read reads; name another file")


def _redirect(output: str, mode: int) -> None:
    """From here on standard output is this file, as after a shell's ``>``. ``mode`` are the permissions of a new one."""
    try:
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    except OSError as error:
        folder = "" if Path(output).parent.is_dir() else f": there is no folder {Path(output).parent}"
        raise click.UsageError(f"--output: cannot write {output}: {error.strerror}{folder}") from error
    sys.stdout.flush()
    os.dup2(fd, sys.stdout.fileno())
    os.close(fd)
