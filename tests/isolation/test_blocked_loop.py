"""A component that keeps the event loop is named with its place while it does, and cannot keep the process from ending."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from faulty import install
from running import COMMAND, PATIENCE_SECS, ROOT, record, running

from pipeline.cli.exit_codes import ExitCode

NAMED = "blocks the whole pipeline: nothing else runs until this call returns"

PIPELINE = """
[process]
shutdown_timeout_secs = {patience}

[telemetry]
log_level = "info"

[sources.faulty_source]
type = "faulty"
at = "batches"
way = "{source}"

[transforms.faulty_transform]
type = "faulty"
inputs = ["faulty_source"]
at = "process"
way = "{transform}"

[sinks.faulty_sink]
type = "faulty"
inputs = ["faulty_transform"]
at = "{at}"
way = "{sink}"
"""


def pipeline(patience: float = 60, at: str = "write", **ways: str) -> str:
    """One of them is faulty."""
    return PIPELINE.format(patience=patience, at=at, **{"source": "none", "transform": "none", "sink": "none", **ways})


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("sink", "sleep"),
        ("sink", "spin"),
        ("sink", "wait_in_c"),
        ("transform", "sleep"),
        ("transform", "spin"),
        ("source", "sleep"),
    ],
)
def test_it_is_named_and_the_second_signal_ends_the_process(kind: str, way: str, tmp_path: Path) -> None:
    """Whether it waits in Python, works in Python or waits in C; the first signal says what it waits for."""
    with running(tmp_path, pipeline(**{kind: way})) as run:
        run.says(f"faulty_{kind}: {NAMED}")
        place = re.search(rf"{NAMED}.*faulty\.py:(\d+) in {way}", run.log)
        assert place is not None, run.log
        assert int(place[1]) in _lines_of(way)
        run.process.send_signal(signal.SIGTERM)
        run.says(f"faulty_{kind}: shutting down: waiting for this call to return")
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == ExitCode.UNDELIVERED
        assert f"faulty_{kind}: second signal: this call is still running; exiting" in run.log


def test_a_signal_after_the_time_limit_is_the_second_one(tmp_path: Path) -> None:
    """`--for` has asked for the end already: what does not drain is not waited for, and the summary says what is lost."""
    with running(tmp_path, pipeline(sink="hang", patience=600), "--for", "0.3s") as run:
        run.says("faulty_source: reads no more")
        run.process.send_signal(signal.SIGTERM)
        assert run.ends() == ExitCode.UNDELIVERED
        assert "could not be delivered" in run.log


def test_a_log_that_nobody_reads_keeps_no_process(tmp_path: Path) -> None:
    """The loop stands in a write to standard error, with the log's lock held: the time limit ends the process all the same."""
    install(tmp_path)
    (tmp_path / "pipeline.toml").write_text(pipeline(sink="shout", patience=0.5))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    process = subprocess.Popen([*COMMAND, "run", "--for", "1s"], cwd=tmp_path, stderr=subprocess.PIPE, env=environment)
    try:
        assert process.wait(PATIENCE_SECS) == ExitCode.UNDELIVERED
    finally:
        process.kill()
        process.communicate()


def test_a_time_limit_ends_a_run_that_stands(tmp_path: Path) -> None:
    """`--for` and the time to shut down together, and a little more."""
    with running(tmp_path, pipeline(sink="sleep", patience=0.5), "--for", "1s") as run:
        assert run.ends() == ExitCode.UNDELIVERED
        assert "faulty_sink: shutdown timed out: this call is still running; exiting" in run.log


def test_one_signal_ends_a_run_that_stands_after_the_time_to_shut_down(tmp_path: Path) -> None:
    """Nobody has to come back for the second one."""
    with running(tmp_path, pipeline(sink="sleep", patience=0.5)) as run:
        run.says(NAMED)
        run.process.send_signal(signal.SIGTERM)
        assert run.ends() == ExitCode.UNDELIVERED
        assert "faulty_sink: shutdown timed out: this call is still running; exiting" in run.log


def test_not_even_pythons_lock_keeps_a_run_that_was_asked_to_end(tmp_path: Path) -> None:
    """C code that lets no thread of Python run, while the sink is closed: faulthandler tells where, and ends the process."""
    with running(tmp_path, pipeline(sink="keep_the_lock", at="aclose", patience=0.5), "--for", "1s") as run:
        assert run.ends() == ExitCode.TESTS_FAILED
        place = re.search(r'faulty\.py", line (\d+) in keep_the_lock', run.log)
        assert place is not None, run.log
        assert int(place[1]) in _lines_of("keep_the_lock")


def test_what_a_disk_queue_holds_survives_the_second_signal(tmp_path: Path) -> None:
    """Everything that was committed is delivered by the next run."""
    record(tmp_path, 300)
    text = (
        '[process]\ndata_dir = "data"\n[sources.recorded]\ntype = "replay"\npath = "events.jsonl"\n'
        '[sinks.faulty_sink]\ntype = "faulty"\ninputs = ["recorded"]\nway = "sleep"\ntimes = 1\nbuffer.type = "disk"\n'
    )
    with running(tmp_path, text) as run:
        run.says(NAMED)
        run.process.send_signal(signal.SIGINT)
        run.process.send_signal(signal.SIGTERM)
        assert run.ends() == ExitCode.UNDELIVERED
    (tmp_path / "events.jsonl").write_text("")
    with running(tmp_path, text) as again:
        assert again.ends() == ExitCode.OK
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 300, again.log


def _lines_of(way: str) -> range:
    """The lines of a way of being faulty."""
    lines = Path(__file__).with_name("faulty.py").read_text().splitlines()
    begins = lines.index(f"def {way}() -> None:")
    return range(begins + 1, lines.index("", begins) + 1)
