"""Lists of URLs for the kernel: the same lists, as keys and values of its maps. Pure.

In: a list of what is denied, a list of what is allowed. Out: ``Compiled``, or what the kernel cannot hold of them. The layouts
are those of ``pipeline/bpf/gate/lists.h``.

Hosts and methods have numbers, so that an entry costs one key whatever it names. The kernel looks up the request's host, then the
longest ``*.`` host that covers it, by ``parent`` the next shorter ones, and at last 0, any host; for each of them first entries
without a method, then those with the request's; for each of these a host alone, the exact path, the prefix, the globs. That is
the order of ``UrlList.find``. Where several globs fit, whichever of them is named.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct

from pipeline.expressions.errors import ExpressionError
from pipeline.lists.automaton import MOST_ROWS, Automaton, TooManyRowsError
from pipeline.lists.glob_places import WHATEVER, Places, literal, variants
from pipeline.lists.urls import Paths, UrlList

TEXT_BYTES = 120
"""Of hosts, exact paths and prefixes in keys; longer paths are walked by the automaton."""

METHOD_BYTES = 15
PATH_BYTES = 512
"""The kernel looks at no longer path: such a request is a doubt."""

MOST_KEYS = 262_144
"""Of one map, some 200 bytes of kernel memory each; an entry is one key, and a host or a method that is named two more."""

MOST_FAULTS = 20

NAME = Struct(f"=III{TEXT_BYTES}s")
"""kind, host, method, text."""
PREFIX = Struct(f"=IIII{TEXT_BYTES}s")
"""bits, kind, host, method, text."""
VALUE = Struct("=IIII")

HOST, SUFFIX, METHOD, GROUP, PATH = range(1, 6)
ALLOW = 16
"""Added to the kind in the list of what is allowed."""

GROUP_ANY, GROUP_EXACT, GROUP_PREFIX, GROUP_GLOBS = 1, 2, 4, 8

_ONLY_A_DOUBT = re.compile("\0|%[89A-F][0-9A-F]")

_TOO_LONG = "the kernel compares {} bytes of a {} at most, this one has {}; requests that name a longer one are doubts (on_doubt)"
_TOO_LONG_PATH = (
    f"the kernel looks at {PATH_BYTES} bytes of a path at most, this one has {{}}: name a prefix such as /x/**; "
    "longer paths are doubts (on_doubt)"
)
_NO_TEXT = "bytes that are not UTF-8, and NUL, are doubts to the kernel, whatever the list says: leave it out (on_doubt)"
_TOO_MANY = f"the kernel holds {MOST_KEYS} keys, these lists make {{}}: let a prefix such as /x/** stand for the paths below it"
_TOO_MANY_GLOBS = (
    f"all globs together need more than the {MOST_ROWS} states that the kernel holds, this one most of all: "
    "name fewer with several * or ** in them, or say it by a prefix such as /x/**"
)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the maps hold.

    ``deny``, ``allow``      whether there is such a list; where there is one of what is allowed, all else is refused.
    ``hosts``, ``methods``   whether any entry names one.
    ``entries``              texts: number n in a value is ``entries[n - 1]``.
    """

    names: Mapping[bytes, bytes]
    prefixes: Mapping[bytes, bytes]
    rows: Sequence[bytes]
    deny: bool
    allow: bool
    hosts: bool
    methods: bool
    entries: Sequence[str]


class Unheld(Exception):  # noqa: N818  entries that the kernel does not hold
    """``faults``: entry → why the kernel cannot hold it, and what to do. At most 20."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        self.faults = dict(faults)
        super().__init__("; ".join(f'"{entry}": {why}' for entry, why in self.faults.items()))


def compile_lists(deny: UrlList, allow: UrlList | None) -> Compiled:
    """Both lists as they are in the kernel; ``allow``: None where whatever is not denied is allowed. Raises ``Unheld``."""
    made = _Made()
    made.add(deny, 0)
    if allow is not None:
        made.add(allow, ALLOW)
    for held in (made.names, made.prefixes):
        if len(held) > MOST_KEYS:
            made.refuse(made.entries[-1], _TOO_MANY.format(len(held)))
    if made.faults:
        raise Unheld(made.faults)
    lists = [deny] if allow is None else [deny, allow]
    return Compiled(
        made.names,
        made.prefixes,
        made.automaton.rows if len(made.automaton.rows) > 1 else (),
        deny.size > 0,
        allow is not None,
        any(each.has_hosts for each in lists),
        any(method for each in lists for method in each.methods),
        made.entries,
    )


@dataclass(slots=True)
class _Made:
    """What has been made so far, of both lists."""

    names: dict[bytes, bytes] = field(default_factory=dict)
    prefixes: dict[bytes, bytes] = field(default_factory=dict)
    automaton: Automaton = field(default_factory=Automaton)
    entries: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def refuse(self, entry: str, why: str) -> None:
        """Note what the kernel cannot hold."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.setdefault(entry, why)

    def number(self, entry: str) -> int:
        """The entry's number."""
        found = self.numbers.get(entry)
        if found is None:
            self.entries.append(entry)
            found = self.numbers[entry] = len(self.entries)
        return found

    def add(self, urls: UrlList, list_kind: int) -> None:
        """One list."""
        hosts = {host: number for number, host in enumerate(sorted({"", *(host for _, host in urls.groups)}))}
        methods = {method: number for number, method in enumerate(sorted({"", *urls.methods}))}
        for (method, host), paths in urls.groups.items():
            if method:
                self._fits("method", method, METHOD_BYTES, paths)
                self._name(METHOD + list_kind, method, methods[method])
            if host:
                self._host(host, hosts[host], list_kind, paths)
        for host, number in hosts.items():
            for method, method_number in methods.items():
                group = urls.groups.get((method, host))
                if group is not None or not method:
                    value = self._paths(group or Paths(), list_kind, number, method_number)
                    parent = 0 if method else hosts[covering(host, hosts)]
                    self.names[NAME.pack(GROUP + list_kind, number, method_number, b"")] = VALUE.pack(*value, parent)

    def _host(self, host: str, number: int, list_kind: int, paths: Paths) -> None:
        below = host.startswith("*.")
        self._fits("host", host.removeprefix("*."), TEXT_BYTES - below, paths)
        if below:
            self._prefix(SUFFIX + list_kind, 0, 0, host[:1:-1].encode() + b".", number)
        else:
            self._name(HOST + list_kind, host, number)

    def _paths(self, paths: Paths, list_kind: int, host: int, method: int) -> tuple[int, int, int]:
        """Flags, entry of the whole host, first row of the globs."""
        if paths.any:
            return GROUP_ANY, self.number(paths.any), 0
        flags = 0
        globs: list[tuple[Places, int]] = []
        for path, entry in paths.exact.items():
            data = self._checked(path, entry)
            if len(data) <= TEXT_BYTES:
                self.names[NAME.pack(PATH + list_kind, host, method, data)] = VALUE.pack(self.number(entry), 0, 0, 0)
                flags |= GROUP_EXACT
            else:
                globs.append((literal(path), self.number(entry)))
        for path in paths.prefixes:
            entry = paths.texts[path]
            data = self._checked(path, entry)
            if len(data) <= TEXT_BYTES:
                self._prefix(PATH + list_kind, host, method, data, self.number(entry))
                flags |= GROUP_PREFIX
            else:
                globs.append(((*literal(path), WHATEVER), self.number(entry)))
        globs += self._globs(paths)
        if not globs:
            return flags, 0, 0
        try:
            return flags | GROUP_GLOBS, 0, self.automaton.add(globs)
        except TooManyRowsError as error:
            self.refuse(self.entries[error.entry - 1], _TOO_MANY_GLOBS)
            return flags, 0, 0

    def _globs(self, paths: Paths) -> Iterator[tuple[Places, int]]:
        for together in paths.globs.values():
            for glob, entry in together.items():
                self._checked(glob, entry)
                try:
                    for places in variants(glob):
                        yield places, self.number(entry)
                except ExpressionError as error:
                    self.refuse(entry, error.message)

    def _checked(self, path: str, entry: str) -> bytes:
        """The bytes of a path or glob."""
        data = path.encode("utf-8", "surrogatepass")
        if len(data) > PATH_BYTES:
            self.refuse(entry, _TOO_LONG_PATH.format(len(data)))
        if _ONLY_A_DOUBT.search(path):
            self.refuse(entry, _NO_TEXT)
        return data

    def _fits(self, what: str, name: str, most: int, paths: Paths) -> None:
        if len(name) > most:
            self.refuse(an_entry(paths), _TOO_LONG.format(most, what, len(name)))

    def _name(self, kind: int, name: str, number: int) -> None:
        """The number of a host or a method."""
        self.names[NAME.pack(kind, 0, 0, name.encode())] = VALUE.pack(number, 0, 0, 0)

    def _prefix(self, kind: int, host: int, method: int, text: bytes, number: int) -> None:
        self.prefixes[PREFIX.pack(96 + 8 * len(text), kind, host, method, text)] = VALUE.pack(number, 0, 0, 0)


def covering(host: str, hosts: Collection[str]) -> str:
    """The next of the hosts that is asked for the same request: the longest ``*.`` host that covers this one; "" for none."""
    name = host.removeprefix("*.")
    if name and host == name and f"*.{name}" in hosts:
        return f"*.{name}"
    while name:
        name = name.partition(".")[2]
        if f"*.{name}" in hosts:
            return f"*.{name}"
    return ""


def an_entry(paths: Paths) -> str:
    """One that names their host and method."""
    globs = (entry for together in paths.globs.values() for entry in together.values())
    return paths.any or next((entry for entry in (*paths.exact.values(), *paths.texts.values(), *globs)), "")
