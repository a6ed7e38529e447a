"""Lists compiled for the kernel: found are the same entries, and what the kernel cannot hold is named."""

import random

import pytest

from pipeline.lists.automaton import MOST_ROWS
from pipeline.lists.entry import parse_entry
from pipeline.lists.kernel import ALLOW, GROUP, NAME, PREFIX, VALUE, Compiled, Unheld, compile_lists
from pipeline.lists.urls import UrlList
from tests.kernel_lists import found


def urls(*lines: str) -> UrlList:
    """A list of entries."""
    return UrlList(map(parse_entry, lines))


def compiled(*lines: str) -> Compiled:
    """These, denied."""
    return compile_lists(urls(*lines), None)


LINES = (
    "/exact", "/admin/**", "/*/debug", "/**/.git/[!c]*", "/café/**", "/users/{id}/keys", "evil.example", "*.bad.example",
    "*.worse.bad.example/x", "worse.bad.example/y", "api.example/v1/**", "POST /upload", "DELETE api.example/v2", "/[äö]/x",
    "/" + "long/" * 30, "/" + "deep/" * 30 + "**", "PURGE *.bad.example/cache/*", "/a?c",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "host", "path", "entry"),
    [
        ("GET", "a.example", "/exact", "/exact"),
        ("GET", "a.example", "/exac", None),
        ("GET", "a.example", "/admin/x", "/admin/**"),
        ("GET", "a.example", "/admin", None),
        ("GET", "", "/x/debug", "/*/debug"),
        ("GET", "", "/x/y/debug", None),
        ("GET", "", "/x/.git/head", "/**/.git/[!c]*"),
        ("GET", "", "/x/.git/config", None),
        ("GET", "", "/café/x", "/café/**"),
        ("GET", "", "/users/é/keys", "/users/{id}/keys"),
        ("GET", "", "/users//keys", None),
        ("GET", "evil.example", "/", "evil.example"),
        ("GET", "x.evil.example", "/", None),
        ("GET", "x.bad.example", "/", "*.bad.example"),
        ("GET", "worse.bad.example", "/y", "worse.bad.example/y"),
        ("GET", "worse.bad.example", "/x", "*.worse.bad.example/x"),
        ("GET", "deep.worse.bad.example", "/z", "*.bad.example"),
        ("PURGE", "notbad.example", "/cache/x", None),
        ("GET", "api.example", "/v1/a", "api.example/v1/**"),
        ("DELETE", "api.example", "/v2", "DELETE api.example/v2"),
        ("GET", "api.example", "/v2", None),
        ("POST", "api.example", "/upload", "POST /upload"),
        ("PUT", "api.example", "/upload", None),
        ("GET", "", "/ö/x", "/[äö]/x"),
        ("GET", "", "/ü/x", None),
        ("GET", "", "/" + "long/" * 30, "/" + "long/" * 30),
        ("GET", "", "/" + "deep/" * 31, "/" + "deep/" * 30 + "**"),
        ("GET", "", "/a€c", "/a?c"),
        ("GET", "", "/a/c", None),
    ],
)
def test_the_kernel_finds_what_python_finds(method: str, host: str, path: str, entry: str | None) -> None:
    """Each kind of entry, with and without hosts and methods, short and long."""
    assert found(compiled(*LINES), method, host, path) == entry == urls(*LINES).find(method, host, path)


def test_two_lists_stand_side_by_side() -> None:
    """What is denied and what is allowed have keys of their own and entries with common numbers."""
    both = compile_lists(urls("/admin/**"), urls("/admin/x", "/shop/**"))
    assert (both.deny, both.allow, both.hosts, both.methods) == (True, True, False, False)
    assert found(both, "GET", "", "/admin/x") == "/admin/**"
    assert found(both, "GET", "", "/admin/x", ALLOW) == "/admin/x"
    assert found(both, "GET", "", "/shop/y") is None
    assert sorted(both.entries) == ["/admin/**", "/admin/x", "/shop/**"]


def test_an_empty_list_denies_nothing() -> None:
    """The group of any host is there all the same."""
    empty = compiled()
    assert list(empty.names) == [NAME.pack(GROUP, 0, 0, b"")]
    assert (empty.deny, empty.allow, list(empty.rows), dict(empty.prefixes)) == (False, False, [], {})


def test_layout() -> None:
    """Sizes that the kernel's program has, too."""
    assert (NAME.size, PREFIX.size, VALUE.size) == (132, 136, 16)
    lists = compiled("/*/x", "/a/**")
    assert {len(row) for row in lists.rows} == {516}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/" + "a" * 512, "512 bytes of a path"),
        ("x" * 121 + ".example", "120 bytes of a host"),
        ("*." + "x" * 120, "119 bytes of a host"),
        ("SIXTEEN-LETTERS-X /", "15 bytes of a method"),
        ("/%ff/x", "not UTF-8"),
        ("/a%00", "NUL"),
        ("/[!é][!é][!é]", "1000, at most 256"),
    ],
)
def test_what_the_kernel_cannot_hold_is_named(line: str, why: str) -> None:
    """The entry, and why."""
    with pytest.raises(Unheld) as raised:
        compiled("/fine", line)
    assert list(raised.value.faults) == [line]
    assert why in raised.value.faults[line]


def test_globs_that_multiply() -> None:
    """An automaton that grows without bounds ends at one, and the entry that did it is named."""
    wild = "/**a" + "?" * 20
    with pytest.raises(Unheld) as raised:
        compiled("/*/x", "/b/*/y", wild)
    assert list(raised.value.faults) == [wild]
    assert str(MOST_ROWS) in raised.value.faults[wild]


def test_winners_do_not_multiply() -> None:
    """300 globs that end in ** need a few states each: which of them have won does not matter."""
    lists = compiled(*(f"/**/name{number}/**" for number in range(300)))
    assert len(lists.rows) < 2000
    assert found(lists, "GET", "", "/x/name299/name1/") == "/**/name299/**"


def test_a_long_list() -> None:
    """Of every kind; the same verdicts as in Python for requests of every kind."""
    kinds = ("/exact/{}", "/prefix{}/**", "h{}.example", "*.s{}.example", "POST /m/{}")
    lines = [kind.format(number) for number in range(1000) for kind in kinds]
    lines += [f"/glob{number}/*/x" for number in range(100)]
    ours, theirs = compiled(*lines), urls(*lines)
    chosen = random.Random(1)
    for _ in range(300):
        number = chosen.randrange(1100)
        method = chosen.choice(["GET", "POST"])
        host = chosen.choice(["", f"h{number}.example", f"a.s{number}.example"])
        path = chosen.choice([f"/exact/{number}", f"/prefix{number}/", f"/m/{number}", f"/glob{number}/y/x", "/none"])
        assert found(ours, method, host, path) == theirs.find(method, host, path)
