"""The trust list, ``plugins.toml``: which distributions' plugins may be imported at all.

In: the list nearest to the pipeline file, and the metadata of what is installed. Out: for each plugin, a reason to refuse it or
none. It never imports anything and never raises over a list that is ill owned: run as root, a list that somebody else could have
written counts as empty, because whoever writes it chooses what runs with capture privileges.

    [trust.httpipe-slack]          # name of the distribution
    version = ">=1.2,<2"           # optional: versions that are meant
    record_sha256 = "9f86d0…"      # optional: exactly these files; `httpipe plugins trust` writes it
    disabled = ["slack_debug"]     # optional: plugins of it that stay off
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.api import Config
from pipeline.config.models import check
from pipeline.errors import ConfigError, Problem
from pipeline.plugins.discovery import Plugin, canonical
from pipeline.plugins.installed import altered, record_sha256

NAME = "plugins.toml"
SYSTEM = Path("/etc/httpipe")


class Entry(Config):
    """What is trusted of one distribution."""

    version: str | None = None
    """Versions that are meant, such as `>=1.2,<2` (PEP 440). Default: any."""
    record_sha256: str | None = None
    """SHA-256 of the distribution's RECORD, in hexadecimal: exactly these files."""
    disabled: tuple[str, ...] = ()
    """Plugins of the distribution that stay off."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """A trust list. ``file`` is None where there is none; ``warnings`` say why a list that is there does not count.

    ``meant`` is how `httpipe plugins trust` learns that this list is meant: a remedy must work as it stands.
    """

    file: Path | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    meant: str = ""
    _changes: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def refusal(self, plugin: Plugin) -> str:
        """Why this plugin may not be imported, with what to do about it; empty where it may."""
        who = f"{plugin.distribution} {plugin.version}"
        entry = self.entries.get(plugin.distribution)
        if entry is None:
            return f"{who} is installed but not trusted{self._why_not()}\n  {self._remedy(plugin)}"
        if plugin.name in entry.disabled:
            return f'{who}: "{plugin.name}" is disabled in {self.file}'
        if entry.version is not None and not _within(plugin.version, entry.version):
            return f"{who} is not a trusted version: {self.file} says {entry.version}"
        if entry.record_sha256 is not None and (change := self._change(plugin, entry.record_sha256.lower())):
            again = f"look at it and run `{self._command(plugin)}` again"
            return f"{who} is not what was trusted: {change}; {again}"
        return ""

    def _change(self, plugin: Plugin, trusted: str) -> str:
        """What is not as it was when the distribution was trusted: looked at once for each list that is read."""
        if plugin.distribution not in self._changes:
            same = record_sha256(plugin.folder) == trusted and plugin.folder is not None
            change = altered(plugin.folder) if same and plugin.folder else f"its RECORD has changed since {self.file} was written"
            self._changes[plugin.distribution] = change
        return self._changes[plugin.distribution]

    def _why_not(self) -> str:
        return f" ({'; '.join(self.warnings)})" if self.warnings else ""

    def _remedy(self, plugin: Plugin) -> str:
        """The command that trusts a plugin's distribution, and the lines that it writes."""
        lines = f'\n    [trust.{plugin.distribution}]\n    version = "=={plugin.version}"'
        return f"look at it, then run `{self._command(plugin)}`, or add to {self.file or NAME}:{lines}"

    def _command(self, plugin: Plugin) -> str:
        return f"httpipe plugins trust {plugin.distribution}{self.meant}"


def find_trust(folder: Path, meant: str = "") -> TrustList:
    """The list that holds for a pipeline file in this folder: the one beside it, else the system's. Raises ``ConfigError``."""
    if os.geteuid() == 0 and folder.is_dir() and not (folder / NAME).exists() and _folder_fault(folder / NAME):
        meant = " --system"  # a list beside the pipeline file would count as empty
    for place in (folder, SYSTEM):
        file = place / NAME
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with os.fdopen(descriptor, "rb") as opened:
            entries = parse_trust(opened.read(), str(file))
            fault = ownership_fault(file, os.fstat(descriptor)) if os.geteuid() == 0 else ""
        if fault and entries:
            return TrustList(file, {}, (f"{file} counts as empty: {fault}",), meant)
        return TrustList(file, {} if fault else entries, meant=meant)
    return TrustList(meant=meant)


def parse_trust(data: bytes, file: str) -> dict[str, Entry]:
    """The entries of a trust list by the distribution's one spelling. Raises ``ConfigError`` with every problem."""
    try:
        tree = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([Problem("", f"not valid TOML: {error}")], file=file) from error
    table = tree.get("trust", {})
    problems = [Problem(name, "unknown table; a trust list has only [trust.DISTRIBUTION]") for name in tree if name != "trust"]
    if not isinstance(table, dict):
        raise ConfigError([*problems, Problem("trust", "is not a table; write [trust.DISTRIBUTION]")], file=file)
    entries = {}
    for name, value in table.items():
        if not isinstance(value, dict):
            problems.append(Problem(f"trust.{name}", "is not a table; write [trust.DISTRIBUTION] on a line of its own"))
            continue
        entry, found = check(Entry, value, f"trust.{name}")
        problems += found
        if entry and entry.version is not None and not is_version_range(entry.version):
            problems.append(Problem(f"trust.{name}.version", f'"{entry.version}" is not a version range, such as ">=1.2,<2"'))
        if entry:
            entries[canonical(name)] = entry
    if problems:
        raise ConfigError(problems, file=file)
    return entries


def ownership_fault(file: Path, status: os.stat_result) -> str:
    """Why somebody who is not root could have written this file or put another in its place; empty where nobody could."""
    if status.st_uid != 0:
        return f"it belongs to {_user(status.st_uid)}, not to root; `chown root {file}`"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write it; `chmod go-w {file}`"
    return _folder_fault(file)


def _folder_fault(file: Path) -> str:
    for folder in file.resolve().parents:
        held = folder.stat()
        if held.st_uid != 0:
            return f"its folder {folder} belongs to {_user(held.st_uid)}, who can replace it; keep it in {SYSTEM}"
        if held.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not held.st_mode & stat.S_ISVTX:
            return f"others may write its folder {folder}; `chmod go-w {folder}`"
    return ""


def _user(uid: int) -> str:
    import pwd  # noqa: PLC0415  only for the message

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _within(version: str, wanted: str) -> bool:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  start-up: most runs trust no one
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def is_version_range(text: str) -> bool:
    """Whether PEP 440 knows it."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415  start-up: most runs trust no one

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True
