"""What SIGINT and SIGTERM do to `httpipe run` before it has begun, after it has ended, and where the parent ignores them."""

import os
import pty
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode
from tests.waiting import until

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","http.request.method":"GET","url.path":"/x"}\n'

PIPELINE = """
[process]
shutdown_timeout_secs = 600

[sources.recorded]
type = "replay"
path = "-"

[sinks.out]
type = "file"
inputs = ["recorded"]
path = "out.jsonl"
"""

SIGNALS_AT = """
import asyncio, signal, sys
from pipeline.cli.start import main

name, number, times = sys.argv.pop(1), int(sys.argv.pop(1)), int(sys.argv.pop(1))
original = getattr(asyncio.SelectorEventLoop, name)

def signalled(self, *arguments):
    result = original(self, *arguments)
    for _ in range(times):
        signal.raise_signal(number)
    return result

setattr(asyncio.SelectorEventLoop, name, signalled)
main()
"""
"""Signals as soon as a method of the event loop has done its work."""


def signals_at(method: str, number: int, folder: Path, times: int = 1) -> subprocess.CompletedProcess[str]:
    """A run of one event whose event loop is hit by so many."""
    (folder / "pipeline.toml").write_text(PIPELINE)
    command = [sys.executable, "-c", SIGNALS_AT, method, str(int(number)), str(times), "run"]
    return subprocess.run(command, cwd=folder, input=EVENT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("method", ["shutdown_asyncgens", "_close_self_pipe", "close"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_loop_closes_changes_nothing(number: int, method: str, tmp_path: Path) -> None:
    """The run has ended: its summary and its exit code are told."""
    done = signals_at(method, number, tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "1 exchange seen" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_second_one_ends_the_process(tmp_path: Path) -> None:
    """Whatever its end waits for."""
    done = signals_at("close", signal.SIGINT, tmp_path, times=2)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize("method", ["_make_self_pipe", "set_debug"])
def test_ctrl_c_while_the_loop_is_made(method: str, tmp_path: Path) -> None:
    """Nothing is open yet: the process is ended as any other, without a word."""
    done = signals_at(method, signal.SIGINT, tmp_path)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_stays_ignored_where_the_parent_ignores_it(tmp_path: Path) -> None:
    """As under nohup and behind `&` in a script: the run goes on, and SIGTERM ends it."""
    (tmp_path / "pipeline.toml").write_text(PIPELINE)
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, "run", "--ready-file", "ready"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        until((tmp_path / "ready").exists)
        for events in range(1, 4):
            process.send_signal(signal.SIGINT)
            process.stdin.write(EVENT)
            process.stdin.flush()
            until(partial(written, tmp_path / "out.jsonl", events))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "3 exchanges seen" in said) == (ExitCode.OK, True), said


def test_a_terminal_that_is_closed_ends_the_run(tmp_path: Path) -> None:
    """Its SIGHUP asks for an end, in good order, where that of an administrator asks for a reload."""
    (tmp_path / "pipeline.toml").write_text(PIPELINE)
    os.mkfifo(tmp_path / "events")
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "sh", "-c", 'exec "$@" <events', "sh", *COMMAND, "run"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        with (tmp_path / "events").open("w") as events:
            events.write(EVENT)
            events.flush()
            until(partial(written, tmp_path / "out.jsonl", 1))
            os.close(ours)
            process.wait(timeout=60)
    assert process.returncode == ExitCode.OK


def written(path: Path, events: int) -> bool:
    """Whether so many events are in the file."""
    return path.exists() and path.read_text().count("\n") == events
