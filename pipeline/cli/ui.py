"""`httpipe ui`: the traffic that a command line describes, or that of a running pipeline, as a page for a browser."""

import gc
import threading
from functools import partial
from typing import TYPE_CHECKING

import click

from pipeline.cli.completion import instances
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.run import Run, carry_out
from pipeline.cli.say import say
from pipeline.cli.traffic import (
    AS_CONFIG,
    FOR,
    KINDS,
    PACKETS,
    SELECTING,
    Size,
    Table,
    Traffic,
    as_file,
    options,
    plan_of,
    text_of,
    usage_error,
    with_traffic,
)
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config.options import UiOptions


@click.command("ui", cls=Run)
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
    help="Show a running pipeline, of several the one called NAME (its file, or PID), and capture nothing.",
)
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address of the page.")
@click.option(
    "--listen-port", "page_port", default=0, type=click.IntRange(0, 65_535), metavar="PORT", help="Default: one that is free."
)
@click.option(
    "--keep", default=100_000, show_default=True, type=click.IntRange(100, 1_000_000), metavar="N", help="Events to keep."
)
@AS_CONFIG
@click.option("-q", "--quiet", is_flag=True, help="Only the link, warnings and errors on standard error.")
@with_traffic
def ui(  # noqa: PLR0913  one for each option
    *,
    traffic: Traffic,
    for_secs: float | None,
    attach: str | None,
    listen: str,
    page_port: int,
    keep: int,
    packets: int | None,
    as_config: bool,
    quiet: bool,
) -> int:
    """Show the HTTP traffic of this host, of a capture file or of a running pipeline in a browser, until Ctrl-C.

    Prints a link with a token: whoever has it sees the traffic, nobody else does. From a server without a browser:
    ssh -L PORT:127.0.0.1:PORT, and open the link at home. Needs httpipe[ui].
    """
    page: Table = {"listen": listen, "port": page_port, "keep": keep, "heads": traffic.headers is None}
    if attach is not None:
        if traffic != Traffic(where=traffic.where) or as_config or for_secs is not None or packets:
            raise click.UsageError(
                "--attach shows what a running pipeline captures: of the other options --where, --listen, --keep"
            )
        return _attach(attach, traffic.where, _page_options(page))
    tables, reads = traffic.tables()
    if packets:
        page["packets_bytes"] = packets
    tables["ui"] = page
    tables["sinks.out"] = {"type": "null", "inputs": reads}
    text = text_of(tables)
    plan = plan_of(text)
    if as_config:
        click.echo(as_file(text, for_secs))
        return ExitCode.OK
    gc.disable()  # as run does
    from pipeline.telemetry import logs  # noqa: PLC0415  start-up

    logs.configure("warning" if quiet else "info", "text")
    try:
        return carry_out(plan, partial(plan_of, text), quiet=quiet, for_secs=for_secs, stay=True)
    except ConfigError as error:  # an address that is taken
        raise usage_error(error) from error


def _page_options(table: Table) -> "UiOptions":
    from pipeline.config.options import UiOptions  # noqa: PLC0415  start-up

    return UiOptions.model_validate(table)


def _attach(name: str, where: str | None, page: "UiOptions") -> int:
    """A page in this process, filled by what the other one's control socket tells."""
    from pipeline.cli.attached import attached, socket_named  # noqa: PLC0415  start-up
    from pipeline.errors import HttpipeError  # noqa: PLC0415
    from pipeline.ui.server import UiServer  # noqa: PLC0415

    try:
        with attached(socket_named(name), where, page.keep) as (view, missed, ended):
            server = UiServer(view, page, ("--listen", "--listen-port"))
            try:
                server.start()
                say(f"httpipe: the page is at {server.link}", page=server.link)
                ended.wait()
                say("httpipe: the pipeline has ended; the page stays until Ctrl-C" + _beyond(missed()))
                threading.Event().wait()
            finally:
                server.close()
    except KeyboardInterrupt:
        return ExitCode.OK
    except HttpipeError as error:
        say(f"httpipe: {error}")
        return ExitCode.USAGE
    return ExitCode.OK


def _beyond(missed: int) -> str:
    return f"; {missed:,} events were too many in a second and are not on it" if missed else ""
