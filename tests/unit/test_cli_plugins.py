"""`httpipe plugins`: what is shown, written and refused, with a distribution that was installed by hand."""

import base64
import hashlib
import io
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.main import call
from pipeline.cli.plugins import list_to_write
from pipeline.plugins import trust as trust_module
from pipeline.plugins.discovery import Kind
from pipeline.plugins.registry import BASES
from pipeline.plugins.scaffold import ScaffoldError, write_package

PIPELINE = '[sources.r]\ntype = "replay"\npath = "x"\n[sinks.s]\ntype = "acme"\ninputs = ["r"]\n'

MODULE = """
from httpipe import sink


@sink("acme", api_version=1)
async def acme(batch):
    'Takes everything.'
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a pipeline that names a plugin which is installed and not trusted."""
    site = tmp_path / "site"
    metadata = site / "acme_pipe-2.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_pipe_module.py").write_text(MODULE)
    (metadata / "entry_points.txt").write_text("[httpipe.sinks]\nacme = acme_pipe_module:acme\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(MODULE.encode()).digest()).decode().rstrip("=")
    (metadata / "RECORD").write_text(f"acme_pipe_module.py,sha256={digest},1\nacme_pipe-2.0.dist-info/RECORD,,\n")
    work = tmp_path / "work"
    work.mkdir()
    (work / "pipeline.toml").write_text(PIPELINE)
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(trust_module, "SYSTEM", tmp_path / "etc")
    yield work
    sys.modules.pop("acme_pipe_module", None)


def test_list_names_what_others_brought_and_imports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With whether it is trusted."""
    assert call(["plugins", "list"]) == ExitCode.OK
    assert "sink      acme                 acme-pipe 2.0: acme-pipe 2.0 is installed but not trusted" in capsys.readouterr().out
    assert "acme_pipe_module" not in sys.modules


@pytest.mark.parametrize(
    "file", ["pipeline.toml", "./pipeline.toml", "edge.toml", "sub folder/edge.toml", "{folder}/pipeline.toml", "-"]
)
@pytest.mark.parametrize("faulty", [False, True])
def test_the_command_that_validate_advises_works_as_it_stands(
    file: str,
    faulty: bool,  # noqa: FBT001
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever the pipeline file is, and where root could not believe a list beside it."""
    given = file.format(folder=folder)
    if given == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PIPELINE.encode())))
    else:
        (folder / given).parent.mkdir(exist_ok=True)
        (folder / "pipeline.toml").rename(folder / given)
    if faulty:
        monkeypatch.setattr("os.geteuid", lambda: 0)
        monkeypatch.setattr(trust_module, "_folder_fault", lambda place: "" if trust_module.SYSTEM in place.parents else "bad")
        monkeypatch.setattr(trust_module, "ownership_fault", lambda place, _: trust_module._folder_fault(place))
        trust_module.SYSTEM.mkdir()
    assert call(["validate", given]) == ExitCode.BAD_CONFIG
    advised = re.search("`(httpipe plugins trust .*?)`", capsys.readouterr().err)
    assert advised is not None
    assert call(shlex.split(advised[1])[1:]) == ExitCode.OK
    if given == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PIPELINE.encode())))
    assert call(["validate", given]) == ExitCode.OK, capsys.readouterr().err


def test_trust_pins_what_is_installed_and_untrust_undoes_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the name of the distribution or of its plugin, in any spelling."""
    assert call(["validate"]) == ExitCode.BAD_CONFIG
    assert "acme_pipe_module" not in sys.modules
    assert call(["plugins", "trust", "acme"]) == ExitCode.OK
    shown = capsys.readouterr()
    assert shown.out == "Wrote plugins.toml: trusts acme-pipe ==2.0 (sink acme).\n"
    entry = tomllib.loads((folder / "plugins.toml").read_text())["trust"]["acme-pipe"]
    assert entry["version"] == "==2.0"
    assert len(entry["record_sha256"]) == 64
    assert call(["validate"]) == ExitCode.OK
    assert call(["plugins", "verify"]) == ExitCode.OK
    assert call(["plugins", "list"]) == ExitCode.OK
    assert "acme-pipe 2.0: trusted" in capsys.readouterr().out
    assert call(["plugins", "untrust", "Acme.Pipe"]) == ExitCode.OK
    assert call(["plugins", "untrust", "acme-pipe"]) == ExitCode.USAGE
    assert call(["validate"]) == ExitCode.BAD_CONFIG


def test_a_range_of_versions_may_be_trusted_instead(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the files are; a range that is none is refused before anything is written."""
    assert call(["plugins", "trust", "acme-pipe", "--version", ">=2,<3"]) == ExitCode.OK
    assert tomllib.loads((folder / "plugins.toml").read_text())["trust"]["acme-pipe"] == {"version": ">=2,<3"}
    assert call(["plugins", "trust", "acme-pipe", "--version", "newest"]) == ExitCode.USAGE
    assert 'httpipe: "newest" is not a version range' in capsys.readouterr().err
    assert tomllib.loads((folder / "plugins.toml").read_text())["trust"]["acme-pipe"] == {"version": ">=2,<3"}


def test_verify_finds_changes_and_files_that_others_may_write(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is a fault, the second a warning."""
    assert call(["plugins", "verify"]) == ExitCode.OK
    assert "trusts nothing" in capsys.readouterr().out
    call(["plugins", "trust", "acme"])
    module = tmp_path / "site" / "acme_pipe_module.py"
    module.chmod(0o666)
    assert call(["plugins", "verify"]) == ExitCode.OK
    assert f"others may write {module}" in capsys.readouterr().out
    module.write_text("evil = 1")
    assert call(["plugins", "verify"]) == ExitCode.BAD_CONFIG
    assert "acme_pipe_module.py has changed since it was installed" in capsys.readouterr().out
    assert call(["validate"]) == ExitCode.BAD_CONFIG
    assert "is not what was trusted" in capsys.readouterr().err
    (folder / "plugins.toml").write_text("[trust.gone]\n")
    assert call(["plugins", "verify"]) == ExitCode.OK
    assert "gone: trusted, but no plugin of that name is installed" in capsys.readouterr().out


def test_the_list_is_written_where_it_will_be_read(folder: Path, tmp_path: Path) -> None:
    """Where one exists already; else beside the pipeline."""
    assert list_to_write("pipeline.toml") == Path("plugins.toml")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "plugins.toml").touch()
    assert list_to_write("pipeline.toml") == tmp_path / "etc" / "plugins.toml"
    assert list_to_write("elsewhere/none.toml") == tmp_path / "etc" / "plugins.toml"
    (folder / "plugins.toml").touch()
    assert list_to_write("pipeline.toml") == Path("plugins.toml")


@pytest.mark.parametrize("command", ["trust", "untrust"])
def test_a_list_for_the_whole_system_is_never_begun_by_standing_in_the_wrong_folder(
    command: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a pipeline nor a list is here: the words say how to name the one that is meant."""
    (folder / "pipeline.toml").unlink()
    assert call(["plugins", command, "acme"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "neither pipeline.toml nor plugins.toml is in this folder" in said
    assert "--system" in said
    assert call(["plugins", command, "acme", "--system", "--file", "x.toml"]) == ExitCode.USAGE
    assert not (tmp_path / "etc").exists()


def test_a_list_that_is_named_is_the_one(folder: Path, tmp_path: Path) -> None:
    """With --system or --file, wherever one stands."""
    (folder / "pipeline.toml").unlink()
    for arguments, place in ((["--system"], tmp_path / "etc/plugins.toml"), (["--file", "mine.toml"], folder / "mine.toml")):
        assert call(["plugins", "trust", "acme", *arguments]) == ExitCode.OK
        assert "acme-pipe" in place.read_text()
        assert call(["plugins", "untrust", "acme", *arguments]) == ExitCode.OK
        assert "acme-pipe" not in place.read_text()


@pytest.mark.parametrize("name", ["", "Sink", "1st", "a b", "../x", "class", "pipeline", "a__b", "_a", "é"])
def test_a_package_is_not_written_under_a_name_that_will_not_do(name: str, tmp_path: Path) -> None:
    """It must be a module, an id in a pipeline, and a distribution."""
    with pytest.raises(ScaffoldError, match="will not do"):
        write_package(Kind.SINK, name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_package_is_never_written_over_something(tmp_path: Path) -> None:
    """Not even partly."""
    (tmp_path / "my-sink").mkdir()
    (tmp_path / "my-sink" / "mine.txt").touch()
    with pytest.raises(ScaffoldError, match="not empty"):
        write_package(Kind.SINK, "my_sink", tmp_path)
    assert [path.name for path in (tmp_path / "my-sink").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_new_package_is_whole(kind: Kind, tmp_path: Path) -> None:
    """Every blank filled in, Python that compiles, an entry point that leads to a component; its own tests run elsewhere."""
    package = write_package(kind, f"my_{kind}", tmp_path)
    texts = {path: path.read_text() for path in package.rglob("*") if path.is_file() and path.name != "py.typed"}
    assert len(texts) == 7
    assert not [path for path, text in texts.items() if not text or re.search(r"@[A-Z_]+@", text)]
    for path, text in texts.items():
        if path.suffix == ".py":
            compile(text, str(path), "exec")
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    module, _, attribute = project["entry-points"][kind.group][f"my_{kind}"].partition(":")
    names: dict[str, object] = {"__name__": module}
    exec(texts[package / "src" / module / "__init__.py"], names)  # noqa: S102  our own template
    assert isinstance(names[attribute], type)
    assert issubclass(names[attribute], BASES[kind])


def test_what_to_do_about_a_plugin_is_said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However often the file names it; that it is not trusted stands at each place."""
    again = PIPELINE.replace("[sinks.", "[sinks.again_")
    (folder / "pipeline.toml").write_text(PIPELINE + again[again.index("[sinks.") :])
    assert call(["validate"]) == ExitCode.BAD_CONFIG
    said = capsys.readouterr().err
    assert said.count("acme-pipe 2.0 is installed but not trusted") == 2
    assert said.count("look at it, then run `httpipe plugins trust acme-pipe`") == 1
