"""Which running pipeline `top` and `tap` mean: the options that say so, shared by both."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pipeline.cli.completion import files, instances

Command = TypeVar("Command", bound=Callable[..., Any])

_SOCKET = click.option(
    "--socket", "socket_path", metavar="PATH", shell_complete=files, help="Control socket of the pipeline, wherever it is."
)
_INSTANCE = click.option(
    "--instance",
    metavar="NAME",
    shell_complete=instances,
    help="Which of several pipelines that run here: its file (edge.toml, edge) or PID. `httpipe top --list` lists them.",
)


def which_pipeline(command: Command) -> Command:
    """Options ``socket_path`` and ``instance``. Default: the one pipeline that runs here."""
    return _INSTANCE(_SOCKET(command))


def socket_of(socket_path: str | None, instance: str | None) -> str:
    """The control socket that is meant. Raises ``HttpipeError``."""
    from pipeline.runtime.control.client import find  # noqa: PLC0415  start-up

    if socket_path and instance:
        raise click.UsageError("--socket and --instance: one of them is enough")
    return socket_path or find(instance)
