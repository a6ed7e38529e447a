"""The command `httpipe`: which subcommands there are, and how every way of failing is reported.

In: arguments. Out: an exit code. It imports a subcommand only when that one is called, because `httpipe --help` and shell
completion must be instant; and it never shows a traceback, which is for `--debug`.
"""

import gc
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import ModuleType

import click
from click.shell_completion import CompletionItem

from pipeline.cli.completion import VARIABLE, answer
from pipeline.cli.exit_codes import ExitCode, write_exit_codes
from pipeline.cli.interruption import end_plainly
from pipeline.cli.say import let_go, say, speaks_json

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Run": {
        "print": ("pipeline.cli.print:print_", "Print HTTP traffic now, live or from a capture file, without a pipeline file."),
        "ui": ("pipeline.cli.ui:ui", "Show HTTP traffic in a browser, live or from a capture file, without a pipeline file."),
        "watch": ("pipeline.cli.watch.command:watch", "Watch HTTP traffic on the whole terminal; filter, sort, look inside."),
        "run": ("pipeline.cli.run:run", "Run a pipeline until its inputs end or Ctrl-C."),
        "top": ("pipeline.cli.top:top", "Watch a running pipeline: in, out, dropped, queues."),
        "reload": ("pipeline.cli.reload:reload", "Have a running pipeline read its file again; say whether it could."),
        "tap": ("pipeline.cli.tap:tap", "See the events that pass a component right now."),
        "gate": ("pipeline.cli.gate:gate", "HTTP firewalls that go on without httpipe: show them, end them."),
    },
    "Check": {
        "validate": ("pipeline.cli.validate:validate", "Check a pipeline file; every problem at once."),
        "test": ("pipeline.cli.test:test", "Run the tests that stand in a pipeline file."),
        "explain": ("pipeline.cli.explain:explain", "Show how an expression evaluates on an event."),
        "graph": ("pipeline.cli.graph:graph", "Print which component feeds which."),
        "doctor": ("pipeline.cli.doctor:doctor", "Check this host: what capturing needs, and how to get it."),
    },
    "Look up": {
        "list": ("pipeline.cli.catalogue:list_", "Sources, transforms and sinks, and the options of each."),
        "schema": ("pipeline.cli.schema:schema", "JSON Schema of pipeline.toml, for editors."),
        "reference": ("pipeline.cli.reference:reference", "All options as Markdown."),
        "completion": ("pipeline.cli.completion:completion", "What bash, zsh and fish need to complete commands and options."),
    },
    "Extend": {
        "plugins": ("pipeline.cli.plugins:plugins", "List, trust, verify and write plugins."),
    },
}
"""Where each subcommand lives and what the overview says about it: known without importing any."""


class Overview(click.Group):
    """A group that imports a subcommand when it is called and shows them by what one wants to do."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names, in the order of the overview."""
        return [name for commands in SECTIONS.values() for name in commands]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        where = next((commands[cmd_name][0] for commands in SECTIONS.values() if cmd_name in commands), None)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        found = getattr(import_module(module), attribute)
        return found if isinstance(found, click.Command) else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """As click does, without importing every subcommand for its help."""
        words = {name: about for commands in SECTIONS.values() for name, (_, about) in commands.items()}
        fitting = [CompletionItem(name, help=about) for name, about in words.items() if name.startswith(incomplete)]
        return [*fitting, *click.Command.shell_complete(self, ctx, incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; who knows tcpdump writes options of `print` without it, and is told so."""
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from pipeline.cli.print import print_  # noqa: PLC0415  start-up

            if not any(error.option_name in parameter.opts for parameter in print_.params):
                raise
            named = set(typed) & set(self.list_commands(ctx))
            remedy = "write it behind the command" if named else f"type `httpipe print {shlex.join(typed)}`"
            raise click.UsageError(f"{error.option_name} is an option of print: {remedy}", ctx) from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest right word."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from pipeline.errors import did_you_mean  # noqa: PLC0415  start-up

            raise click.UsageError(f'no command "{args[0]}"{did_you_mean(args[0], self.list_commands(ctx))}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()], col_max=12)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """First steps and exit codes, which click would otherwise wrap into one paragraph."""
        with formatter.section("First steps"):
            formatter.write_dl(FIRST_STEPS)
        write_exit_codes(formatter)


FIRST_STEPS = [
    ("httpipe doctor", "can this host capture, and what is missing?"),
    ("httpipe validate", "is ./pipeline.toml right?"),
    ("sudo httpipe print", "show the HTTP traffic of this host, live"),
    ("sudo httpipe run", "what ./pipeline.toml says"),
]


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's signature
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415  start-up

        click.echo(f"httpipe {version('httpipe')} (Python {sys.version.split()[0]}, {os.uname().sysname} {os.uname().release})")
        ctx.exit()


@click.group(
    cls=Overview,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    subcommand_metavar="COMMAND …",
    no_args_is_help=True,
)
@click.option("--debug", is_flag=True, envvar="HTTPIPE_DEBUG", help="Show the traceback of an internal error.")
@click.option(
    "-V", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version and exit."
)
@click.pass_context
def cli(ctx: click.Context, *, debug: bool) -> None:
    """See the HTTP traffic of this host and carry it anywhere.

    httpipe captures with eBPF, turns packets into exchanges (a request with its response), and sends them through
    filters and transforms to any number of sinks. What it does stands in a pipeline.toml.
    """
    ctx.obj = debug
    if 0 not in os.getresuid():  # an interpreter whose file gives capabilities with =p, as contrib/Containerfile makes it
        from pipeline import prctl  # noqa: PLC0415  start-up

        with suppress(OSError):  # some sandboxes refuse
            prctl.raise_permitted_capabilities()
    gc.freeze()  # what importing made stays: looking through it at once, as the next object would begin to, takes 30 ms
    gc.enable()  # cli/start.py
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # cli/start.py; from here on every interruption is answered in words
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _no_plugins_of_pydantic() -> None:
    """Else pydantic imports code of any distribution that asks for it; what would look for them takes 20 ms to import itself."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    looks = ModuleType("pydantic.plugin._loader")
    looks.get_plugins = tuple  # type: ignore[attr-defined]
    sys.modules.setdefault(looks.__name__, looks)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    _no_plugins_of_pydantic()
    _fill_standard_streams()
    sys.unraisablehook = _stray
    threading.excepthook = _stray
    if (asked := os.environ.get(VARIABLE)) is not None:
        sys.exit(answer(cli, asked))
    code = call(list(sys.argv[1:] if arguments is None else arguments))
    end_plainly()  # what Python does at its end would answer Ctrl-C with a traceback
    let_go()
    sys.exit(code)


def call(arguments: list[str]) -> int:
    """Run the command; whatever happens becomes words on standard error and an exit code."""
    try:
        # not cli.main(), which makes exit code 1 of a broken pipe; a copy, because parsing eats the list
        with cli.make_context("httpipe", list(arguments)) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last line of defence: no traceback for a user
        return _ended_by(error, arguments)
    finally:
        gc.enable()
    return int(result) if isinstance(result, int) else ExitCode.OK


def _ended_by(error: BaseException, arguments: list[str]) -> int:
    match error:
        case click.exceptions.Exit():  # --help, --version
            code = error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message())
            code = ExitCode.USAGE
        case click.UsageError():
            code = _usage(error)
        case click.Abort() | KeyboardInterrupt():
            code = ExitCode.INTERRUPTED
        case BrokenPipeError():
            code = _closed_output()
        case _:
            code = _failed(error, arguments)
    return code


def _fill_standard_streams() -> None:
    """Started with `>&-`, Python has no stream there, and the first socket we open would become descriptor 1."""
    for fd, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
            setattr(sys, name, os.fdopen(fd, "w", closefd=False))


def _stray(stray: "sys.UnraisableHookArgs | threading.ExceptHookArgs") -> None:
    """What no caller learns, of a thread or an object that is forgotten: a line of the log, like all else."""
    from pipeline.telemetry.logs import ComponentLog  # noqa: PLC0415  start-up

    trace = (stray.exc_type, stray.exc_value, stray.exc_traceback)
    ComponentLog("").error("unhandled exception in a thread or a finalizer", exc_info=trace if stray.exc_value else None)  # type: ignore[arg-type]


def _usage(error: click.UsageError) -> ExitCode:
    command = error.ctx.command_path if error.ctx else "httpipe"
    say(f"httpipe: {error.format_message()}\nTry `{command} --help`.")
    return ExitCode.USAGE


def _closed_output() -> ExitCode:
    """`httpipe … | head`: the reader has seen enough, which is not an error; Python must not try to flush once more at exit."""
    _drop_unwritten()
    return ExitCode.OK


def _drop_unwritten() -> None:
    """What standard output has not taken until now it will not take at exit either."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: BaseException, arguments: Sequence[str]) -> ExitCode:
    from pipeline.cli import failures  # noqa: PLC0415  start-up

    code, text = failures.reported(error)
    trace = ""
    if os.environ.get("HTTPIPE_DEBUG", "0") not in ("", "0") or "--debug" in arguments[:1]:
        import traceback  # noqa: PLC0415  start-up

        trace = "".join(traceback.format_exception(error))
    if speaks_json():
        for message, fields in failures.reported_apart(error):
            say(message, "error", **fields, **({"exception": trace} if trace else {}))
    else:
        say(trace + text)
    if code == ExitCode.UNDELIVERED:
        _drop_unwritten()
    return code
