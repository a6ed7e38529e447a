"""`httpipe validate`: is this pipeline file right? Opens nothing, captures nothing; third-party plugins it names are imported.

Its tests are checked as `httpipe test` would, and not run.
"""

import click

from pipeline.cli.completion import files
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.failures import reported
from pipeline.cli.loading import DEFAULT_FILE, load_to_check
from pipeline.errors import ConfigError
from pipeline.topology.plan import Plan


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]…", shell_complete=files)
@click.option("--strict", is_flag=True, help="Count warnings as problems.")
def validate(*, files: tuple[str, ...], strict: bool) -> int:
    """Check pipeline files, their tests included, and list every problem at once.

    FILE defaults to pipeline.toml; - is standard input.
    """
    return max(_validate(file, strict=strict) for file in files or (DEFAULT_FILE,))


def _validate(file: str, *, strict: bool) -> int:
    try:
        plan, cases = load_to_check(file)
    except (ConfigError, PermissionError) as error:
        code, text = reported(error)
        click.echo(text, err=True)
        return code
    for warning in plan.warnings:
        click.echo(f"{plan.file}: {'' if strict else 'warning: '}{warning}", err=True)
    if strict and plan.warnings:
        return ExitCode.BAD_CONFIG
    click.echo(f"{plan.file}: ok: {counted(plan, len(cases))}")
    return ExitCode.OK


def counted(plan: Plan, tests: int) -> str:
    """``1 source, no transforms, 2 sinks``, and the tests where there are any."""
    parts = [("source", len(plan.sources)), ("transform", len(plan.transforms)), ("sink", len(plan.sinks))]
    parts += [("test", tests)] if tests else []
    return ", ".join(f"{count or 'no'} {word}{'' if count == 1 else 's'}" for word, count in parts)
