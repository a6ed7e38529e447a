"""`httpipe tap`: the events that pass a component of a running pipeline, right now, without touching it."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.top import SOCKET


@click.command()
@click.argument("component")
@click.option("--where", metavar="EXPR", help="Only events for which this holds, such as 'status >= 500'.")
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="End after N events.")
@click.option(
    "--per-sec",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Most events shown in a second; the others are counted.",
)
@click.option(
    "--format", "form", default="line", show_default=True, type=click.Choice(["line", "json"]), help="How an event is shown."
)
@SOCKET
def tap(  # noqa: PLR0913  one for each option
    *, component: str, where: str | None, limit: int | None, per_sec: int, form: str, socket_path: str | None
) -> int:
    """See the events that pass a component right now.

    COMPONENT is the id of a source or a transform (what it gives out), a named output such as split.errors, or the id of a
    sink (what enters it). The pipeline never waits for the tap: what it cannot show, it counts. Ctrl-C ends it.
    """
    from pipeline.errors import HttpipeError  # noqa: PLC0415  start-up
    from pipeline.runtime.control_client import ControlClient, find  # noqa: PLC0415

    seen = Seen(_writer(form), limit)
    try:
        with ControlClient(socket_path or find()) as client:
            seen.follow(client.tap(component, where, per_sec))
    except KeyboardInterrupt:
        pass
    except HttpipeError as error:
        click.echo(f"httpipe: {error}", err=True)
        return ExitCode.USAGE
    if seen.missed:
        click.echo(f"httpipe: {seen.missed:,} more passed unseen; --where narrows, --per-sec widens", err=True)
    return ExitCode.OK


class Seen:
    """Shows events as they come and counts those that could not be shown."""

    def __init__(self, show: Callable[[Mapping[str, Any]], None], limit: int | None) -> None:
        self._show = show
        self._left = limit
        self.missed = 0

    def follow(self, answers: Iterable[Mapping[str, Any] | int]) -> None:
        """Until the limit, or the end of the pipeline."""
        for answer in answers:
            if isinstance(answer, int):
                self.missed += answer
            elif answer:  # the first, empty answer says that the tap is on
                self._show(answer)
                if self._left is not None:
                    self._left -= 1
                    if self._left == 0:
                        return
        click.echo("httpipe: the pipeline has ended", err=True)


def _writer(form: str) -> Callable[[Mapping[str, Any]], None]:
    """Writes one event at once: a tap is looked at while it runs."""
    if form == "json":
        return lambda event: click.echo(json.dumps(event))  # ASCII: no control character of any kind
    from pipeline.codecs.registry import decoder  # noqa: PLC0415  start-up
    from pipeline.sinks.lines import LineFormat  # noqa: PLC0415

    decode, lines = decoder("json").decode, LineFormat(1, os.environ)
    return lambda event: click.echo(bytes(lines.render([decode(json.dumps(event).encode())])), nl=False)
