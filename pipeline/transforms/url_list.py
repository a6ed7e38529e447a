"""Lists of URLs: 100,000 entries, one verdict in a few microseconds whatever their number. Pure.

An entry is a line: an optional method, then a host, a path or both.

    /admin/login              this path, on every host
    /admin/**                 everything that starts with /admin/
    /*/debug                  a glob: * within a segment, ** across segments, ? one character
    evil.example              this host, whatever the path
    *.evil.example            this host and everything below it
    evil.example/api/**       both together
    POST /upload              only with this method

Exact paths are looked up; prefixes are sorted, and of those that cover each other only the shortest is kept, so that one
bisection finds the only candidate; globs stand under their literal beginning.
"""

import re
import string
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.expressions import ExpressionError
from pipeline.expressions.patterns import Test, any_glob_test, glob_test

MOST_ENTRIES = 1_000_000

MOST_LABELS = 20
"""Labels of a host that are walked for ``*.host`` entries: a name may have 127, nobody's list goes so deep."""

WILD = frozenset("*?[")
TOGETHER_CHARS = 4096
"""Globs with the same literal beginning are tried together, up to so many characters at a time: one pass for some 200."""

LONGEST_GLOB = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One line, taken apart. Empty: any."""

    text: str
    method: str = ""
    host: str = ""
    path: str = ""


def parse_entry(line: str) -> Entry:
    """The entry of a line without comment. Raises ``ExpressionError``."""
    words = line.split()
    if len(words) > 2:
        raise ExpressionError(f'"{line}" is no entry: an optional method, then a host, a path or both')
    method = words[0] if len(words) == 2 else ""
    target = words[-1].removeprefix("http://").removeprefix("https://")
    host, slash, path = target.partition("/")
    if any(char in WILD for char in host.removeprefix("*.")) or (method and not method.isascii()):
        raise ExpressionError(f'"{line}" is no entry: a host may only begin with "*."')
    if len(path) > LONGEST_GLOB and any(char in WILD for char in path):
        raise ExpressionError(f"a glob has at most {LONGEST_GLOB} characters, this one {len(path)}")
    if "[" in path:
        glob_test(path)  # a set may be malformed; nothing else in a glob can be
    return Entry(" ".join(words), method.upper(), host.lower().rstrip("."), slash + path if slash else "")


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


def normal_path(path: str) -> str:
    """The path as a server would most likely understand it, so that `/%61dmin`, `//admin` and `/x/../admin` hide nothing.

    Percent-encoded unreserved characters are decoded (RFC 3986, section 6.2.2.2), dot segments removed (section 5.2.4), and
    repeated slashes become one, which is no rule but what servers do.
    """
    if "%" in path:
        path = _ESCAPE.sub(_decoded, path)
    if "//" not in path and "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    trailing = "/" if segments[-1] in ("", ".", "..") and kept else ""
    return "/" + "/".join(kept) + trailing


_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")


def _decoded(match: re.Match[str]) -> str:
    char = chr(int(match[0][1:], 16))
    return char if char in _UNRESERVED else match[0].upper()


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

    def find(self, method: str | None, host: str | None, path: str | None) -> str | None:
        """The first entry that fits: exact hosts before ``*.`` hosts before entries for any host."""
        path = normal_path(path or "")
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


def parse_lines(text: str) -> Iterator[Entry]:
    """The entries of a text: one a line, ``#`` begins a comment. Raises ``ExpressionError`` with the line's number."""
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.split("#", 1)[0].strip()
        if entry:
            try:
                yield parse_entry(entry)
            except ExpressionError as error:
                raise ExpressionError(f"line {number}: {error.message}") from None
