"""The firewall's lists: every problem with its place, and files that are taken when they have come to rest."""

import os
from pathlib import Path

import pytest

from pipeline.api import ConfigError
from pipeline.sources.gate.config import FirewallConfig
from pipeline.sources.gate.lists import MOST_PROBLEMS, read, understood, versions


def config(**lists: object) -> FirewallConfig:
    """A firewall with these lists."""
    return FirewallConfig.model_validate({"interfaces": ["lo"], "ports": [80], **lists})


def problems(files: dict[str, bytes], **lists: object) -> list[str]:
    """What is wrong."""
    with pytest.raises(ConfigError) as raised:
        understood(config(**lists), files.__getitem__)
    return [str(each) for each in raised.value.problems]


def test_entries_and_files_make_one_list() -> None:
    """An entry that stands twice is one; both lists are compiled."""
    files = {"deny.txt": b"/a\n/b/**\n", "allow.txt": b"shop.example\n"}
    found = understood(config(deny={"entries": ["/a"], "file": "deny.txt"}, allow={"file": "allow.txt"}), files.__getitem__)
    assert sorted(found.compiled.entries) == ["/a", "/b/**", "shop.example"]
    assert (found.compiled.deny, found.compiled.allow, found.denied_by_host) == (True, True, "")
    by_host = understood(config(deny={"entries": ["/a", "evil.example/x"]}), files.__getitem__)
    assert (by_host.compiled.allow, by_host.denied_by_host) == (False, "evil.example/x")


def test_every_problem_has_its_place() -> None:
    """The number of an entry, the line of a file, of both lists at once."""
    files = {"deny.txt": b"/fine\nGET POST /x\n# c\n/[z-a]\n"}
    found = problems(files, deny={"entries": ["/fine", "a*b.example"], "file": "deny.txt"}, allow={"entries": ["x:80/"]})
    assert [each.split('"')[0] for each in found] == [
        "deny.entries.1: ", "deny.file: deny.txt:2: ", "deny.file: deny.txt:4: ", "allow.entries.0: ",
    ]  # fmt: skip


def test_what_the_kernel_cannot_hold_has_its_place() -> None:
    """With what to do about it; a long entry is shortened."""
    files = {"deny.txt": b"/fine\n\n/%s\n/%%ff\n" % (b"a" * 600)}
    long, no_text = problems(files, deny={"file": "deny.txt"})
    (method,) = problems(files, deny={"entries": ["PROPFINDPROPFIND /x"]})
    assert long.startswith('deny.file: deny.txt:3: "/aaaa')
    assert long.endswith("name a prefix such as /x/**; longer paths are doubts (on_doubt)")
    assert len(long) < 250
    assert no_text.startswith('deny.file: deny.txt:4: "/%ff": ')
    assert method.startswith('deny.entries.0: "PROPFINDPROPFIND /x": the kernel compares 15 bytes of a method')


def test_a_file_that_is_no_list_does_not_flood() -> None:
    """The first problems, and how many more there are."""
    found = problems({"x": b"a*b.example\n" * 100}, deny={"file": "x"})
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1] == f"deny.file: x: {100 - MOST_PROBLEMS} more lines are no entries"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said in words."""
    with pytest.raises(ConfigError, match=r'deny\.file: ".*/nowhere" cannot be read: No such file or directory'):
        understood(config(deny={"file": str(tmp_path / "nowhere")}), read)


def test_versions_tell_changes(tmp_path: Path) -> None:
    """Of content, and of a file that was put in the place of another."""
    file = tmp_path / "deny"
    one = config(deny={"file": str(file)})
    assert versions(one) == {str(file): None}
    file.write_text("/a")
    first = versions(one)
    assert first == versions(one)
    other = tmp_path / "other"
    other.write_text("/b")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert versions(one) != first
