"""With `[process] user` every command imports the plugins of others only when no privilege is left."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from live_readable import ROOT, readable

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","url.path":"/x"}\n'

PLUGIN = """
import os
import sys

from httpipe import sink

print("imported as", os.getresuid(), file=sys.stderr)


@sink("who", api_version=1)
async def who(batch):
    print("wrote as", os.getresuid(), len(batch), flush=True)
"""

PIPELINE = """
[process]
user = "nobody"

[sources.recorded]
type = "replay"
path = "events.jsonl"

[sinks.out]
type = "who"
inputs = ["recorded"]
"""


@pytest.fixture
def folder() -> Generator[Path, None, None]:
    """A folder that the user nobody may read, with a trusted plugin in it that says who it is."""
    made = Path(tempfile.mkdtemp(prefix="httpipe-privileges-"))
    made.chmod(0o755)
    metadata = made / "who-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text("[httpipe.sinks]\nwho = who_plugin:who\n")
    (made / "who_plugin.py").write_text(PLUGIN)
    (made / "events.jsonl").write_text(EVENT * 2)
    (made / "pipeline.toml").write_text(PIPELINE)
    (made / "plugins.toml").write_text("[trust.who]\n")
    yield made
    shutil.rmtree(made)


def httpipe(folder: Path, *arguments: str, python_path: str = "") -> subprocess.CompletedProcess[str]:
    """The command, with the plugin on the path and no socket that another run could have."""
    command = readable([sys.executable, "-c", "from pipeline.cli.main import main; main()", *arguments])
    environment = {**os.environ, "PYTHONPATH": python_path or str(folder), "RUNTIME_DIRECTORY": str(folder)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60, env=environment)


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_run_imports_a_plugin_as_the_user_it_has_become(folder: Path, options: tuple[str, ...]) -> None:
    """Real, effective and saved."""
    done = httpipe(folder, "run", *options)
    nobody = pwd.getpwnam("nobody").pw_uid
    assert done.returncode == 0, done.stderr
    assert f"imported as {(nobody,) * 3}" in done.stderr
    assert done.stdout == ("" if options else f"wrote as {(nobody,) * 3} 2\n")


def test_validate_gives_up_privileges_before_it_imports_a_plugin(folder: Path) -> None:
    """And checks its options all the same."""
    done = httpipe(folder, "validate")
    assert f"imported as {(pwd.getpwnam('nobody').pw_uid,) * 3}" in done.stderr
    assert done.stdout == "pipeline.toml: ok: 1 source, no transforms, 1 sink\n"
    (folder / "pipeline.toml").write_text(PIPELINE + "colour = 1\n")
    wrong = httpipe(folder, "validate")
    assert wrong.returncode == 78
    assert "sinks.out.colour: unknown option" in wrong.stderr


@pytest.mark.parametrize("command", ["test", "graph"])
def test_commands_that_look_give_up_privileges_before_they_import_a_plugin(folder: Path, command: str) -> None:
    """As `run` does."""
    done = httpipe(folder, command)
    assert done.returncode == 0, done.stderr
    assert f"imported as {(pwd.getpwnam('nobody').pw_uid,) * 3}" in done.stderr


def test_a_plugin_that_is_not_trusted_is_refused_before_anything_opens(folder: Path) -> None:
    """With privileges still held, and nothing imported."""
    (folder / "plugins.toml").write_text("")
    done = httpipe(folder, "run")
    assert done.returncode == 78
    assert "imported" not in done.stderr
    assert "not trusted" in done.stderr


@pytest.mark.parametrize("command", ["run", "validate"])
def test_an_installation_that_the_user_may_not_read_is_told_at_the_start(folder: Path, command: str) -> None:
    """Before anything is opened: later every import would fail, in the middle of the run."""
    hidden = folder / "hidden"
    shutil.copytree(ROOT / "pipeline", hidden / "pipeline")
    hidden.chmod(0o700)
    done = httpipe(folder, command, python_path=f"{hidden}:{folder}")
    assert done.returncode == 77, done.stderr
    assert f'httpipe: [process] user "nobody" may not read {hidden}/pipeline; install httpipe where' in done.stderr
    assert "imported" not in done.stderr
    assert done.stdout == ""


def test_a_ready_file_that_the_user_may_not_create_is_told_before_capturing(folder: Path) -> None:
    """In a folder of root the run does not begin; in one of the user the file is there and goes again."""
    done = httpipe(folder, "run", "--ready-file", "ready")
    assert done.returncode == 77, done.stderr
    assert f'[process] user "nobody" may not create the --ready-file {folder}/ready' in done.stderr
    assert done.stdout == ""
    theirs = folder / "theirs"
    theirs.mkdir()
    os.chown(theirs, pwd.getpwnam("nobody").pw_uid, -1)
    (theirs / "ready").touch()
    done = httpipe(folder, "run", "--ready-file", "theirs/ready")
    assert done.returncode == 0, done.stderr
    assert "wrote as" in done.stdout
    assert list(theirs.iterdir()) == []


def test_the_process_of_a_sink_is_the_same_user(folder: Path) -> None:
    """It is started when the privileges are gone, and imports the plugin again."""
    (folder / "pipeline.toml").write_text(PIPELINE + 'isolation = "process"\n')
    done = httpipe(folder, "run")
    nobody = pwd.getpwnam("nobody").pw_uid
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"imported as {(nobody,) * 3}") == 2
    assert done.stdout == f"wrote as {(nobody,) * 3} 2\n"


def test_the_process_of_a_sink_has_no_capability(folder: Path) -> None:
    """A run that captures without root has some, which a child would inherit as they are ambient."""
    forgo = "from pipeline.isolation import host; host.forgo_privileges(); print(open('/proc/self/status').read())"
    capable = ["setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]
    command = readable([*capable, sys.executable, "-c", forgo])
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0], done.stderr
    assert status["NoNewPrivs"] == "1"
