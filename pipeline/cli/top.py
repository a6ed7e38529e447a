"""`httpipe top`: a running pipeline, live, on the whole screen. It only asks and shows; nothing about the pipeline changes."""

import sys
from collections.abc import Callable, Iterator

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.instance import socket_of, which_pipeline


@click.command()
@which_pipeline
@click.option(
    "--every",
    "every_secs",
    default=1.0,
    show_default=True,
    metavar="SECS",
    type=click.FloatRange(0.1, 3600),
    help="Time between two looks.",
)
@click.option("--once", is_flag=True, help="Print the table once and end; also where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each look, for scripts.")
@click.option("--list", "list_", is_flag=True, help="List the pipelines that run here: file, PID, control socket.")
def top(  # noqa: PLR0913  one for each option
    *, socket_path: str | None, instance: str | None, every_secs: float, once: bool, as_json: bool, list_: bool
) -> int:
    """Watch a running pipeline: what comes in, goes out, is dropped, and how full the queues are.

    q or Ctrl-C ends it; the pipeline runs on.
    """
    from pipeline.errors import HttpipeError  # noqa: PLC0415  start-up
    from pipeline.runtime.control.client import ControlClient  # noqa: PLC0415

    if list_:
        return _list()
    try:
        with ControlClient(socket_of(socket_path, instance)) as client:
            looks = client.snapshots(every_secs)
            if as_json:
                return _print_json(looks, once=once)
            if once or not sys.stdout.isatty():
                return _print_once(looks)
            return _watch(looks, client.close)
    except KeyboardInterrupt:
        return ExitCode.OK
    except HttpipeError as error:
        click.echo(f"httpipe: {error}", err=True)
        return ExitCode.USAGE


def _list() -> int:
    from pipeline.runtime.control.client import instances, listing  # noqa: PLC0415  start-up

    running = instances()
    click.echo("\n".join(listing(running)) if running else "No pipeline runs here that has a control socket.")
    return ExitCode.OK


def _print_json(looks: Iterator[object], *, once: bool) -> int:
    import msgspec  # noqa: PLC0415  start-up

    for look in looks:
        click.echo(msgspec.json.encode(look))
        if once:
            break
    return ExitCode.OK


def _print_once(looks: Iterator[object]) -> int:
    """Two looks, so that there are rates."""
    from rich.console import Console  # noqa: PLC0415  start-up

    from pipeline.cli.top_view import view  # noqa: PLC0415
    from pipeline.model.snapshot import Snapshot  # noqa: PLC0415

    first, second = next(looks, None), next(looks, None)
    if not isinstance(first, Snapshot):
        click.echo("httpipe: the pipeline has ended", err=True)
        return ExitCode.OK
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(view(second if isinstance(second, Snapshot) else first, first, console.width))
    return ExitCode.OK


def _watch(looks: Iterator[object], hang_up: Callable[[], None]) -> int:
    """Look after look, until the pipeline ends or somebody has seen enough."""
    from rich.live import Live  # noqa: PLC0415  start-up

    from pipeline.cli.keyboard import full_screen  # noqa: PLC0415
    from pipeline.cli.top_view import view  # noqa: PLC0415
    from pipeline.model.snapshot import Snapshot  # noqa: PLC0415

    quitting = False

    def pressed(key: str) -> None:
        nonlocal quitting
        if key in "qQ":
            quitting = True
            hang_up()

    before: Snapshot | None = None
    screen = Live(screen=True, auto_refresh=False)
    with full_screen(screen, pressed):
        for look in looks:
            if isinstance(look, Snapshot) and not quitting:
                screen.update(view(look, before, screen.console.width), refresh=True)
                before = look
    if not quitting:
        click.echo("The pipeline has ended.")
    return ExitCode.OK
