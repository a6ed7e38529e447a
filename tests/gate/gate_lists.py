"""Lists for the kernel: paths and prefixes for any host and method."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.sources.gate import abi

SECRET = ("/admin/**", "/admin")
"""What the servers keep their secret under."""


@dataclass(frozen=True)
class Lists:
    """As ``CompiledLists``."""

    names: Mapping[bytes, bytes]
    prefixes: Mapping[bytes, bytes]
    rows: Sequence[bytes] = ()
    deny: bool = True
    allow: bool = False
    hosts: bool = False
    methods: bool = False


def lists(deny: Iterable[str] = SECRET) -> Lists:
    """The number of an entry is its place, counted from 1."""
    group = abi.FOUND.pack(abi.Group.EXACT | abi.Group.PREFIX, 0, 0, 0)
    names = {abi.NAME.pack(abi.Kind.GROUP, 0, 0, b""): group}
    prefixes = {}
    for number, entry in enumerate(deny, 1):
        text = entry.removesuffix("**").encode()
        found = abi.FOUND.pack(number, 0, 0, 0)
        if entry.endswith("**"):
            prefixes[abi.PREFIX.pack(abi.PREFIX_BITS + 8 * len(text), abi.Kind.PATH, 0, 0, text)] = found
        else:
            names[abi.NAME.pack(abi.Kind.PATH, 0, 0, text)] = found
    return Lists(names, prefixes)
