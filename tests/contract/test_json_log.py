"""``log_format = "json"``: whatever a run says on standard error is a line of JSON, however it ends."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exit_codes import ExitCode

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","http.request.method":"GET","url.path":"/x"}\n'

PIPELINE = """
[telemetry]
log_format = "json"

[sources.recorded]
type = "replay"
path = "events.jsonl"

[transforms.posts]
type = "filter"
inputs = ["recorded"]
where = 'http.request.method == "POST"'

[sinks.out]
type = "file"
inputs = ["posts"]
path = "out.jsonl"
"""


def said(folder: Path, text: str, *options: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and lines of standard error; each must be an object with what every line has."""
    (folder / "pipeline.toml").write_text(text)
    done = subprocess.run(
        [*COMMAND, *options, "run"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=folder,
        env={**os.environ, **environment},
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all({"timestamp", "level", "component", "message"} <= line.keys() for line in lines)
    return done.returncode, lines


def test_the_summary(tmp_path: Path) -> None:
    """One line with every component, what was left out included."""
    (tmp_path / "events.jsonl").write_text(EVENT * 3)
    code, lines = said(tmp_path, PIPELINE)
    assert code == ExitCode.OK
    (summary,) = lines
    assert (summary["message"], summary["outcome"], summary["exchanges"]) == ("the run has ended", "ok", 3)
    assert [(each["id"], each["received"], each["sent"], each["discarded"]) for each in summary["components"]] == [
        ("recorded", 3, 3, {}),
        ("posts", 3, 0, {"filtered": 3}),
        ("out", 0, 0, {}),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('inputs = ["posts"]', 'inputs = ["post"]\ncolour = 1'), ["sinks.out.inputs.0", "sinks.out.colour"]),
        (("where = 'http", "where = 'htp"), ["transforms.posts.where"]),
        (("[sinks.out]", "[sinks.out"), ["line 14, column 11"]),
        (('log_format = "json"', 'log_format = "json"\nlog_level = "loud"'), ["telemetry.log_level"]),
    ],
    ids=["options", "expression", "syntax", "telemetry"],
)
def test_a_file_that_is_wrong(tmp_path: Path, change: tuple[str, str], told: list[str]) -> None:
    """A line for each problem, with its place."""
    code, lines = said(tmp_path, PIPELINE.replace(*change))
    assert code == ExitCode.BAD_CONFIG
    assert sorted((line["path"], line["level"], line["file"]) for line in lines) == sorted(
        (path, "error", "pipeline.toml") for path in told
    )


def test_what_only_opening_finds(tmp_path: Path) -> None:
    """Input that is not there, an address that is taken."""
    code, (line,) = said(tmp_path, PIPELINE)
    assert (code, line["exit_code"]) == (ExitCode.DAMAGED_INPUT, ExitCode.DAMAGED_INPUT)
    assert "events.jsonl" in line["message"]
    (tmp_path / "events.jsonl").write_text(EVENT)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f'metrics_address = "127.0.0.1:{taken.getsockname()[1]}"'
        code, (line,) = said(tmp_path, PIPELINE.replace("[telemetry]", f"[telemetry]\n{address}"))
    assert (code, line["path"]) == (ExitCode.BAD_CONFIG, "telemetry.metrics_address")


def test_an_internal_error_with_its_traceback(tmp_path: Path) -> None:
    """And warnings, as they come from libraries and from Python itself."""
    package = tmp_path / "broken"
    package.mkdir()
    (package / "sitecustomize.py").write_text(BROKEN)
    (tmp_path / "events.jsonl").write_text(EVENT)
    code, lines = said(tmp_path, PIPELINE, "--debug", PYTHONPATH=str(package))
    assert code == ExitCode.INTERNAL
    assert [line["message"].partition("\n")[0] for line in lines if line["level"] != "error"] == ["a library is unhappy"]
    assert lines[0]["component"] == "somelib"
    assert any("ZeroDivisionError" in line.get("exception", "") for line in lines)
    assert lines[-1]["message"].startswith("internal error: RuntimeError: a fault of ours")
    assert "Traceback" in lines[-1]["exception"]


BROKEN = """
import importlib.abc, logging, sys, threading

class Later(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "pipeline.runtime.run":
            sys.meta_path.remove(self)
            logging.getLogger("somelib").warning("a library is unhappy")
            thread = threading.Thread(target=lambda: 1 // 0)
            thread.start()
            thread.join()
            raise RuntimeError("a fault of ours")

sys.meta_path.insert(0, Later())
"""
