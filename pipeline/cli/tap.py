"""`httpipe tap`: the events that pass a component of a running pipeline, right now, without touching it."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from pipeline.cli.completion import components
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.instance import socket_of, which_pipeline
from pipeline.cli.say import say

SAY_SECS = 1.0

ENDED = "httpipe: the pipeline has ended"
BROKEN_OFF = "httpipe: the pipeline has ended while this was behind; how many more events were not shown is not known"


@click.command()
@click.argument("component", required=False, shell_complete=components)
@click.option("--where", metavar="EXPR", help="Only events for which this holds, such as 'status >= 500'.")
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="Stop after N events.")
@click.option(
    "--per-sec",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Most events shown in a second; the others are counted.",
)
@click.option(
    "-f",
    "--format",
    "form",
    default="line",
    show_default=True,
    type=click.Choice(["line", "json"]),
    help="How an event is shown.",
)
@which_pipeline
def tap(  # noqa: PLR0913  one for each option
    *,
    component: str | None,
    where: str | None,
    count: int | None,
    per_sec: int,
    form: str,
    socket_path: str | None,
    instance: str | None,
) -> int:
    """See the events that pass a component right now.

    COMPONENT is the id of a source or a transform (what it gives out), a named output such as split.errors, or the id of a
    sink (what enters it); without it, what all sources give out. The pipeline never waits for the tap: what it cannot show, it
    counts. Ctrl-C ends it.
    """
    from pipeline.errors import HttpipeError  # noqa: PLC0415  start-up
    from pipeline.runtime.control.client import ControlClient  # noqa: PLC0415

    seen = Seen(_writer(form), count)
    try:
        with ControlClient(socket_of(socket_path, instance)) as client:
            if seen.follow(client.tap(component, where, per_sec)):
                say(ENDED if client.complete else BROKEN_OFF)
    except KeyboardInterrupt:
        pass
    except HttpipeError as error:
        say(f"httpipe: {error}")
        return ExitCode.USAGE
    if seen.missed:
        say(f"httpipe: {seen.missed:,} events were not shown in all; narrow with --where or raise --per-sec")
    return ExitCode.OK


class Seen:
    """Shows events as they come and counts those that could not be shown."""

    def __init__(
        self, show: Callable[[Mapping[str, Any]], None], limit: int | None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._show = show
        self._left = limit
        self._monotonic = monotonic
        self._say_at = 0.0
        self._unsaid = 0
        self.missed = 0

    def follow(self, answers: Iterable[Mapping[str, Any] | int]) -> bool:
        """Until the limit; True when the answers have ended before that."""
        for answer in answers:
            if isinstance(answer, int):
                self._miss(answer)
            elif answer:  # the first, empty answer says that the tap is on
                self._show(answer)
                if self._left is not None:
                    self._left -= 1
                    if self._left == 0:
                        return False
        return True

    def _miss(self, events: int) -> None:
        """Say where events are missing, once a second at most: a busy pipeline has more after every batch."""
        self.missed += events
        self._unsaid += events
        now = self._monotonic()
        if now >= self._say_at:
            say(f"httpipe: {self._unsaid:,} events not shown here")
            self._say_at, self._unsaid = now + SAY_SECS, 0


def _writer(form: str) -> Callable[[Mapping[str, Any]], None]:
    """Writes one event at once: a tap is looked at while it runs."""
    if form == "json":
        return lambda event: click.echo(json.dumps(event))  # ASCII: no control character of any kind
    from pipeline.codecs.registry import decoder  # noqa: PLC0415  start-up
    from pipeline.sinks.stdout.lines import LineFormat  # noqa: PLC0415

    decode, lines = decoder("json").decode, LineFormat(1, os.environ)
    return lambda event: click.echo(bytes(lines.render([decode(json.dumps(event).encode())])), nl=False)
