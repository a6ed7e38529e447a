"""Transforms that look things up: enrich, match_list, and the files behind them."""

from collections.abc import Callable

import pytest

from pipeline.api import ConfigError
from pipeline.testing.transforms import SECOND, START_NS, Driven, exchange
from pipeline.transforms.enrich import Enrich
from pipeline.transforms.match_list import MatchList

CSV = b'service,team,tier\r\nshop.example,payments,1\r\nblog.example,"content, web",3\r\n'


class Files:
    """Files as the engine hands them in: bytes when new or changed, else None."""

    def __init__(self, data: bytes | OSError) -> None:
        self.data: bytes | OSError | None = data

    def change(self, data: bytes | OSError) -> None:
        """Write the file anew."""
        self.data = data

    def read(self, _path: str) -> bytes | None:
        """Read it, once for each change."""
        data, self.data = self.data, None
        if isinstance(data, OSError):
            raise data
        return data


def enrich(
    read: Callable[[str], bytes | None], file: str = "teams.csv", key_column: str = "service", key: str = "host"
) -> Driven:
    """A table of teams."""
    return Driven(
        Enrich, {"file": file, "key": key, "key_column": key_column, "columns": {"team": "service.team"}}, read_file=read
    )


def team(driven: Driven, host: str | None = "shop.example") -> object:
    """What the table says of a host."""
    return driven.one(exchange(server_address=host)).attributes.get("service.team")


def test_enrich_from_csv() -> None:
    """Values come from the row with the key; an unknown key leaves the event as it is, and is counted."""
    driven = enrich(Files(CSV).read)
    assert team(driven) == "payments"
    assert team(driven, "blog.example") == "content, web"
    assert team(driven, "other.example") is None
    assert team(driven, None) is None
    assert driven.counts == {"unknown_key": 2, "missing_field": 1}


@pytest.mark.parametrize(
    "text",
    [b'[{"service": "shop.example", "team": 7, "x": {}}]', b'{"shop.example": {"team": 7}}'],
)
def test_enrich_from_json(text: bytes) -> None:
    """Both shapes that people have; numbers become text."""
    assert team(enrich(Files(text).read, "teams.json")) == "7"


def test_table_is_read_again_when_it_changes() -> None:
    """A bad new version is counted and the last good one stays; reading is asked at most once a second."""
    files = Files(CSV)
    driven = enrich(files.read)
    flush = driven.transform.flush
    files.change(CSV.replace(b"payments", b"billing"))
    flush(START_NS, last=False)
    assert team(driven) == "billing"
    files.change(b"not,a\r\ntable")
    flush(START_NS + SECOND // 2, last=False)
    assert driven.counts == {"reloaded": 1}
    flush(START_NS + SECOND, last=False)
    files.change(FileNotFoundError(2, "No such file"))
    flush(START_NS + 2 * SECOND, last=False)
    assert driven.counts == {"reloaded": 1, "reload_failed": 2}
    assert team(driven) == "billing"


@pytest.mark.parametrize(
    ("data", "file", "message"),
    [
        (b"a,b\n1,2\n", "t.csv", "has no column service, team; its columns are a, b"),
        (b"\xff", "t.csv", "not UTF-8 at byte 0"),
        (b"[1]", "t.json", "neither an array of objects"),
        (b"[" * 100_000, "t.json", "not JSON"),
        (b"{", "t.json", "not JSON"),
        (b'service,team\n"x', "t.csv", "line 1"),
        (PermissionError(13, "Permission denied"), "t.csv", "cannot be read: Permission denied"),
        (b"", "t.txt", "does not end in .csv or .json"),
    ],
)
def test_bad_table_at_the_start_is_an_error(data: bytes | OSError, file: str, message: str) -> None:
    """What is wrong with the file is said, with its name."""
    with pytest.raises(ConfigError, match=message) as caught:
        enrich(Files(data).read, file)
    assert file in str(caught.value)


def test_match_list_adds_the_verdict() -> None:
    """Listed events say by which entry; the others get what `otherwise` says."""
    driven = Driven(MatchList, {"entries": ["/admin/**"], "verdict": "deny", "otherwise": "allow"})
    assert driven.one(exchange(url_path="/admin/x")).attributes == {
        "httpipe.verdict": "deny",
        "httpipe.verdict.entry": "/admin/**",
    }
    assert driven.one(exchange(url_path="/x")).attributes == {"httpipe.verdict": "allow"}
    assert driven.counts == {"listed": 1}


@pytest.mark.parametrize("path", ["/admin;v=1/x", "/%2561dmin/x", "/x\\..\\admin\\x", "/ad%00min/x", "/admin/..%2fx"])
def test_what_some_servers_take_for_a_listed_path_is_listed(path: str) -> None:
    """A list of what is denied errs on that side, unless such paths have a verdict of their own."""
    deny = {"entries": ["/admin/**"], "verdict": "deny", "otherwise": "allow"}
    driven = Driven(MatchList, deny)
    assert driven.one(exchange(url_path=path)).attributes == {"httpipe.verdict": "deny", "httpipe.verdict.entry": "/admin/**"}
    assert driven.counts == {"listed": 1, "doubtful": 1}
    driven = Driven(MatchList, {**deny, "doubtful": "doubt", "matched_to": "denied"})
    assert driven.one(exchange(url_path=path)).attributes["httpipe.verdict"] == "doubt"
    assert driven.one(exchange(url_path="/shop;id=1/x")).attributes == {"httpipe.verdict": "allow"}


def test_a_list_of_what_is_allowed_can_doubt_what_leads_elsewhere() -> None:
    """`/public/..;/admin` is on it for nginx, and is not for Tomcat."""
    driven = Driven(MatchList, {"entries": ["/public/**"], "verdict": "allow", "otherwise": "deny", "doubtful": "deny"})
    assert driven.one(exchange(url_path="/public/..;/admin")).attributes["httpipe.verdict"] == "deny"
    assert driven.one(exchange(url_path="/public/x")).attributes["httpipe.verdict"] == "allow"


def test_match_list_routes_and_reloads() -> None:
    """Listed events leave by their own output; a changed file holds from the next second on."""
    files = Files(b"/a\n")
    driven = Driven(MatchList, {"file": "deny.txt", "matched_to": "denied"}, read_file=files.read)
    a, b = exchange(1, url_path="/a"), exchange(2, url_path="/b")
    assert driven.run(a, b) == [b]
    files.change(b"/b\n")
    driven.transform.flush(START_NS, last=False)
    assert driven.run(a, b) == [a]
    assert len(driven.run(a, b, output="denied")) == 1


def test_what_is_wrong_with_options_and_file_is_told_together() -> None:
    """A missing file does not wait until the rest is right."""
    missing = Files(FileNotFoundError(2, "No such file or directory"))
    with pytest.raises(ConfigError) as caught:
        Driven(MatchList, {"entries": ["/[z-a]"], "file": "deny.txt"}, read_file=missing.read)
    assert [problem.path for problem in caught.value.problems] == ["entries.0", "file"]
    with pytest.raises(ConfigError) as caught:
        enrich(Files(FileNotFoundError(2, "No such file or directory")).read, key="nope")
    assert [problem.path for problem in caught.value.problems] == ["key", "file"]


def test_faulty_entries_are_told_by_line() -> None:
    """Where an entry stands, and what is wrong with it."""
    with pytest.raises(ConfigError, match="line 2"):
        Driven(MatchList, {"file": "deny.txt"}, read_file=Files(b"/a\nGET POST /b").read)
    with pytest.raises(ConfigError) as caught:
        Driven(MatchList, {"entries": ["/[z-a]", "a*b.example", "/ok"]})
    assert [problem.path for problem in caught.value.problems] == ["entries.0", "entries.1"]
