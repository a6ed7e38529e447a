"""The trust list: what it lets through, what it refuses, and who may write it."""

import base64
import hashlib
import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.plugins import trust as trust_module
from pipeline.plugins.discovery import Kind, Plugin
from pipeline.plugins.editing import put, remove
from pipeline.plugins.installed import altered, editable, record_sha256, writable_by_others
from pipeline.plugins.trust import Entry, TrustList, find_trust, ownership_fault, parse_trust

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    """An installed distribution with one module and a RECORD that fits."""
    site = tmp_path / "site"
    folder = site / "acme_slack-1.2.dist-info"
    folder.mkdir(parents=True)
    (site / "acme.py").write_text("x = 1\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).decode().rstrip("=")
    (folder / "RECORD").write_text(f"acme.py,sha256={digest},6\nacme_slack-1.2.dist-info/RECORD,,\n")
    return Plugin(Kind.SINK, "slack", "acme-slack", "1.2", "acme:S", folder)


def listed(file: Path, text: str) -> TrustList:
    """A trust list of this text, beside a pipeline file."""
    file.write_text(text)
    return find_trust(file.parent)


def test_without_a_list_nothing_is_trusted_and_the_lines_to_add_are_shown(plugin: Plugin, tmp_path: Path) -> None:
    """Command and lines can be copied as they are."""
    refusal = find_trust(tmp_path).refusal(plugin)
    assert refusal.startswith(
        "acme-slack 1.2 is installed but not trusted\n  look at it, then run `httpipe plugins trust acme-slack`"
    )
    assert refusal.endswith('plugins.toml:\n    [trust.acme-slack]\n    version = "==1.2"')


@pytest.mark.parametrize("name", ["acme-slack", "Acme_Slack", "acme.slack"])
def test_a_listed_distribution_is_trusted_in_every_spelling_of_its_name(plugin: Plugin, tmp_path: Path, name: str) -> None:
    """Names of distributions compare without regard to case, ``-``, ``_`` and ``.``."""
    assert listed(tmp_path / "plugins.toml", f'[trust."{name}"]\n').refusal(plugin) == ""


@pytest.mark.parametrize(
    ("wanted", "within"), [("==1.2", "yes"), (">=1,<2", "yes"), (">=1.3", "no"), ("!=1.2", "no"), ("~=1.1", "yes"), ("", "yes")]
)
def test_a_version_outside_the_range_is_refused(plugin: Plugin, tmp_path: Path, wanted: str, within: str) -> None:
    """PEP 440."""
    refusal = listed(tmp_path / "plugins.toml", f'[trust.acme-slack]\nversion = "{wanted}"\n').refusal(plugin)
    assert (refusal == "") == (within == "yes")
    assert within == "yes" or "is not a trusted version" in refusal


def test_a_disabled_plugin_stays_off(plugin: Plugin, tmp_path: Path) -> None:
    """Its neighbours of the same distribution do not."""
    assert "is disabled" in listed(tmp_path / "plugins.toml", '[trust.acme-slack]\ndisabled = ["slack"]\n').refusal(plugin)
    assert listed(tmp_path / "plugins.toml", '[trust.acme-slack]\ndisabled = ["other"]\n').refusal(plugin) == ""


def test_files_that_changed_after_being_trusted_are_refused(plugin: Plugin, tmp_path: Path) -> None:
    """A new RECORD, or a file that is not what RECORD says."""
    text = f'[trust.acme-slack]\nrecord_sha256 = "{record_sha256(plugin.folder).upper()}"\n'
    assert listed(tmp_path / "plugins.toml", text).refusal(plugin) == ""
    assert plugin.folder is not None
    module = plugin.folder.parent / "acme.py"
    module.write_text("evil = 1\n")
    assert "acme.py has changed since it was installed" in listed(tmp_path / "plugins.toml", text).refusal(plugin)
    module.write_text("x = 1\n")
    with (plugin.folder / "RECORD").open("a") as record:
        record.write("other.py,,\n")
    assert "its RECORD has changed since" in listed(tmp_path / "plugins.toml", text).refusal(plugin)


def test_the_list_beside_the_pipeline_comes_before_the_systems(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that exists is the only one that counts."""
    system = tmp_path / "etc"
    system.mkdir()
    (system / "plugins.toml").write_text("[trust.acme-slack]\n")
    monkeypatch.setattr(trust_module, "SYSTEM", system)
    beside = tmp_path / "here"
    beside.mkdir()
    assert find_trust(beside).refusal(plugin) == ""
    assert "not trusted" in listed(beside / "plugins.toml", "# nothing\n").refusal(plugin)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[trsut.x]", "trsut: unknown table; a trust list has only [trust.DISTRIBUTION]"),
        ("trust = 1", "trust: is not a table"),
        ("[trust]\nx = 1", "trust.x: is not a table"),
        ('[trust.x]\nverson = "1"', 'trust.x.verson: unknown option; did you mean "version"?'),
        ('[trust.x]\nversion = "latest"', 'trust.x.version: "latest" is not a version range, such as ">=1.2,<2"'),
        ('[trust.x]\ndisabled = "a"', 'trust.x.disabled: "a" is not a list; write [ … ]'),
        ("[trust.x", "not valid TOML"),
    ],
)
def test_a_wrong_list_is_told_like_a_wrong_pipeline_file(text: str, said: str) -> None:
    """Every problem, with its place."""
    with pytest.raises(ConfigError) as caught:
        parse_trust(text.encode(), "plugins.toml")
    assert said in str(caught.value)


@root_only
@pytest.mark.parametrize(
    ("uid", "mode", "said"), [(65534, 0o644, "it belongs to nobody, not to root"), (0, 0o666, "others may write it")]
)
def test_as_root_an_ill_owned_list_counts_as_empty_with_a_warning(
    plugin: Plugin, tmp_path: Path, uid: int, mode: int, said: str
) -> None:
    """Whoever could have written it must not choose what runs as root; the refusal repeats why."""
    file = tmp_path / "plugins.toml"
    file.write_text("[trust.acme-slack]\n")
    os.chown(file, uid, 0)
    file.chmod(mode)
    found = find_trust(tmp_path)
    assert found.entries == {}
    assert said in found.warnings[0]
    assert said in found.refusal(plugin)


@root_only
def test_as_root_an_ill_owned_list_that_trusts_nothing_is_no_news(tmp_path: Path) -> None:
    """The repository's own, in a clone that belongs to a user."""
    file = tmp_path / "plugins.toml"
    file.write_text("# trusts nothing\n")
    file.chmod(0o666)
    assert find_trust(tmp_path) == TrustList(file)


@root_only
@pytest.mark.parametrize(
    ("uid", "mode", "said"), [(0, 0o777, "others may write its folder"), (65534, 0o755, "belongs to nobody")]
)
def test_as_root_the_folders_above_the_list_count_too(tmp_path: Path, uid: int, mode: int, said: str) -> None:
    """Who can rename a folder's files can put another list in place."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    file = inner / "plugins.toml"
    file.write_text("")
    assert ownership_fault(file, file.stat()) == ""
    os.chown(inner.parent, uid, 0)
    inner.parent.chmod(mode)
    assert said in ownership_fault(file, file.stat())


def test_trusting_keeps_comments_and_other_entries(tmp_path: Path) -> None:
    """And what it writes is read back as it was meant."""
    file = tmp_path / "sub" / "plugins.toml"
    put(file, "one", Entry(version="==1"))
    file.write_text(file.read_text().replace("[trust.one]", "# mine\n[trust.One]\n"))
    put(file, "two", Entry(version=">=2", record_sha256="ab", disabled=("x",)))
    put(file, "one", Entry())
    assert parse_trust(file.read_bytes(), "x") == {
        "one": Entry(),
        "two": Entry(version=">=2", record_sha256="ab", disabled=("x",)),
    }
    assert "# Which distributions" in file.read_text()
    assert remove(file, "two")
    assert not remove(file, "two")
    assert parse_trust(file.read_bytes(), "x") == {"one": Entry()}


def test_a_list_that_is_wrong_is_not_edited(tmp_path: Path) -> None:
    """Its owner should look first."""
    file = tmp_path / "plugins.toml"
    file.write_text("[trsut.a]\n")
    with pytest.raises(ConfigError):
        put(file, "one", Entry())
    assert file.read_text() == "[trsut.a]\n"


def test_missing_and_malformed_records_are_told(plugin: Plugin) -> None:
    """Never a traceback over a stranger's metadata."""
    assert plugin.folder is not None
    assert altered(plugin.folder) == ""
    (plugin.folder / "RECORD").write_bytes(b"\xff\xfe")
    assert "utf-8" in altered(plugin.folder)
    (plugin.folder / "RECORD").write_text("gone.py,sha256=x,1\n")
    assert "gone.py" in altered(plugin.folder)
    (plugin.folder / "RECORD").unlink()
    assert "RECORD" in altered(plugin.folder)
    assert record_sha256(plugin.folder) == ""


def test_an_editable_install_is_recognized(plugin: Plugin) -> None:
    """Its RECORD says nothing about its code (PEP 610)."""
    assert plugin.folder is not None
    assert not editable(plugin.folder)
    (plugin.folder / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
    assert editable(plugin.folder)
    (plugin.folder / "direct_url.json").write_text("[")
    assert not editable(plugin.folder)


def test_files_that_others_may_write_are_named(plugin: Plugin) -> None:
    """Modules and the folders they lie in."""
    assert plugin.folder is not None
    site = plugin.folder.parent
    before = writable_by_others(plugin.folder, os.geteuid())
    (site / "acme.py").chmod(0o666)
    site.chmod(0o777)
    assert set(writable_by_others(plugin.folder, os.geteuid())) - set(before) == {site, site / "acme.py"}
