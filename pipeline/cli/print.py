"""`httpipe print`: the pipeline that a command line describes, for who types a command and writes no file.

The options become the text of a pipeline file, which is checked and run like any other; ``--as-config`` prints it instead.
"""

import gc
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import click

from pipeline.cli.completion import files, interfaces, programs
from pipeline.cli.durations import DURATION
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import map_table, read_table
from pipeline.cli.run import Run, carry_out
from pipeline.config.document import parse
from pipeline.errors import ConfigError
from pipeline.plugins.discovery import discover
from pipeline.plugins.registry import Registry, TrustNothing
from pipeline.topology.build import build
from pipeline.topology.plan import Plan

Value = str | int | list[str] | list[int]
Table = dict[str, Value]
Tables = dict[str, Table]

OPTIONS = {
    "sources.http.interfaces": "--interface",
    "sources.http.ports": "--port",
    "sources.http.path": "--read",
    "sources.http.request_headers": "--headers",
    "sources.http.response_headers": "--headers",
    "sources.http.bodies": "--bodies",
    "sources.https.executables": "--tls",
    "transforms.wanted.where": "--where",
    "sinks.out.stop_after_events": "--count",
}
"""Which option a place in the pipeline comes from."""

UNITS = {"": 1, "B": 1, "kB": 1000, "KiB": 1 << 10, "MB": 1_000_000, "MiB": 1 << 20}


class Size(click.ParamType[int]):
    """Bytes, written with a unit."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes; fails with what would be right."""
        found = re.fullmatch(r"(\d+) ?(B|kB|KiB|MB|MiB|)", str(value).strip())
        if found is None or int(found[1]) == 0:
            self.fail(f'"{value}" is not a size, such as 4096, 4KiB or 1MiB', param, ctx)
        return int(found[1]) * UNITS[found[2]]


@click.command("print", cls=Run)
@click.option(
    "-i",
    "--interface",
    "interfaces",
    multiple=True,
    metavar="IF",
    shell_complete=interfaces,
    help="Interface to watch; several. Default: any.",
)
@click.option("-p", "--port", "ports", multiple=True, type=int, metavar="PORT", help="TCP port to watch; several. Default: all.")
@click.option(
    "-r",
    "--read",
    "capture",
    metavar="CAPTURE",
    shell_complete=files,
    help="Read a capture file (- is standard input) in place of this host.",
)
@click.option(
    "--tls",
    "executables",
    multiple=True,
    metavar="EXE",
    shell_complete=programs,
    help="Report HTTPS of program EXE, too, on every port; several.",
)
@click.option("--where", metavar="EXPR", help="Only events for which EXPR holds, such as 'status >= 500'.")
@click.option("-n", "--count", type=int, metavar="N", help="Stop after N events.")
@click.option("--for", "for_secs", type=DURATION, metavar="TIME", help="Stop after TIME, such as 10s, 5m or 1h.")
@click.option("-f", "--format", "style", type=click.Choice(["line", "json", "raw"]), default="line", help="Default: line.")
@click.option("--headers", metavar="NAMES", help="Headers to report with --format json, separated by commas.")
@click.option("--bodies", type=Size(), metavar="SIZE", help="Report bodies up to SIZE, such as 4KiB, with --format json or raw.")
@click.option("--tls-handshakes", is_flag=True, help="Report TLS and QUIC handshakes, too.")
@click.option("--websocket-messages", is_flag=True, help="Report the messages of WebSockets, too.")
@click.option("--in-progress", is_flag=True, help="Report requests when they begin, too: those without an answer show.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=files,
    help="Write to FILE, which is emptied first, in place of standard output.",
)
@click.option("--as-config", is_flag=True, help="Print the pipeline file that does the same, and end.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors on standard error.")
def print_(  # noqa: PLR0913  one for each option
    *,
    interfaces: tuple[str, ...],
    ports: tuple[int, ...],
    capture: str | None,
    executables: tuple[str, ...],
    where: str | None,
    count: int | None,
    for_secs: float | None,
    style: str,
    headers: str | None,
    bodies: int | None,
    tls_handshakes: bool,
    websocket_messages: bool,
    in_progress: bool,
    output: str | None,
    as_config: bool,
    quiet: bool,
) -> int:
    """Print the HTTP traffic of this host, or of a capture file, until Ctrl-C or the end of the file.

    What is printed is what `httpipe run` would print; pipes work: httpipe print -f json | jq, httpipe print | head. The
    expression language of --where is that of pipeline files (docs/expressions.md).
    """
    _refuse_other_kinds(
        style, {"--tls-handshakes": tls_handshakes, "--websocket-messages": websocket_messages, "--in-progress": in_progress}
    )
    if capture is not None and (interfaces or ports):
        raise click.UsageError("--interface and --port choose live traffic: with --read say --where 'server.port == 80'")
    if capture is not None and executables:
        raise click.UsageError("--tls watches programs of this host: it has no effect with --read")
    if headers is not None and style != "json":
        raise click.UsageError("--headers has no effect without --format json")
    if bodies is not None and style == "line":
        raise click.UsageError("--bodies has no effect with --format line: say --format json or --format raw")
    reported = _reported(headers, bodies, websocket_messages=websocket_messages, in_progress=in_progress)
    tables: Tables = {"sources.http": _source(capture, interfaces, ports) | reported}
    if tls_handshakes:
        tables["sources.http"]["tls_handshakes"] = True
    if executables:
        https: Table = {"type": "tls", "executables": list(executables)}
        tables["sources.https"] = https | reported
    reads = [name.removeprefix("sources.") for name in tables]
    if where is not None:
        tables["transforms.wanted"] = {"type": "filter", "inputs": reads, "where": where}
        reads = ["wanted"]
    tables["sinks.out"] = _sink(reads, style, count)
    text = _config(tables)
    plan = _plan(text)
    if as_config:
        click.echo(_as_file(text, for_secs, output))
        return ExitCode.OK
    gc.disable()  # as run does
    from pipeline.telemetry import logs  # noqa: PLC0415  start-up

    logs.configure("warning" if quiet else "info", "text")
    if output is not None:
        _redirect(output)
    return carry_out(plan, partial(_plan, text), quiet=quiet, for_secs=for_secs)


def _refuse_other_kinds(style: str, asked: dict[str, bool]) -> None:
    """``raw`` shows heads, which only exchanges have."""
    for option in (name for name, wanted in asked.items() if wanted and style == "raw"):
        raise click.UsageError(f"{option} has no effect with --format raw, which shows exchanges only")


def _source(capture: str | None, interfaces: Iterable[str], ports: Iterable[int]) -> Table:
    """Where exchanges come from."""
    source: Table = {"type": "bpf"} if capture is None else {"type": "pcap", "path": capture}
    if interfaces := list(interfaces):
        source["interfaces"] = interfaces
    if ports := list(ports):
        source["ports"] = ports
    return source


def _reported(headers: str | None, bodies: int | None, **kinds: bool) -> Table:
    """What is reported, by whichever source."""
    reported: Table = {name: True for name, wanted in kinds.items() if wanted}
    if headers is not None:
        names = [name.strip() for name in headers.split(",") if name.strip()]
        reported |= {"request_headers": names, "response_headers": names}
    if bodies is not None:
        reported["bodies.max_bytes"] = bodies
    return reported


def _sink(reads: list[str], style: str, count: int | None) -> Table:
    """Standard output, and what makes it end."""
    sink: Table = {"type": "stdout", "inputs": reads}
    if style != "line":
        sink["format"] = style
    if count is not None:
        sink["stop_after_events"] = count
    return sink


def _config(tables: Tables) -> str:
    """The text of a pipeline file. A basic string of TOML is written like one of JSON, but for DEL (TOML 1.0, String)."""
    lines: list[str] = []
    for name, table in tables.items():
        lines += [""] * bool(lines) + [f"[{name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _as_file(text: str, for_secs: float | None, output: str | None) -> str:
    """With the command that does what no pipeline file says."""
    limit = f" --for {for_secs:g}s" if for_secs else ""
    target = f" > {shlex.quote(output)}" if output else ""
    return f"# httpipe run{limit} FILE{target}\n\n{text}".rstrip("\n")


def _toml(value: Value) -> str:
    literal = value.replace("${", "$${") if isinstance(value, str) else value
    return json.dumps(literal, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plan(text: str) -> Plan:
    """What the options say, checked; what is wrong is reported as a mistake of the command line."""
    try:
        document = parse(text.encode(errors="surrogateescape"), "", {})
        return build(document, Registry(discover(), TrustNothing()), read_table, map_file=map_table)
    except ConfigError as error:
        raise click.UsageError("\n".join(dict.fromkeys(_as_option(str(problem)) for problem in error.problems))) from error


def _as_option(problem: str) -> str:
    """The problem with the option in front that its place in the pipeline comes from."""
    place, colon, sentence = problem.partition(": ")
    option = next((option for start, option in OPTIONS.items() if place.startswith(start)), None)
    return problem if option is None else f"{option}{colon}{sentence}"


def _redirect(output: str) -> None:
    """From here on standard output is this file, as after a shell's ``>``."""
    try:
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        folder = "" if Path(output).parent.is_dir() else f": there is no folder {Path(output).parent}"
        raise click.UsageError(f"--output: cannot write {output}: {error.strerror}{folder}") from error
    sys.stdout.flush()
    os.dup2(fd, sys.stdout.fileno())
    os.close(fd)
