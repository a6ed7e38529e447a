"""`httpipe graph`: print the topology of a pipeline file. Opens nothing."""

from collections.abc import Callable

import click

from pipeline.cli.completion import files
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import DEFAULT_FILE, load_to_look
from pipeline.topology.drawing import dot, mermaid, tree
from pipeline.topology.plan import Plan

FORMATS: dict[str, Callable[[Plan], str]] = {"tree": tree, "dot": dot, "mermaid": mermaid}


@click.command()
@click.argument("file", default=DEFAULT_FILE, shell_complete=files)
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="tree", show_default=True, help="How to draw it.")
def graph(*, file: str, format_: str) -> int:
    """Print which component feeds which.

    FILE defaults to pipeline.toml. `httpipe graph --format dot | dot -Tsvg` makes an image.
    """
    click.echo(FORMATS[format_](load_to_look(file)))
    return ExitCode.OK
