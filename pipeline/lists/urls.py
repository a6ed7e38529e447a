"""Lists of URLs: 100,000 entries, one verdict in a few microseconds whatever their number. Pure.

In: entries, then requests. Out: the text of the entry that fits a request.

Exact paths are looked up; prefixes are sorted, and of those that cover each other only the shortest is kept, so that one
bisection finds the only candidate; globs stand under their literal beginning.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.patterns import Test, any_glob_test, glob_test
from pipeline.lists.entry import WILD, Entry

MOST_ENTRIES = 1_000_000

MOST_LABELS = 20
"""Labels of a host that are walked for ``*.host`` entries: a name may have 127, nobody's list goes so deep."""

TOGETHER_CHARS = 4096
"""Globs with the same literal beginning are tried together, up to so many characters at a time: one pass for some 200."""


@dataclass(slots=True)
class Paths:
    """The paths of one method and host."""

    any: str = ""
    exact: dict[str, str] = field(default_factory=dict)
    prefixes: list[str] = field(default_factory=list)
    globs: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    tests: dict[str, list[tuple[Test, list[str]]]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take one entry."""
        path = entry.path
        if not path or path == "/**":
            self.any = self.any or entry.text
        elif not any(char in WILD for char in path):
            self.exact.setdefault(path, entry.text)
        elif path.endswith("**") and not any(char in WILD for char in path[:-2]):
            self.prefixes.append(path[:-2])
            self.texts.setdefault(path[:-2], entry.text)
        else:
            start = min(index for index, char in enumerate(path) if char in WILD)
            self.globs.setdefault(path[:start], {}).setdefault(path, entry.text)

    def seal(self) -> None:
        """Sort, after the last entry."""
        kept: list[str] = []
        for prefix in sorted(self.prefixes):
            if not kept or not prefix.startswith(kept[-1]):
                kept.append(prefix)
        self.prefixes = kept
        self.lengths = sorted({len(prefix) for prefix in self.globs})

    def find(self, path: str) -> str | None:
        """The text of an entry that fits the path."""
        if self.any:
            return self.any
        found = self.exact.get(path)
        if found is not None:
            return found
        at = bisect_right(self.prefixes, path)
        if at and path.startswith(self.prefixes[at - 1]):
            return self.texts[self.prefixes[at - 1]]
        return next((found for length in self.lengths if (found := self._glob(path[:length], path))), None)

    def _glob(self, prefix: str, path: str) -> str | None:
        globs = self.globs.get(prefix)
        if globs is None:
            return None
        # Compiled when first needed: 100,000 globs would take five seconds, and most are never asked.
        if prefix not in self.tests:
            self.tests[prefix] = [(any_glob_test(chunk), chunk) for chunk in chunks(globs)]
        for test, chunk in self.tests[prefix]:
            if test(path):
                return next((globs[glob] for glob in chunk if glob_test(glob)(path)), globs[chunk[0]])
        return None


def chunks(globs: Iterable[str]) -> Iterator[list[str]]:
    """Globs in groups of bounded length together."""
    group: list[str] = []
    size = 0
    for glob in globs:
        if group and size + len(glob) > TOGETHER_CHARS:
            yield group
            group, size = [], 0
        group.append(glob)
        size += len(glob)
    if group:
        yield group


class UrlList:
    """Entries by method and host. ``find`` gives the text of an entry that fits."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.groups: dict[tuple[str, str], Paths] = {}
        self.size = 0
        for entry in entries:
            self.size += 1
            if self.size > MOST_ENTRIES:
                raise ExpressionError(f"more than {MOST_ENTRIES} entries")
            self.groups.setdefault((entry.method, entry.host), Paths()).add(entry)
        for paths in self.groups.values():
            paths.seal()
        self.methods = sorted({method for method, _ in self.groups})
        self.has_hosts = any(host for _, host in self.groups)

    def find(self, method: str | None, host: str | None, path: str) -> str | None:
        """The first entry that fits: exact hosts before ``*.`` hosts before entries for any host. ``path``: a reading."""
        for name in self._hosts(host):
            for wanted in self.methods:
                if wanted and wanted != method:
                    continue
                paths = self.groups.get((wanted, name))
                found = paths.find(path) if paths is not None else None
                if found is not None:
                    return found
        return None

    def _hosts(self, host: str | None) -> Iterator[str]:
        if host and self.has_hosts and len(host) <= 255:
            name = host.lower().rstrip(".")
            yield name
            yield f"*.{name}"
            for _ in range(MOST_LABELS):
                _, dot, name = name.partition(".")
                if not dot:
                    break
                yield f"*.{name}"
        yield ""
