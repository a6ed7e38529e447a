"""The lists of a firewall: from options and bytes of files to what the kernel holds, or every problem with them at once.

In: the source's options, and who reads files. Out: ``Compiled``. 100,000 entries take about four seconds: this is for threads.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.api import ConfigError, Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.lists.entry import Entry, parse_entry
from pipeline.lists.files import Fault, lines_of
from pipeline.lists.kernel import Compiled, Unheld, an_entry, compile_lists
from pipeline.lists.urls import UrlList
from pipeline.sources.gate.config import FirewallConfig, ListOptions

MOST_PROBLEMS = 20
"""Of one list: a file that is no list has one in each line."""

SHOWN = 80
"""Characters of an entry in a message."""

ReadFile = Callable[[str], bytes | None]

Version = tuple[int, int, int]
"""Of a file: inode, size, and when it was changed, in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Understood:
    """Lists, and what makes them weak.

    ``denied_by_host``: an entry of what is denied that names a host, or empty; ``allowed_anywhere``: one of what is allowed that
    names none.
    """

    compiled: Compiled
    denied_by_host: str
    allowed_anywhere: str


def understood(config: FirewallConfig, read_file: ReadFile) -> Understood:
    """The lists for the kernel; a file that ``read_file`` gives None for is left out. Raises ``ConfigError``."""
    lists = [_List("deny", config.deny, read_file), _List("allow", config.allow, read_file)]
    problems = [problem for each in lists for problem in each.problems]
    if not config.denies and not config.allows:
        problems.append(Problem("deny", "is empty, and so is allow: name at least one entry, or a file"))
    if problems:
        raise ConfigError(problems)
    deny, allow = (each.urls for each in lists)
    try:
        compiled = compile_lists(deny, allow if config.allows else None)
    except Unheld as unheld:
        raise ConfigError([problem for each in lists for problem in each.unheld(unheld.faults)]) from None
    by_host = next((an_entry(paths) for (_, host), paths in deny.groups.items() if host), "")
    anywhere = next((an_entry(paths) for (_, host), paths in allow.groups.items() if not host), "")
    return Understood(compiled, by_host, anywhere)


def versions(config: FirewallConfig) -> Mapping[str, Version | None]:
    """Which versions of the files are there now; None for one that is not."""
    return {file: _version(file) for file in (config.deny.file, config.allow.file) if file is not None}


def read(path: str) -> bytes:
    """A file of entries, as it is now. Raises ``OSError``."""
    with open(path, "rb") as file:  # noqa: PTH123  the path of an error is then as the user wrote it
        return file.read()


def _version(path: str) -> Version | None:
    try:
        found = os.stat(path)  # noqa: PTH116  as above
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


class _List:
    """One of the two. ``problems``: what is wrong with its entries, each under its option."""

    def __init__(self, option: str, options: ListOptions, read_file: ReadFile) -> None:
        self._option = option
        self._places: dict[str, tuple[str, str]] = {}
        """Text of an entry → the option it stands in, and words for the line of a file."""
        self.problems: list[Problem] = []
        self.urls = UrlList()
        try:
            self.urls = UrlList([*self._own(options), *self._of_file(options.file, read_file)])
        except ExpressionError as error:
            self.problems.append(Problem(option, error.message))

    def unheld(self, faults: Mapping[str, str]) -> Iterator[Problem]:
        """What the kernel cannot hold of it."""
        for text, why in faults.items():
            if text in self._places:
                where, line = self._places[text]
                yield Problem(where, f'{line}"{_shortened(text)}": {why}')

    def _own(self, options: ListOptions) -> Iterator[Entry]:
        for number, line in enumerate(options.entries):
            where = f"{self._option}.entries.{number}"
            try:
                entry = parse_entry(line)
            except ExpressionError as error:
                self.problems += error.at(where)
                continue
            self._places.setdefault(entry.text, (where, ""))
            yield entry

    def _of_file(self, file: str | None, read_file: ReadFile) -> Iterator[Entry]:
        where = f"{self._option}.file"
        try:
            data = None if file is None else read_file(file)
        except OSError as error:
            self.problems.append(Problem(where, f'"{file}" cannot be read: {error.strerror or error}'))
            return
        wrong = 0
        for each in lines_of(data or b""):
            if isinstance(each, Fault):
                wrong += 1
                if wrong <= MOST_PROBLEMS:
                    self.problems.append(
                        Problem(where, f"{file}:{each.line}: {each.message}" if each.line else f"{file}: {each}")
                    )
                continue
            self._places.setdefault(each.entry.text, (where, f"{file}:{each.number}: "))
            yield each.entry
        if wrong > MOST_PROBLEMS:
            self.problems.append(Problem(where, f"{file}: {wrong - MOST_PROBLEMS} more lines are no entries"))
