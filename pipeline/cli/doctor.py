"""`httpipe doctor`: what capturing on this host needs, point by point, with what to type where something is missing."""

import click

from pipeline.cli.exit_codes import ExitCode


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")
def doctor(*, as_json: bool) -> int:
    """Check this host: kernel, privileges, loaders, interfaces.

    Exits with 69 where httpipe cannot capture as it is now.
    """
    from pipeline.sources.bpf.host import checks  # noqa: PLC0415  start-up

    found = checks()
    if as_json:
        import json  # noqa: PLC0415  only here

        for check in found:
            said = {"name": check.name, "ok": check.ok, "required": check.required, "detail": check.detail}
            click.echo(json.dumps(said | {"remedy": check.remedy}))
    else:
        width = max(len(check.name) for check in found)
        for check in found:
            mark = click.style("ok  ", fg="green")
            if not check.ok:
                mark = click.style("FAIL", fg="red", bold=True) if check.required else click.style("none", fg="yellow")
            click.echo(f"{mark} {check.name:<{width}}  {check.detail}")
            if check.remedy and not check.ok:
                for line in check.remedy.splitlines():
                    click.echo(f"     {'':<{width}}  {click.style(line, fg='yellow')}")
    return ExitCode.OK if all(check.ok or not check.required for check in found) else ExitCode.CANNOT_CAPTURE
