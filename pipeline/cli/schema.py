"""`httpipe schema`: JSON Schema of pipeline.toml, of everything that is installed and may be imported."""

import json

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import DEFAULT_FILE, registry
from pipeline.config.reference import first_sentence
from pipeline.config.schema import ComponentModel, pipeline_schema
from pipeline.plugins.discovery import Kind
from pipeline.plugins.registry import Loaded, PluginError, Registry
from pipeline.topology.components import engine_models


@click.command()
@click.option("--plugins-for", "file", default=DEFAULT_FILE, metavar="FILE", help="Pipeline file whose trust list holds.")
def schema(*, file: str) -> int:
    """Print the JSON Schema of pipeline.toml.

    Save it and name it in the first line of a pipeline file, and an editor with a TOML language server (taplo, Even
    Better TOML) completes and checks it:

    \b
        httpipe schema > pipeline.schema.json
        #:schema ./pipeline.schema.json
    """  # noqa: D301  \b is click's mark for lines that are not to be wrapped
    known = registry(file)
    components = {f"{kind}s": [_model(known, each) for each in usable(known, kind)] for kind in Kind}
    click.echo(json.dumps(pipeline_schema(components), indent=2, ensure_ascii=False))
    return ExitCode.OK


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
