"""`httpipe run` as a process of its own: what goes to which output, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","http.request.method":"GET","url.path":"/x"}\n'

REPLAY = """
[sources.recorded]
type = "replay"
path = "events.jsonl"

[sinks.out]
type = "stdout"
inputs = ["recorded"]
format = "json"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a pipeline that plays a recording."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HTTPIPE_DEBUG", raising=False)
    (tmp_path / "pipeline.toml").write_text(REPLAY)
    return tmp_path


def httpipe(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60)


def head(*arguments: str) -> tuple[list[str], str]:
    """What `httpipe … | head -1; echo EXIT CODE` writes, and what it says on standard error."""
    command = f"{sys.executable} -c 'from pipeline.cli.main import main; main()' {' '.join(arguments)}"
    line = f"{command} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines(), done.stderr


def test_a_pipeline_runs_from_file_to_summary(folder: Path) -> None:
    """Events on standard output, everything else on standard error."""
    (folder / "events.jsonl").write_text(EVENT * 3)
    done = httpipe("run")
    assert [json.loads(line)["url.path"] for line in done.stdout.splitlines()] == ["/x"] * 3
    assert done.returncode == ExitCode.OK
    assert "3 exchanges seen" in done.stderr
    assert "sent 3" in done.stderr
    assert httpipe("run", "--quiet").stderr == ""


def test_a_dry_run_writes_nothing_and_says_what_each_sink_would_get(folder: Path) -> None:
    """Real input, no output."""
    (folder / "events.jsonl").write_text(EVENT * 3)
    done = httpipe("run", "--dry-run")
    assert (done.stdout, done.returncode) == ("", ExitCode.OK)
    assert "would get 3" in done.stderr


def test_a_reader_that_has_seen_enough_ends_the_run_quietly(folder: Path) -> None:
    """``httpipe run | head -1``: exit code 0, and not a word about pipes."""
    (folder / "events.jsonl").write_text(EVENT * 20_000)
    lines, said = head("run", "-q")
    assert lines[1] == "0"
    assert said == ""


def test_a_closed_reader_of_a_long_list_is_no_error() -> None:
    """``httpipe schema | head -1``."""
    assert head("schema") == (["{", "0"], "")


def test_damaged_input_has_its_own_exit_code_and_loses_nothing_before_it(folder: Path) -> None:
    """What came before the damage is delivered."""
    (folder / "events.jsonl").write_text(EVENT * 2 + '{"event.name": "http.ex')
    done = httpipe("run")
    assert len(done.stdout.splitlines()) == 2
    assert done.returncode == ExitCode.DAMAGED_INPUT
    assert "Traceback" not in done.stderr
