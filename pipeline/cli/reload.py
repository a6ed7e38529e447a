"""`httpipe reload`: a running pipeline reads its file again, and says whether the file could run."""

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.instance import socket_of, which_pipeline
from pipeline.cli.say import say


@click.command()
@which_pipeline
def reload(*, socket_path: str | None, instance: str | None) -> int:
    """Have a running pipeline read its file again, as SIGHUP does, and wait until that is done.

    A file that cannot run changes nothing: its problems are printed and the exit code is 78.
    """
    from pipeline.errors import ConfigError, HttpipeError  # noqa: PLC0415  start-up
    from pipeline.runtime.control.client import ControlClient  # noqa: PLC0415

    try:
        with ControlClient(socket_of(socket_path, instance)) as client:
            file = client.reload()
    except ConfigError as error:
        say(f"httpipe: not reloaded; the pipeline keeps running unchanged\n{error}")
        return ExitCode.BAD_CONFIG
    except HttpipeError as error:
        say(f"httpipe: {error}")
        return ExitCode.USAGE
    say(f"httpipe: reloaded {file}")
    return ExitCode.OK
