"""`httpipe schema`: JSON Schema of pipeline.toml, of everything that is installed and may be imported; or of a kind of event."""

import json

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import DEFAULT_FILE, registry
from pipeline.codecs.schema import event_schema
from pipeline.config.reference import first_sentence
from pipeline.config.schema import ComponentModel, pipeline_schema
from pipeline.errors import did_you_mean
from pipeline.model.events.kind import Kind as EventKind
from pipeline.model.events.kinds import kind_named, kinds
from pipeline.plugins.discovery import Kind
from pipeline.plugins.registry import Loaded, PluginError, Registry
from pipeline.topology.components import engine_models


@click.command()
@click.option("--event", metavar="KIND", help="JSON Schema of events of this kind instead, such as http.exchange.")
@click.option("--plugins-for", "file", default=DEFAULT_FILE, metavar="FILE", help="Pipeline file whose trust list holds.")
def schema(*, event: str | None, file: str) -> int:
    """Print the JSON Schema of pipeline.toml.

    Save it and name it in the first line of a pipeline file, and an editor with a TOML language server (taplo, Even
    Better TOML) completes and checks it:

    \b
        httpipe schema > pipeline.schema.json
        #:schema ./pipeline.schema.json

    With --event: of one line that the `json` codec writes of such an event.
    """  # noqa: D301  \b is click's mark for lines that are not to be wrapped
    known = registry(file)
    components = {f"{kind}s": [_model(known, each) for each in usable(known, kind)] for kind in Kind}
    shown = pipeline_schema(components) if event is None else event_schema(_kind(event))
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    return ExitCode.OK


def _kind(name: str) -> EventKind:
    """The kind of event of this name: ours, or that of a plugin, which was loaded for its options."""
    found = kind_named(name)
    names = [kind.name for kind in kinds()]
    if found is None or found.name not in names:
        near = did_you_mean(name, names) or f"; there are: {', '.join(names)}"
        raise click.UsageError(f'no kind of event is called "{name}"{near}')
    return found


def usable(known: Registry, kind: Kind) -> list[Loaded]:
    """Everything of one kind that may be imported and can be; the rest is named on standard error."""
    found = []
    for plugin in known.plugins(kind):
        if not known.allowed(plugin):
            continue
        try:
            found.append(known.load(kind, known.type_of(plugin)))
        except PluginError as error:
            click.echo(f"httpipe: left out: {error}", err=True)
    return found


def _model(known: Registry, loaded: Loaded) -> ComponentModel:
    component = loaded.component
    models = (component.Config, *engine_models(f"{loaded.plugin.kind}s", component))
    return ComponentModel(known.type_of(loaded.plugin), first_sentence(component.__doc__), models)
