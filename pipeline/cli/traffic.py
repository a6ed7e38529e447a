"""Which traffic a command is about, said by options and not by a file: those that `httpipe print` and the views share.

The options become the text of a pipeline file, which is checked and run like any other; ``--as-config`` prints it instead.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, TypeVar

import click

from pipeline.cli.completion import files, interfaces, programs
from pipeline.cli.durations import DURATION
from pipeline.cli.loading import map_table, read_table
from pipeline.config.document import parse
from pipeline.errors import ConfigError
from pipeline.plugins.discovery import discover
from pipeline.plugins.registry import Registry, TrustNothing
from pipeline.topology.build import build
from pipeline.topology.plan import Plan

Value = str | int | list[str] | list[int]
Table = dict[str, Value]
Tables = dict[str, Table]
Command = TypeVar("Command", bound=Callable[..., Any])

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
    "sinks.out.keep_bytes": "--packets",
    "ui.packets_bytes": "--packets",
    "ui.listen": "--listen",
    "ui.port": "--listen-port",
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


SELECTING = (
    click.option(
        "-i",
        "--interface",
        "interfaces",
        multiple=True,
        metavar="IF",
        shell_complete=interfaces,
        help="Interface to watch; several. Default: any.",
    ),
    click.option(
        "-p", "--port", "ports", multiple=True, type=int, metavar="PORT", help="TCP port to watch; several. Default: all."
    ),
    click.option(
        "-r",
        "--read",
        "capture",
        metavar="CAPTURE",
        shell_complete=files,
        help="Read a capture file (- is standard input) in place of this host.",
    ),
    click.option(
        "--tls",
        "executables",
        multiple=True,
        metavar="EXE",
        shell_complete=programs,
        help="Report HTTPS of program EXE, too, on every port; several.",
    ),
    click.option("--where", metavar="EXPR", help="Only events for which EXPR holds, such as 'status >= 500'."),
)
"""Which traffic."""

KINDS = (
    click.option("--tls-handshakes", is_flag=True, help="Report TLS and QUIC handshakes, too."),
    click.option("--websocket-messages", is_flag=True, help="Report the messages of WebSockets, too."),
    click.option("--in-progress", is_flag=True, help="Report requests when they begin, too: those without an answer show."),
)
"""What else than exchanges."""

FOR = click.option("--for", "for_secs", type=DURATION, metavar="TIME", help="Stop after TIME, such as 10s, 5m or 1h.")
PACKETS = click.option(
    "--packets",
    type=Size(),
    metavar="SIZE",
    help="Keep so much of the newest packets, such as 64MiB: connections can be saved as pcapng.",
)
AS_CONFIG = click.option("--as-config", is_flag=True, help="Print the pipeline file that does the same, and end.")


def options(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options, in this order of the help."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def with_traffic(command: Callable[..., int]) -> Callable[..., int]:
    """The command gets ``traffic``, in place of the options that make it. Stands below them."""

    @wraps(command)
    def collected(**given: Any) -> int:  # noqa: ANN401  whatever the options are
        traffic = Traffic(**{field.name: given.pop(field.name) for field in fields(Traffic)})
        return command(traffic=traffic, **given)

    return collected


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What ``SELECTING`` and ``KINDS`` say, with the headers and the size of bodies to report. Raises ``click.UsageError``."""

    interfaces: Sequence[str] = ()
    ports: Sequence[int] = ()
    capture: str | None = None
    executables: Sequence[str] = ()
    where: str | None = None
    headers: str | None = None
    bodies: int | None = None
    tls_handshakes: bool = False
    websocket_messages: bool = False
    in_progress: bool = False

    def __post_init__(self) -> None:
        if self.capture is not None and (self.interfaces or self.ports):
            raise click.UsageError("--interface and --port choose live traffic: with --read say --where 'server.port == 80'")
        if self.capture is not None and self.executables:
            raise click.UsageError("--tls watches programs of this host: it has no effect with --read")

    def tables(self) -> tuple[Tables, list[str]]:
        """Sources and the filter, and the ids that a sink reads."""
        reported = self._reported()
        tables: Tables = {"sources.http": self._source() | reported}
        if self.tls_handshakes:
            tables["sources.http"]["tls_handshakes"] = True
        if self.executables:
            https: Table = {"type": "tls", "executables": list(self.executables)}
            tables["sources.https"] = https | reported
        reads = [name.removeprefix("sources.") for name in tables]
        if self.where is not None:
            tables["transforms.wanted"] = {"type": "filter", "inputs": reads, "where": self.where}
            reads = ["wanted"]
        return tables, reads

    def _source(self) -> Table:
        """Where exchanges come from."""
        source: Table = {"type": "bpf"} if self.capture is None else {"type": "pcap", "path": self.capture}
        if self.interfaces:
            source["interfaces"] = list(self.interfaces)
        if self.ports:
            source["ports"] = list(self.ports)
        return source

    def _reported(self) -> Table:
        """What is reported, by whichever source."""
        kinds = {"websocket_messages": self.websocket_messages, "in_progress": self.in_progress}
        reported: Table = {name: True for name, wanted in kinds.items() if wanted}
        if self.headers is not None:
            names = [name.strip() for name in self.headers.split(",") if name.strip()]
            reported |= {"request_headers": names, "response_headers": names}
        if self.bodies is not None:
            reported["bodies.max_bytes"] = self.bodies
        return reported


def text_of(tables: Mapping[str, Table]) -> str:
    """The text of a pipeline file. A basic string of TOML is written like one of JSON, but for DEL (TOML 1.0, String)."""
    lines: list[str] = []
    for name, table in tables.items():
        lines += [""] * bool(lines) + [f"[{name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def as_file(text: str, for_secs: float | None, output: str | None = None) -> str:
    """With the command that does what no pipeline file says."""
    limit = f" --for {for_secs:g}s" if for_secs else ""
    target = f" > {shlex.quote(output)}" if output else ""
    return f"# httpipe run{limit} FILE{target}\n\n{text}".rstrip("\n")


def plan_of(text: str) -> Plan:
    """What the options say, checked; what is wrong is reported as a mistake of the command line."""
    try:
        document = parse(text.encode(errors="surrogateescape"), "", {})
        return build(document, Registry(discover(), TrustNothing()), read_table, map_file=map_table)
    except ConfigError as error:
        raise usage_error(error) from error


def usage_error(error: ConfigError) -> click.UsageError:
    """What is wrong with a pipeline that options describe, as a mistake of the command line."""
    return click.UsageError("\n".join(dict.fromkeys(_as_option(str(problem)) for problem in error.problems)))


def _toml(value: Value) -> str:
    literal = value.replace("${", "$${") if isinstance(value, str) else value
    return json.dumps(literal, ensure_ascii=False).replace("\x7f", "\\u007f")


def _as_option(problem: str) -> str:
    """The problem with the option in front that its place in the pipeline comes from."""
    place, colon, sentence = problem.partition(": ")
    option = next((option for start, option in OPTIONS.items() if place.startswith(start)), None)
    return problem if option is None else f"{option}{colon}{sentence}"
