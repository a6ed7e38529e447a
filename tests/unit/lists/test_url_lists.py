"""Lists of URLs: each kind of entry fits what it says and nothing else."""

import pytest

from pipeline.expressions.errors import ExpressionError
from pipeline.lists.entry import Entry, parse_entry
from pipeline.lists.files import Line, lines_of
from pipeline.lists.path import canonical_path
from pipeline.lists.urls import UrlList


def entries_of(text: str) -> list[Entry]:
    """Those of a file that has nothing but entries."""
    return [line.entry for line in lines_of(text.encode()) if isinstance(line, Line)]


LIST = """
# ours
/exact
/admin/**        # a prefix
/admin/secret/** # covered by the one above
/*/debug
/**/.git/[!c]*
/café
//%61%20b/c
/users/{id}/keys
/files/{name}/{rest...}
/what%2a
Müller.example
evil.example
*.bad.example
api.example/v1/**
POST /upload
delete api.example/v2/things
[2001:DB8::1]/secret
"""


@pytest.mark.parametrize(
    ("method", "host", "path", "entry"),
    [
        ("GET", "a.example", "/exact", "/exact"),
        ("GET", "a.example", "/exact/", None),
        ("GET", "a.example", "/admin/", "/admin/**"),
        ("GET", "a.example", "/admin/secret/x", "/admin/**"),
        ("GET", "a.example", "/admin", None),
        ("GET", "a.example", "/x/debug", "/*/debug"),
        ("GET", "a.example", "/x/y/debug", None),
        ("GET", "a.example", "/x/y/.git/head", "/**/.git/[!c]*"),
        ("GET", "a.example", "/x/y/.git/config", None),
        ("GET", "EVIL.example.", "/any", "evil.example"),
        ("GET", "x.evil.example", "/any", None),
        ("GET", "bad.example", "/", "*.bad.example"),
        ("GET", "a.b.bad.example", None, "*.bad.example"),
        ("GET", "notbad.example", "/", None),
        ("GET", "api.example", "/v1/x", "api.example/v1/**"),
        ("GET", "api.example", "/v2/things", None),
        ("DELETE", "api.example", "/v2/things", "delete api.example/v2/things"),
        ("POST", "a.example", "/upload", "POST /upload"),
        ("GET", "a.example", "/upload", None),
        ("GET", "a.example", "/%61dmin/", "/admin/**"),
        ("GET", "a.example", "//admin/", "/admin/**"),
        ("GET", "a.example", "/x/../admin/./y", "/admin/**"),
        ("GET", "a.example", "/admin%2Fx", "/admin/**"),
        ("GET", "a.example", "/x%2f..%2fadmin/", "/admin/**"),
        ("GET", "a.example", "/caf%C3%A9", "/café"),
        ("GET", "a.example", "/café", "/café"),
        ("GET", "a.example", "/a b/c", "//%61%20b/c"),
        ("GET", "a.example", "/users/7/keys", "/users/{id}/keys"),
        ("GET", "a.example", "/users//keys", None),
        ("GET", "a.example", "/users/7/8/keys", None),
        ("GET", "a.example", "/files/a/b", "/files/{name}/{rest...}"),
        ("GET", "a.example", "/what*", "/what%2a"),
        ("GET", "a.example", "/whatever", None),
        ("GET", "xn--mller-kva.example", "/", "Müller.example"),
        ("GET", "2001:db8::1", "/secret", "[2001:DB8::1]/secret"),
        (None, None, None, None),
    ],
)
def test_list_of_urls(method: str | None, host: str | None, path: str | None, entry: str | None) -> None:
    """Each kind of entry fits what it says and nothing else; spellings of the same path hide nothing."""
    assert UrlList(entries_of(LIST)).find(method, host, canonical_path(path or "")) == entry


def test_long_list_finds_first_and_last() -> None:
    """Whatever kind of entry it is, its place in a long list does not matter; entries that cover each other are merged."""
    kinds = ("/exact/{}", "/prefix{}/**", "h{}.example", "/glob{}/*/x")
    urls = UrlList(entries_of("\n".join(kind.format(number) for number in range(5000) for kind in kinds)))
    for number in (0, 2500, 4999):
        assert urls.find("GET", None, f"/exact/{number}")
        assert urls.find("GET", None, f"/prefix{number}/x") == f"/prefix{number}/**"
        assert urls.find("GET", f"h{number}.example", "/")
        assert urls.find("GET", None, f"/glob{number}/y/x") == f"/glob{number}/*/x"
    assert urls.find("GET", "www.example", "/nothing") is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET POST /x",
        "a*b.example",
        "/[z-a]",
        "bäd..example",
        "evil.example:80/x",
        "http://u@evil.example/",
        "[::1]:80/x",
        "/" + "*" * 2000,
    ],
)
def test_what_is_no_entry_is_refused(line: str) -> None:
    """With the line in the message, or what it exceeds."""
    with pytest.raises(ExpressionError):
        parse_entry(line)
