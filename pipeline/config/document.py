"""A pipeline file as a document: its tables told apart, nothing about any component checked yet.

In: the bytes of the file, its name and the environment. Out: a ``Document``, and every problem of syntax, of variables and of
the outermost structure. It reads no file itself, and never guesses what a misspelt table might have been: it says so.
"""

import re
import tomllib
from collections.abc import Mapping

import msgspec

from pipeline.config.elsewhere import elsewhere
from pipeline.config.interpolate import interpolate
from pipeline.config.options import ID_PATTERN
from pipeline.config.words import shown
from pipeline.errors import ConfigError, Problem, did_you_mean

KINDS = ("sources", "transforms", "sinks")
TABLES = (*KINDS, "process", "telemetry", "resource", "ui", "tests")

Table = Mapping[str, object]


class Entry(msgspec.Struct, frozen=True):
    """One component as it stands in the file: ``[sinks.bus]`` is kind ``sinks``, id ``bus``."""

    kind: str
    id: str
    table: Table

    @property
    def path(self) -> str:
        """Where it stands in the file."""
        return f"{self.kind}.{self.id}"


class Document(msgspec.Struct, frozen=True):
    """A pipeline file, parsed. ``problems`` are those of its outermost structure; what is wrong is left out of the rest."""

    file: str
    tree: Table
    entries: tuple[Entry, ...]
    process: Table
    telemetry: Table
    resource: Table | None
    ui: Table | None
    tests: tuple[Table, ...]
    problems: tuple[Problem, ...]

    def of(self, kind: str) -> tuple[Entry, ...]:
        """The components of one kind, in the order of the file."""
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def in_order(self, problems: list[Problem]) -> list[Problem]:
        """Problems in the order of the file; those of one place in the order they were found."""
        place = {path: number for number, path in enumerate(_paths(self.tree, ""))}
        return sorted(dict.fromkeys(problems), key=lambda problem: _place(problem.path, place))


def parse(data: bytes, file: str, environment: Mapping[str, str]) -> Document:
    """Read a pipeline file. Raises ``ConfigError`` only where nothing after it can be understood: encoding and syntax."""
    raw = _toml(data, file)
    if not raw:
        message = "the file is empty; a pipeline needs at least one [sources.ID] and one [sinks.ID]"
        raise ConfigError([Problem("", message)], file=file)
    tree, problems = interpolate(raw, environment)
    assert isinstance(tree, dict)  # noqa: S101  interpolation keeps the structure
    entries: list[Entry] = []
    problems += [_unknown_table(name, value) for name, value in tree.items() if name not in TABLES]
    for kind in (name for name in tree if name in KINDS):
        entries += _entries(kind, tree[kind], problems)
    process = _table("process", tree.get("process", {}), problems)
    telemetry = _table("telemetry", tree.get("telemetry", {}), problems)
    resource, ui = (_table(name, tree[name], problems) if name in tree else None for name in ("resource", "ui"))
    problems += _repeated(entries)
    tests = _tests(tree.get("tests", []), problems)
    return Document(file, tree, tuple(entries), process, telemetry, resource, ui, tests, tuple(problems))


def _toml(data: bytes, file: str) -> dict[str, object]:
    try:
        return tomllib.loads(data.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(f"line {line}", f"byte 0x{data[error.start]:02x} is not UTF-8, which TOML files are written in")
    except tomllib.TOMLDecodeError as error:
        problem = _syntax(str(error), data.decode())
    except RecursionError:
        problem = Problem("", "values are nested too deeply")
    raise ConfigError([problem], file=file)


_PLACE = r"(?s)^(?P<message>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$"
_NAMES = r"\((?:'[^']*'(?:, )?)+,?\)"


def _syntax(text: str, source: str) -> Problem:
    """TOML's complaint with its place in front and the line behind it."""
    found = re.match(_PLACE, text)
    message = found["message"] if found else text
    message = re.sub(_NAMES, lambda names: "[" + ".".join(re.findall(r"'([^']*)'", names[0])) + "]", message)
    message = message[:1].lower() + message[1:]
    if not found or not found["line"]:
        return Problem("end of file", f"not valid TOML: {message}")
    line = source.splitlines()[int(found["line"]) - 1] if int(found["line"]) <= len(source.splitlines()) else ""
    return Problem(f"line {found['line']}, column {found['column']}", f"not valid TOML: {message}: {shown(line.strip())}")


def _unknown_table(name: str, value: object) -> Problem:
    hint = did_you_mean(name, TABLES)
    if not isinstance(value, dict | list) and (place := elsewhere(name)):
        return Problem(name, f"stands in no table{place}")
    return Problem(name, f"unknown table{hint or '; known: ' + ', '.join(TABLES)}")


def _table(path: str, value: object, problems: list[Problem]) -> Table:
    if isinstance(value, dict):
        return value
    problems.append(Problem(path, f"{shown(value)} is not a table; write [{path}] and its options on lines of their own"))
    return {}


def _entries(kind: str, value: object, problems: list[Problem]) -> list[Entry]:
    if isinstance(value, list):
        problems.append(Problem(kind, f"is a list; write [{kind}.ID], with one pair of brackets and a name of your choice"))
        return []
    if not isinstance(value, dict):
        problems.append(Problem(kind, f"{shown(value)} is not a table; write [{kind}.ID] and its options"))
        return []
    entries = []
    for name, table in value.items():
        path = f"{kind}.{name}"
        if not isinstance(table, dict):
            problems.append(Problem(path, f"{shown(table)} is not a table; write [{kind}.ID], with a name of your choice for ID"))
        elif not re.match(ID_PATTERN, name):
            problems.append(Problem(path, f'"{name}" is not an id; ids are of lower-case letters, digits and "_"'))
        else:
            entries.append(Entry(kind, name, table))
    return entries


def _repeated(entries: list[Entry]) -> list[Problem]:
    first: dict[str, Entry] = {}
    problems = []
    for entry in entries:
        other = first.setdefault(entry.id, entry)
        if other is not entry:
            problems.append(Problem(entry.path, f'id "{entry.id}" is taken by [{other.path}]; every component needs its own'))
    return problems


def _tests(value: object, problems: list[Problem]) -> tuple[Table, ...]:
    if isinstance(value, list) and all(isinstance(test, dict) for test in value):
        return tuple(value)
    problems.append(Problem("tests", "is not a list of tables; write [[tests]], with two pairs of brackets"))
    return ()


def _paths(node: object, path: str) -> list[str]:
    """Every path of the tree, in the order of the file."""
    found = [path]
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += _paths(value, f"{path}.{key}" if path else str(key))
    return found


def _place(path: str, place: Mapping[str, int]) -> int:
    while path not in place and "." in path:
        path = path.rpartition(".")[0]
    return place.get(path, -1)
