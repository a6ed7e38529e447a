"""Readings of a path: whatever way leads to a resource on some server is among them, and there is an end to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lists.path import canonical_path
from pipeline.lists.readings import MOST_CHARACTERS, MOST_READINGS, readings


@pytest.mark.parametrize(
    ("path", "reached"),
    [
        ("/x%2f..%2fadmin", "/admin"),
        ("/admin;v=1", "/admin"),
        ("/admin%3bv=1", "/admin"),
        ("/x/..;/admin", "/admin"),
        ("/x/..;a=b%2f/admin", "/admin"),
        ("/;a/admin;b", "/admin"),
        ("/x\\..\\admin", "/admin"),
        ("/x%5c..%5cadmin", "/admin"),
        ("/admin%00.png", "/admin"),
        ("/ad\tmin", "/admin"),
        ("/ad%0amin", "/admin"),
        ("/admin%09", "/admin"),
        ("/%2561dmin", "/admin"),
        ("/x%252f..%252fadmin", "/admin"),
        ("/%252561dmin", "/admin"),
        ("/x/..%253b/admin", "/admin"),
        ("/x%c0%af..%c0%afadmin", "/admin"),
        ("/%c1%a1dmin", "/admin"),
        ("/%u0061dmin", "/admin"),
        ("//shop.example/admin", "/admin"),
        ("/\\shop.example/admin", "/admin"),
        ("/admin//../x", "/admin/x"),
        ("/admin/..", "/admin/.."),
        ("/admin/..%2fx", "/admin/..%2fx"),
        ("/admin/%2e%2e/x", "/admin/../x"),
    ],
)
def test_every_way_to_a_resource_is_a_reading(path: str, reached: str) -> None:
    """Each is what some server, or a proxy with a server behind it, looks for."""
    paths, complete = readings(path)
    assert reached in paths
    assert complete
    assert paths[0] == canonical_path(path)


@pytest.mark.parametrize(
    "path", ["/", "", "*", "/a/b.c/", "/caf%c3%a9", "/100%/of", "/a%20b", "/.well-known/x", "/a..b/...", "/a//b"]
)
def test_what_all_servers_read_alike_has_one_reading(path: str) -> None:
    """That is nearly every path, and costs one search."""
    assert readings(path) == ((canonical_path(path),), True)


PIECES = [
    "/",
    "//",
    ".",
    "..",
    "a",
    ";",
    "\\",
    "%",
    "%2f",
    "%2e",
    "%61",
    "%25",
    "%3b",
    "%5c",
    "%00",
    "\t",
    "%c0%af",
    "%u002f",
    "é",
    "\udc80",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_there_is_an_end_to_readings(parts: list[str]) -> None:
    """However they are made; when it is reached early, that is said."""
    paths, complete = readings("/" + "".join(parts))
    assert len(paths) == len(set(paths)) <= MOST_READINGS
    assert complete or len(paths) > 1


def test_long_paths_have_few_readings() -> None:
    """What a stranger can make us compare is bounded."""
    paths, complete = readings("/" + "..;%2525\\" * 5000)
    assert not complete
    assert sum(map(len, paths[1:])) <= MOST_CHARACTERS
