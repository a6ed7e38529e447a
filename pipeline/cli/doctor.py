"""`httpipe doctor`: what capturing on this host needs, point by point, with what to type where something is missing."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.cli.exit_codes import ExitCode

if TYPE_CHECKING:  # start-up: the help of every command is instant
    from pipeline.sources.bpf.host import Check


@click.command()
@click.option("--tls", is_flag=True, help="List the processes that speak TLS: library, and whether HTTPS can be captured there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")
def doctor(*, tls: bool, as_json: bool) -> int:
    """Check this host: kernel, privileges, loaders, interfaces.

    Exits with 69 where httpipe cannot capture as it is now. Capture files, replays and Kafka need none of this.
    """
    if tls:
        from pipeline.cli.doctor_tls import show_tls  # noqa: PLC0415  start-up
        from pipeline.sources.tls.survey import survey  # noqa: PLC0415  start-up

        show_tls(survey(), as_json=as_json)
        return ExitCode.OK
    from pipeline.sources.bpf.host import checks  # noqa: PLC0415  start-up
    from pipeline.sources.gate import host as gate_host  # noqa: PLC0415  start-up
    from pipeline.sources.tls import host as tls_host  # noqa: PLC0415  start-up

    found = [*checks(), *tls_host.checks(), *gate_host.checks()]
    if as_json:
        for check in found:
            point = {
                "name": check.name,
                "ok": check.ok,
                "required": check.required,
                "detail": check.detail,
                "remedy": check.remedy,
            }
            click.echo(json.dumps(point))
    else:
        _show(found)
    return ExitCode.UNAVAILABLE if missing(found) else ExitCode.OK


def missing(found: "Sequence[Check]") -> "list[Check]":
    """What must be there and is not."""
    return [check for check in found if check.required and not check.ok]


def _show(found: "Sequence[Check]") -> None:
    width = max(len(check.name) for check in found)
    said: dict[str, str] = {}
    for check in found:
        click.echo(f"{_mark(check)} {check.name:<{width}}  {check.detail}")
        if check.remedy and not check.ok:
            first = said.setdefault(check.remedy, check.name)
            remedy = check.remedy if first == check.name else f"as for {first}, above"
            for line in remedy.splitlines():
                click.echo(f"     {'':<{width}}  {click.style(line, fg='yellow')}")
    lacking = missing(found)
    click.echo()
    if not lacking:
        click.secho("This host can capture.", fg="green", bold=True)
        return
    names = ", ".join(check.name for check in lacking)
    click.secho(f"httpipe cannot capture here as it is: {names}. Mend it from the top.", fg="red", bold=True)
    click.echo("Capture files work all the same: see `httpipe list pcap`.")


def _mark(check: "Check") -> str:
    if check.ok:
        return click.style("ok  ", fg="green")
    return click.style("FAIL", fg="red", bold=True) if check.required else click.style("none", fg="yellow")
