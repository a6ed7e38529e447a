"""`httpipe run` as a process of its own: what goes to which output, and how it ends."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]

INTERRUPTED = """
import signal, sys
from pipeline.cli.start import main

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == MODULE:
            signal.raise_signal(signal.SIGINT)

MODULE = sys.argv.pop(1)
signal.signal(signal.SIGINT, getattr(signal, sys.argv.pop(1)))
sys.meta_path.insert(0, Interrupts())
main()
"""
"""Ctrl-C in the middle of importing a module."""

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
    assert [line for line in said.splitlines() if "blocked_secs" not in line] == []  # which a busy machine may have it say


def test_a_closed_reader_of_a_long_list_is_no_error() -> None:
    """``httpipe schema | head -1``."""
    assert head("schema") == (["{", "0"], "")


def test_damaged_input_has_its_own_exit_code(folder: Path) -> None:
    """A capture file that ends in the middle of a packet."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    (folder / "cut.pcap").write_bytes(header + struct.pack("<IIII", 1, 0, 1000, 1000) + bytes(10))
    (folder / "pipeline.toml").write_text(REPLAY.replace('"replay"', '"pcap"').replace("events.jsonl", "cut.pcap"))
    done = httpipe("run")
    assert done.returncode == ExitCode.DAMAGED_INPUT
    assert "Traceback" not in done.stderr
    assert done.stderr.count("the last packet is cut off") == 1, done.stderr
    assert "its input is damaged" in done.stderr
    assert "InputError" not in done.stderr


def test_a_line_that_is_no_event_is_damaged_input_unless_a_dead_letter_has_it(folder: Path) -> None:
    """The others are delivered either way."""
    (folder / "events.jsonl").write_text(EVENT + "no event\n" + EVENT)
    done = httpipe("run")
    assert (done.returncode, done.stdout.count("/x")) == (ExitCode.DAMAGED_INPUT, 2), done.stderr
    assert "dropped 1 (undecodable)" in done.stderr
    letters = '\n[sinks.letters]\ntype = "file"\npath = "letters.jsonl"\n'
    (folder / "pipeline.toml").write_text(REPLAY.replace("[sinks.out]", 'dead_letter = "letters"\n\n[sinks.out]') + letters)
    kept = httpipe("run")
    assert (kept.returncode, kept.stdout.count("/x")) == (ExitCode.OK, 2), kept.stderr


@pytest.mark.slow
def test_pydantics_own_plugins_are_not_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pydantic would import whatever any installed distribution declares for it: code that nobody trusted."""
    metadata = folder / "sneak-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text("[pydantic]\nsneak = sneak_plugin:plugin\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sneak\nVersion: 1.0\n")
    (folder / "sneak_plugin.py").write_text("open('imported', 'w').close()\nplugin = None\n")
    (folder / "events.jsonl").write_text(EVENT)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    loads = [sys.executable, "-c", "import pydantic\nclass M(pydantic.BaseModel): x: int"]
    subprocess.run(loads, check=False, timeout=60, capture_output=True)
    assert (folder / "imported").exists(), "pydantic has no plugins any more: the rule can go"
    (folder / "imported").unlink()
    assert httpipe("run").returncode == ExitCode.OK
    assert httpipe("schema").returncode == ExitCode.OK
    assert not (folder / "imported").exists()


@pytest.mark.parametrize(
    ("module", "code"),
    [("click", -signal.SIGINT), ("pipeline.cli.run", -signal.SIGINT), ("anyio", ExitCode.INTERRUPTED)],
)
def test_ctrl_c_while_it_starts(module: str, code: int, folder: Path) -> None:
    """Whatever is being imported: no traceback, and what a shell shows as 130."""
    (folder / "events.jsonl").write_text(EVENT)
    done = interrupted(module, "default_int_handler")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (code, "", "")


def test_ctrl_c_stays_ignored_while_it_starts(folder: Path) -> None:
    """Where the parent ignores it, as nohup and shells without job control do."""
    (folder / "events.jsonl").write_text(EVENT)
    done = interrupted("click", "SIG_IGN")
    assert (done.returncode, len(done.stdout.splitlines())) == (ExitCode.OK, 1), done.stderr


def interrupted(module: str, handler: str) -> subprocess.CompletedProcess[str]:
    """`httpipe run`, with a SIGINT as it begins to import ``module``."""
    command = [sys.executable, "-c", INTERRUPTED, module, handler, "run"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_full_standard_error_changes_nothing(folder: Path) -> None:
    """As with `2> log` on a full disk: everything is delivered, and the exit code says so."""
    (folder / "events.jsonl").write_text(EVENT * 3)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "run"], stdout=subprocess.PIPE, stderr=full, check=False, timeout=60)
        assert (done.returncode, len(done.stdout.splitlines())) == (ExitCode.OK, 3)
        (folder / "pipeline.toml").write_text("[sinks]")
        assert subprocess.run([*COMMAND, "run"], stderr=full, check=False, timeout=60).returncode == ExitCode.BAD_CONFIG


@pytest.mark.parametrize("arguments", [["list"], ["schema"], ["validate"], ["--help"]])
def test_a_full_standard_output_is_told(arguments: list[str]) -> None:
    """In words and with the exit code for it."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (ExitCode.UNDELIVERED, "httpipe: cannot write the output: No space left on device\n")


def test_a_pipe_that_is_read_shows_how_far_it_is(folder: Path) -> None:
    """How many events and bytes so far, on a terminal; gone at the end."""
    (folder / "pipeline.toml").write_text(
        REPLAY.replace("events.jsonl", "-").replace('"stdout"', '"file"').replace('format = "json"', 'path = "out.jsonl"')
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "run"], stdin=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        assert process.stdin is not None
        shown, given = b"", 0
        while len(re.findall(rb"recorded [1-9][\d,]* events, [\d.]+ [KM]iB", shown)) < 2:
            process.stdin.write(EVENT.encode() * 1000)
            process.stdin.flush()
            given += 1000
            while select.select([ours], [], [], 0.05)[0]:
                shown += os.read(ours, 4096)
        process.stdin.close()
        with contextlib.suppress(OSError):  # the terminal ends with its last user
            while more := os.read(ours, 4096):
                shown += more
        assert process.wait(60) == ExitCode.OK
    os.close(ours)
    assert f"{given:,} exchanges seen in".encode() in shown.rpartition(b"\r\x1b[K")[2]
