"""`httpipe plugins`: what third parties have brought, whom to trust, whether it is still what was trusted, how to write one."""

import os
import re
from pathlib import Path

import click

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import DEFAULT_FILE, registry
from pipeline.plugins import trust as trust_module
from pipeline.plugins.discovery import BUILTIN, Kind, Plugin, canonical, discover
from pipeline.plugins.trust import NAME, Entry, TrustList, find_trust, is_version_range, ownership_fault

SYSTEM = click.option("--system", is_flag=True, help="The list of the whole system, in /etc/httpipe.")
PLACE = click.option(
    "--file", "place", type=click.Path(dir_okay=False, path_type=Path), help="This list, plugins.toml or another."
)
FOR = click.option("--plugins-for", "file", default=DEFAULT_FILE, metavar="FILE", help="Pipeline file whose trust list holds.")


@click.group(subcommand_metavar="COMMAND …")
def plugins() -> None:
    """Third-party sources, transforms and sinks.

    Whatever pip installs can bring plugins. None of them is imported unless the pipeline names it and the trust list,
    plugins.toml, has its distribution: beside the pipeline file, else in /etc/httpipe.
    """


@plugins.command("list", short_help="Show the plugins of others; imports none.")
@FOR
def list_(*, file: str) -> int:
    """Show the plugins of other distributions, without importing any."""
    known = registry(file)
    others = [plugin for kind in Kind for plugin in known.plugins(kind) if not plugin.builtin]
    for warning in (*known.found.warnings, *known.shadowed(), *find_trust(Path(file).parent).warnings):
        click.echo(f"warning: {warning}", err=True)
    if not others:
        click.echo("No plugins but the built-in ones, which `httpipe list` shows.")
    for plugin in others:
        reason = re.split("[;\n]", known.trust.refusal(plugin))[0]
        state = click.style("trusted", fg="green") if not reason else click.style(reason, fg="yellow")
        click.echo(f"{plugin.kind:<9} {plugin.name:<20} {plugin.distribution} {plugin.version}: {state}")
    return ExitCode.OK


@plugins.command(short_help="Trust a distribution as it is installed now.")
@click.argument("name")
@FOR
@SYSTEM
@PLACE
@click.option("--version", "version", metavar="RANGE", help='Trust these versions, such as ">=1.2,<2", whatever their files are.')
def trust(*, name: str, file: str, system: bool, place: Path | None, version: str | None) -> int:
    """Trust a distribution (or the one that has the plugin NAME).

    Without --version exactly what is installed now is trusted: this version, these files. The list is the one that holds for
    the pipeline file. Where there is neither a list nor a pipeline file, say which is meant: --system or --file.
    """
    from pipeline.plugins.editing import put  # noqa: PLC0415  only here

    found = _installed(name)
    if isinstance(found, str):
        click.echo(f"httpipe: {found}", err=True)
        return ExitCode.USAGE
    if version and not is_version_range(version):
        click.echo(f'httpipe: "{version}" is not a version range, such as ">=1.2,<2"', err=True)
        return ExitCode.USAGE
    plugin = found[0]
    entry = Entry(version=version) if version else _pinned(plugin)
    place = list_to_write(file, system=system, place=place)
    put(place, plugin.distribution, entry)
    names = ", ".join(f"{each.kind} {each.name}" for each in found)
    click.echo(f"Wrote {place}: trusts {plugin.distribution} {entry.version} ({names}).")
    _warn(found, place)
    return ExitCode.OK


@plugins.command()
@click.argument("name")
@FOR
@SYSTEM
@PLACE
def untrust(*, name: str, file: str, system: bool, place: Path | None) -> int:
    """Trust a distribution no more."""
    from pipeline.plugins.editing import remove  # noqa: PLC0415  only here

    found = _installed(name)
    distribution = canonical(name) if isinstance(found, str) else found[0].distribution
    place = list_to_write(file, system=system, place=place)
    if not remove(place, distribution):
        click.echo(f"httpipe: {distribution} is not trusted in {place}", err=True)
        return ExitCode.USAGE
    click.echo(f"Wrote {place}: trusts {distribution} no more.")
    return ExitCode.OK


@plugins.command(short_help="Check that what is trusted has not changed.")
@FOR
def verify(*, file: str) -> int:
    """Check that what is trusted is still what was trusted, and that nobody else can change it."""
    trusted = find_trust(Path(file).parent)
    for warning in trusted.warnings:
        click.echo(f"warning: {warning}", err=True)
    if not trusted.entries:
        click.echo(f"{trusted.file or NAME}: trusts nothing.")
        return ExitCode.BAD_CONFIG if trusted.warnings else ExitCode.OK
    found = discover().plugins
    results = [_verify(trusted, name, [each for each in found if each.distribution == name]) for name in trusted.entries]
    return ExitCode.OK if all(results) else ExitCode.BAD_CONFIG


@plugins.command(short_help="Write a package with a plugin and its tests.")
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]))
@click.argument("name")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=".", help="Folder to write it into.")
def new(*, kind: str, name: str, into: Path) -> int:
    """Write a package with a plugin that passes its own tests: httpipe plugins new sink my_sink."""
    from pipeline.plugins.scaffold import ScaffoldError, write_package  # noqa: PLC0415  only here

    try:
        folder = write_package(Kind(kind), name, into)
    except ScaffoldError as error:
        click.echo(f"httpipe: {error}", err=True)
        return ExitCode.USAGE
    click.echo(f"Wrote {folder}. Next:\n")
    click.echo(f"  cd {folder}")
    click.echo("  pip install -e '.[test]' && pytest")
    click.echo(f"  httpipe plugins trust {folder.name}")
    return ExitCode.OK


def list_to_write(file: str, *, system: bool = False, place: Path | None = None) -> Path:
    """The list that is named; else the one that holds for a pipeline file; else a new one beside that file.

    A list for the whole system is never begun, because somebody stood in the wrong folder, unless it was asked for.
    """
    if system and place is not None:
        raise click.UsageError("--system and --file name two lists; give one of them")
    if system or place is not None:
        return place or trust_module.SYSTEM / NAME
    folder = Path(file).parent
    existing = find_trust(folder).file
    if existing is not None:
        return existing
    if not Path(file).exists():
        where = "this folder" if folder == Path() else str(folder)
        raise click.UsageError(
            f"neither {Path(file).name} nor {NAME} is in {where}: go to the folder of a pipeline or name it with "
            "--plugins-for, or say --system (for every pipeline of this host) or --file PATH"
        )
    return folder / NAME


def _installed(name: str) -> tuple[Plugin, ...] | str:
    """The plugins of the distribution that a name means, or why it means none."""
    every = [plugin for plugin in discover().plugins if not plugin.builtin]
    wanted = {plugin.distribution for plugin in every if plugin.distribution == canonical(name)}
    wanted = wanted or {plugin.distribution for plugin in every if plugin.name == name}
    if len(wanted) > 1:
        return f'"{name}" is a plugin of several distributions; name one of them: {", ".join(sorted(wanted))}'
    if not wanted:
        if canonical(name) == BUILTIN:
            return "built-ins are always allowed"
        there = ", ".join(sorted({plugin.distribution for plugin in every})) or "none"
        return f'no installed distribution "{name}" has plugins; pip install it into this environment first (found: {there})'
    return tuple(plugin for plugin in every if plugin.distribution in wanted)


def _pinned(plugin: Plugin) -> Entry:
    from pipeline.plugins.installed import editable, record_sha256  # noqa: PLC0415  only here

    pin = plugin.folder is not None and not editable(plugin.folder)
    return Entry(version=f"=={plugin.version}", record_sha256=(record_sha256(plugin.folder) or None) if pin else None)


def _warn(found: tuple[Plugin, ...], place: Path) -> None:
    if os.geteuid() == 0 and (fault := ownership_fault(place, place.stat())):
        click.echo(f"warning: run as root, {place} counts as empty: {fault}", err=True)
    for finding in _findings(found[0]):
        click.echo(f"warning: {finding}", err=True)


def _findings(plugin: Plugin) -> list[str]:
    """What weakens trust in an installed distribution."""
    from pipeline.plugins.installed import editable, record_sha256, writable_by_others  # noqa: PLC0415  only here

    if plugin.folder is None:
        return []
    found = [f"others may write {path}" for path in writable_by_others(plugin.folder, os.geteuid())]
    if not record_sha256(plugin.folder):
        found.append(f"{plugin.distribution} was installed without a RECORD, so nothing notices a change")
    elif editable(plugin.folder):
        found.append(
            f"{plugin.distribution} is installed editable: its files are outside its RECORD, so nothing notices a change"
        )
    return found


def _verify(trusted: TrustList, distribution: str, found: list[Plugin]) -> bool:
    if not found:
        click.echo(f"{click.style('absent', fg='yellow')}  {distribution}: trusted, but no plugin of that name is installed")
        return True
    from pipeline.plugins.installed import altered, record_sha256  # noqa: PLC0415  only here

    plugin = found[0]
    off = trusted.entries[distribution].disabled
    refusal = next((reason for each in found if each.name not in off and (reason := trusted.refusal(each))), "")
    fault = refusal or (altered(plugin.folder) if record_sha256(plugin.folder) and plugin.folder else "")
    mark = click.style("changed", fg="red") if fault else click.style("ok     ", fg="green")
    click.echo(f"{mark} {distribution} {plugin.version}{f': {fault}' if fault else ''}")
    for finding in _findings(plugin):
        click.echo(f"        {click.style('warning', fg='yellow')}: {finding}")
    return not fault
