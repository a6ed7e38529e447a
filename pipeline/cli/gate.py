"""`httpipe gate`: firewalls that go on without httpipe (`on_exit = "closed"`): which there are, and how to end one."""

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.say import say
from pipeline.errors import did_you_mean
from pipeline.sources.gate import pins
from pipeline.sources.gate.pins import Pinned

NONE = 'No firewall is kept: none has run with on_exit = "closed", or it was detached.'


@click.group(subcommand_metavar="COMMAND …")
def gate() -> None:
    """The HTTP firewalls that go on without httpipe.

    With on_exit = "closed" a firewall goes on when httpipe ends, in whatever way. It bears the id of its source. When httpipe
    runs again with a source of that id, the new one takes its place without a gap. Below Linux 6.6 what kill -9 leaves behind is
    shown, and ended, as "left-behind".
    """


@gate.command(short_help="Show those that are kept, and whether they come first.")
def status() -> int:
    """Show the firewalls that are kept, where they stand and whether another program comes before them."""
    try:
        kept = [each for each in pins.status() if each.judges]
    except OSError as error:
        return _denied("cannot look", error)
    if not kept:
        click.echo(NONE)
    for each in kept:
        click.echo(f"{each.gate:<16} {each.interface or '?':<15} {each.direction:<8} program {each.program:<8} {_standing(each)}")
    return ExitCode.OK


@gate.command(short_help="End one: requests pass from then on.")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All that are kept.")
def detach(*, name: str | None, everything: bool) -> int:
    """End the firewall NAME: requests pass from now on, unless an httpipe that runs still holds it."""
    if everything == (name is not None):
        raise click.UsageError("name one firewall, as `httpipe gate status` shows it, or give --all")
    try:
        names = sorted({each.gate for each in pins.status()})
        if name is not None and name not in names:
            others = f"; there are: {', '.join(names)}" if names else ""
            say(f'httpipe: no firewall "{name}" is kept{did_you_mean(name, names) or others}')
            return ExitCode.USAGE
        for each in names if name is None else [name]:
            pins.detach(each)
            click.echo(f"Detached {each}.")
    except OSError as error:
        return _denied("cannot detach", error)
    if not names:
        click.echo(NONE)
    return ExitCode.OK


def _standing(pinned: Pinned) -> str:
    if not pinned.interface:
        return click.style("its interface has gone", fg="yellow")
    if pinned.before:
        return click.style(f"behind program {', '.join(map(str, pinned.before))}", fg="yellow")
    return click.style("comes first", fg="green")


def _denied(what: str, error: OSError) -> int:
    say(f"httpipe: {what}: {error.strerror or error}; run as root")
    return ExitCode.NO_PERMISSION
