"""The canonical path: one form for all spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lists.path import canonical_path


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/a/../../b", "/b"),
        ("/a/.", "/a/"),
        ("/..", "/"),
        ("/a//b/", "/a/b/"),
        ("/%7eu/%2f", "/~u/"),
        ("/x%2f..%2Fadmin", "/admin"),
        ("/%2e%2E/x", "/x"),
        ("/%2561dmin", "/%61dmin"),
        ("/caf%c3%a9", "/café"),
        ("/%c0%afx%ff", "/%C0%AFx%FF"),
        ("/%3Fx%23", "/?x#"),
        ("/a%00b", "/a\x00b"),
        ("*", "*"),
        ("/%zz%", "/%zz%"),
        ("", ""),
        ("/\ud800%41", "/%ED%A0%80A"),
    ],
)
def test_canonical_path(path: str, canonical: str) -> None:
    """RFC 3986, sections 5.2.4 and 6.2.2.2; what servers do beyond it stands in the module."""
    assert canonical_path(path) == canonical


@given(st.lists(st.sampled_from(["/", "//", ".", "..", "a", "%2f", "%2e", "%61", "%25", "%c3%a9", "%ff", "%", "é"]), max_size=12))
def test_what_has_no_escapes_left_is_canonical(parts: list[str]) -> None:
    """No empty segment and no dot segment is left, and without further escapes the form is its own form."""
    path = canonical_path("/" + "".join(parts))
    assert path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")[1:-1])
    assert path.split("/")[-1] not in {".", ".."}
    if "%" not in path:
        assert canonical_path(path) == path
