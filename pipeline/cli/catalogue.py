"""`httpipe list`: which sources, transforms and sinks there are, and the options of one of them."""

import inspect

import click

from pipeline.api import Sink
from pipeline.cli.completion import types
from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import DEFAULT_FILE, registry
from pipeline.config.reference import Row, first_sentence, option_rows
from pipeline.plugins.discovery import Kind, Plugin
from pipeline.plugins.registry import PluginError, Registry
from pipeline.topology.components import engine_models


@click.command("list")
@click.argument("names", nargs=-1, metavar="[KIND] [NAME]", shell_complete=types)
@click.option("--plugins-for", "file", default=DEFAULT_FILE, metavar="FILE", help="Pipeline file whose trust list holds.")
def list_(*, names: tuple[str, ...], file: str) -> int:
    """Show what there is, or the options of one component.

    `httpipe list` shows everything, `httpipe list sinks` one kind, `httpipe list stdout` the options of one.
    """
    known = registry(file)
    kinds = {word: kind for kind in Kind for word in (kind.value, f"{kind.value}s")}
    wanted_kinds = [kinds[name] for name in names if name in kinds]
    wanted_names = [name for name in names if name not in kinds]
    if wanted_names:
        return max(_details(known, wanted_kinds or list(Kind), name) for name in wanted_names)
    for kind in wanted_kinds or list(Kind):
        _overview(known, kind)
    return ExitCode.OK


def _overview(known: Registry, kind: Kind) -> None:
    click.secho(f"{kind}s", bold=True)
    plugins = known.plugins(kind)
    width = max((len(plugin.name) for plugin in plugins), default=0)
    for plugin in plugins:
        click.echo(f"  {plugin.name:<{width}}  {_about(known, plugin)}")
    click.echo()


def _about(known: Registry, plugin: Plugin) -> str:
    origin = "" if plugin.builtin else f" [{plugin.distribution} {plugin.version}]"
    if not known.allowed(plugin):
        return click.style(f"not trusted{origin}", dim=True)
    try:
        loaded = known.load(plugin.kind, known.type_of(plugin))
    except PluginError as error:
        return click.style(str(error), fg="red")
    return first_sentence(loaded.component.__doc__) + origin


def _details(known: Registry, kinds: list[Kind], name: str) -> int:
    problems = []
    shown = 0
    for kind in kinds:
        try:
            loaded = known.load(kind, name)
        except PluginError as error:
            problems.append(error)
            continue
        shown += 1
        plugin = loaded.plugin
        origin = "" if plugin.builtin else f"  [{plugin.distribution} {plugin.version}]"
        click.secho(f"{kind} {plugin.name}{origin}", bold=True)
        click.echo(f"{inspect.cleandoc(loaded.component.__doc__ or '')}\n")
        _options("options", option_rows(loaded.component.Config))
        engine = [row for model in engine_models(f"{kind}s", loaded.component) for row in option_rows(model)]
        engine = _declared(engine, loaded.component)
        _options("options of the engine", engine)
    if shown:
        return ExitCode.OK
    every = sorted({plugin.name for kind in kinds for plugin in known.plugins(kind)})
    if name in every:
        click.echo("\n".join(f"httpipe: {error}" for error in problems if "not a known" not in str(error)), err=True)
    else:
        from pipeline.config.words import unknown  # noqa: PLC0415  only for the message

        click.echo(f"httpipe: {unknown(name, 'component', every)}", err=True)
    return ExitCode.USAGE


def _declared(rows: list[Row], component: type) -> list[Row]:
    """The rows with the defaults that a sink's class declares in place of the engine's."""
    if not issubclass(component, Sink):
        return rows
    given = {name.replace("batch_", "batch."): value for name, value in component.defaults._asdict().items() if value is not None}
    return [row._replace(default=str(given[row.name])) if row.name in given else row for row in rows]


def _options(title: str, rows: list[Row]) -> None:
    if not rows:
        return
    click.secho(f"  {title}", underline=True)
    for name, kind, default, meaning in rows:
        click.echo(f"  {click.style(name, fg='cyan')}  {kind}{f', default {default}' if default else ', required'}")
        for line in click.wrap_text(meaning, width=100, initial_indent="      ", subsequent_indent="      ").splitlines():
            click.echo(line)
    click.echo()
