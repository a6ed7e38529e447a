"""Lists for the kernel, as httpipe makes them."""

from collections.abc import Iterable

from pipeline.lists.entry import parse_entry
from pipeline.lists.kernel import Compiled, compile_lists
from pipeline.lists.urls import UrlList

SECRET = ("/admin/**", "/admin")
"""What the servers keep their secret under."""


def lists(deny: Iterable[str] = SECRET, allow: Iterable[str] | None = None) -> Compiled:
    """Of entries as people write them."""
    return compile_lists(UrlList(map(parse_entry, deny)), None if allow is None else UrlList(map(parse_entry, allow)))
