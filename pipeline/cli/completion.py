"""Completion of the command line by bash, zsh and fish: the script for the shell, and what it asks for at a Tab.

The shell calls ``httpipe`` with the words so far in its environment; click finds out which of them is being completed, and
asks the subcommand or the parameter there. A parameter says what fits by ``shell_complete=`` one of the functions below,
which give plain words, or tell the shell to complete file names itself. None of them fails: a Tab that finds nothing is silent.
"""

from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from pipeline.cli.exit_codes import ExitCode

VARIABLE = "_HTTPIPE_COMPLETE"
"""Environment variable by which the script of a shell asks, as click names it."""

LOOK_SECS = 1.0
"""How long a running pipeline may take to name its components."""

INSTALLING = """
\b
For every new shell:
  bash  httpipe completion bash | sudo tee /etc/bash_completion.d/httpipe
  zsh   httpipe completion zsh | sudo tee /usr/local/share/zsh/site-functions/_httpipe
  fish  httpipe completion fish > ~/.config/fish/completions/httpipe.fish
For this one: source <(httpipe completion bash)
"""


@click.command("completion", epilog=INSTALLING)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> int:
    """Print the script by which SHELL completes httpipe's command line.

    It completes subcommands, options and files, interfaces, the pipelines that run here and their components.
    """
    known = get_completion_class(shell)
    if known is None:
        raise AssertionError(shell)
    script = known(ctx.find_root().command, {}, "httpipe", VARIABLE)
    # not source(), which looks for a bash to learn its version: the script may be meant for another machine
    click.echo(script.source_template % script.source_vars())
    return ExitCode.OK


def answer(command: click.Command, asked: str) -> int:
    """What the script of a shell asks for, such as ``bash_complete``, on standard output; nothing where something fails."""
    try:
        return shell_complete(command, {}, "httpipe", VARIABLE, asked)
    except (Exception, KeyboardInterrupt):  # noqa: BLE001  a message would stand in the middle of what is being typed
        return ExitCode.INTERNAL


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The shell's own names of files."""
    return [CompletionItem(incomplete, type="file")]


def interfaces(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Network interfaces of this host, and ``any``."""
    with suppress(OSError):
        return _fitting(["any", *sorted(entry.name for entry in Path("/sys/class/net").iterdir())], incomplete)
    return []


def programs(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str] | list[CompletionItem[str]]:
    """Programs that run now, by name; files where a path is begun."""
    if "/" in incomplete:
        return files(_ctx, _param, incomplete)
    found = set()
    for process in Path("/proc").glob("[0-9]*/exe"):
        with suppress(OSError):
            found.add(process.readlink().name.removesuffix(" (deleted)"))
    return _fitting(sorted(found), incomplete)


def instances(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Pipelines that run here: the names of their files."""
    from pipeline.runtime.control.client import instances as running  # noqa: PLC0415  start-up

    return _fitting([Path(instance.snapshot.file).name for instance in running()], incomplete)


def components(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Components of the running pipeline that the options so far mean."""
    from pipeline.errors import HttpipeError  # noqa: PLC0415  start-up
    from pipeline.runtime.control.client import ControlClient, find  # noqa: PLC0415

    with suppress(HttpipeError, OSError, StopIteration):
        path = ctx.params.get("socket_path") or find(ctx.params.get("instance"))
        with ControlClient(path, LOOK_SECS) as client:
            return _fitting([component.id for component in next(client.snapshots()).components], incomplete)
    return []


def types(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Kinds of components, and the names of the installed ones; no plugin is imported for it."""
    from pipeline.plugins.discovery import Kind, discover  # noqa: PLC0415  start-up

    return _fitting([*(f"{kind.value}s" for kind in Kind), *sorted({plugin.name for plugin in discover().plugins})], incomplete)


def _fitting(words: list[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
