"""What is installed: every plugin that some distribution declares, read from metadata alone.

In: the import path. Out: ``Plugin`` entries and warnings about metadata that cannot be read. It never imports a plugin and never
reads a distribution's long metadata: name and version stand in the name of its ``.dist-info`` folder (binary distribution
format of the Python Packaging User Guide), the plugins in its ``entry_points.txt``. Both are untrusted: bounded, and
never trusted to be well formed.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

BUILTIN = "httpipe"
"""Name of the distribution that this file is part of."""

MAX_ENTRY_POINTS_BYTES = 64 << 10
"""The largest entry_points.txt among the 1,000 most downloaded packages has 8 KB; more than this is not read."""


class Kind(StrEnum):
    """What a plugin is."""

    SOURCE = "source"
    TRANSFORM = "transform"
    SINK = "sink"

    @property
    def group(self) -> str:
        """The entry-point group that plugins of this kind stand in."""
        return f"httpipe.{self.value}s"


_SUFFIX = ".dist-info"

GROUPS = {kind.group: kind for kind in Kind}


class Plugin(msgspec.Struct, frozen=True):
    """One plugin of one distribution: ``value`` is the ``module:attribute`` that would be imported, ``folder`` its metadata."""

    kind: Kind
    name: str
    distribution: str
    version: str
    value: str
    folder: Path | None

    @property
    def builtin(self) -> bool:
        """Part of httpipe: of our distribution *and* inside our own package, so that no one else's code can bear the name."""
        return self.distribution == BUILTIN and self.value.startswith("pipeline.")

    def __str__(self) -> str:
        return f"{self.kind} {self.name} of {self.distribution} {self.version}"


class Found(msgspec.Struct, frozen=True):
    """All plugins there are, and what could not be read."""

    plugins: tuple[Plugin, ...]
    warnings: tuple[str, ...]


def canonical(name: str) -> str:
    """A distribution's name in the one spelling that compares (name normalization of the Python Packaging User Guide)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def discover(path: Sequence[str] | None = None) -> Found:
    """Look through the metadata of everything on the import path; of two copies of a distribution the first counts."""
    plugins: list[Plugin] = []
    warnings: list[str] = []
    seen: set[str] = set()
    for folder in _folders(sys.path if path is None else path):
        name, _, version = folder.name.removesuffix(_SUFFIX).partition("-")
        if canonical(name) in seen:
            continue
        seen.add(canonical(name))
        try:
            plugins += _plugins(canonical(name), version, folder)
        except (OSError, ValueError) as error:
            warnings.append(f"the plugins of {canonical(name)} {version} are ignored: {error}")
    return Found(tuple(plugins), tuple(warnings))


def version_of(distribution: str) -> str:
    """The version of what is installed under this name; empty where nothing is."""
    parts = (folder.name.removesuffix(_SUFFIX).partition("-") for folder in _folders(sys.path))
    return next((version for name, _, version in parts if canonical(name) == distribution), "")


def _folders(path: Iterable[str]) -> Iterator[Path]:
    """Metadata of distributions, in the order of the import path; ``importlib.metadata`` takes 20 ms to import."""
    for entry in path:
        try:
            with os.scandir(entry or ".") as found:
                names = [each.name for each in found if each.name.endswith(_SUFFIX)]
        except OSError:
            continue
        yield from (Path(entry, name) for name in names)


def _plugins(distribution: str, version: str, folder: Path) -> Iterator[Plugin]:
    try:
        with (folder / "entry_points.txt").open("rb") as file:
            data = file.read(MAX_ENTRY_POINTS_BYTES + 1)
    except FileNotFoundError:
        return
    if b"httpipe." not in data:
        return
    if len(data) > MAX_ENTRY_POINTS_BYTES:
        raise ValueError(f"its entry_points.txt is larger than {MAX_ENTRY_POINTS_BYTES >> 10} KiB")
    for group, name, value in _entries(data.decode().splitlines()):
        if group in GROUPS:
            yield Plugin(GROUPS[group], name, distribution, version, value, folder)


_ENTRY = re.compile(r"^([a-z0-9_]+)\s*=\s*([A-Za-z_][\w.]*:[A-Za-z_][\w.]*)\s*$", re.ASCII)


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Group, name and value of each line, after the entry points specification of the Python Packaging User Guide."""
    group = ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            group = text[1:-1].strip()
        elif group not in GROUPS or not text or text[0] in "#;":
            continue
        elif entry := _ENTRY.match(text):
            yield group, entry[1], entry[2]
        else:
            raise ValueError(f'line {number} of its entry_points.txt is not "name = module:attribute"')
