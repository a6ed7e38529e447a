"""One entry of a list of URLs, taken apart.

An entry is a line: an optional method, then a host, a path or both.

    /admin/login              this path, on every host
    /admin/**                 everything that starts with /admin/
    /*/debug                  a glob: * within a segment, ** across segments, ? one character, [a-z] one of a set
    /users/{id}/keys          a template: {id} is one segment, {rest...} any number of them
    evil.example              this host, whatever the path, at any port; [2001:db8::1] an address of IPv6
    *.evil.example            this host and everything below it
    evil.example/api/**       both together
    POST /upload              only with this method

Paths are brought into the form of ``path.canonical_path``, as those of requests are.
"""

import re
from dataclasses import dataclass

from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.patterns import glob_test
from pipeline.lists.path import canonical_path

WILD = frozenset("*?[")
LONGEST_GLOB = 1024

_PLACE = re.compile(r"(?<=/)\{[A-Za-z0-9_]+(\.\.\.)?\}(?=/|$)")
_ADDRESS = re.compile(r"\[([0-9A-Fa-f:.]+)\]$")
_ESCAPED_WILD = re.compile(r"%(2[aA]|3[fF]|5[bB])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``text`` is how it was written; an empty part stands for any."""

    text: str
    method: str = ""
    host: str = ""
    path: str = ""


def parse_entry(line: str) -> Entry:
    """The entry of a line without comment. Raises ``ExpressionError``."""
    words = line.split()
    if not words or len(words) > 2:
        raise ExpressionError(f'"{line}" is not an entry: an optional method, then a host, a path or both')
    method = words[0] if len(words) == 2 else ""
    target = words[-1].removeprefix("http://").removeprefix("https://")
    host, slash, path = target.partition("/")
    host = _ADDRESS.sub(r"\1", host)
    if any(char in WILD for char in host.removeprefix("*.")) or (method and not method.isascii()):
        raise ExpressionError(f'"{line}" is not an entry: a host may only begin with "*."')
    if "@" in host or host.count(":") == 1:
        raise ExpressionError(f'"{line}" is not an entry: a host stands without port and user, and fits whatever they are')
    path = _path(slash + path) if slash else ""
    if len(path) > LONGEST_GLOB and any(char in WILD for char in path):
        raise ExpressionError(f"a glob has at most {LONGEST_GLOB} characters, this one {len(path)}")
    if "[" in path:
        glob_test(path)  # a set may be malformed; nothing else in a glob can be
    return Entry(" ".join(words), method.upper(), _host(host, line), path)


def _path(path: str) -> str:
    """Canonical, templates as globs. An escaped wildcard is the character itself, which a set of one says."""
    path = _PLACE.sub(lambda place: "**" if place[1] else "?*", path)
    return canonical_path(_ESCAPED_WILD.sub(lambda escape: f"[{chr(int(escape[1], 16))}]", path))


def _host(host: str, line: str) -> str:
    """As it stands in a request: lower case, without the last dot, in ASCII (RFC 5891; UTS 46 for what people type)."""
    below, name = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    if not name.isascii():
        import idna  # noqa: PLC0415  10 ms that only those with such names pay

        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise ExpressionError(f'"{line}" is not an entry: {error}') from error
    return below + name.lower().rstrip(".")
