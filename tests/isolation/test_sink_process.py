"""A sink with `isolation = "process"`: whatever it does in there, the others deliver, it is restarted, and nothing is lost."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from running import record, running, until

from pipeline.cli.exit_codes import ExitCode

EVENTS = 1000

PIPELINE = """
[process]
shutdown_timeout_secs = 20
data_dir = "data"

[sources.recorded]
type = "replay"
path = "events.jsonl"

[sinks.faulty_sink]
type = "faulty"
inputs = ["recorded"]
isolation = "process"
batch.max_events = 100
retry = {{ initial_backoff_secs = 0.01, max_backoff_secs = 0.1{attempts} }}
write_timeout_secs = {timeout}
dead_letter = "rejected"
way = "{way}"
at = "{at}"
times = {times}

[sinks.healthy]
type = "file"
inputs = ["recorded"]
path = "healthy.jsonl"

[sinks.rejected]
type = "file"
path = "rejected.jsonl"
"""


def pipeline(way: str, at: str = "write", times: int = 2, timeout: float = 60, attempts: str = "") -> str:
    """The sink is faulty so often in this way."""
    return PIPELINE.format(way=way, at=at, times=times, timeout=timeout, attempts=attempts)


def numbers(path: Path) -> list[int]:
    """What a sink has written."""
    return [json.loads(line)["httpipe.sequence"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("way", "at", "told"),
    [
        ("die", "write", "its process was killed by SIGKILL"),
        ("die", "open", "its process was killed by SIGKILL"),
        ("crash", "write", "its process was killed by SIGSEGV"),
        ("leave", "write", "raised SystemExit(3)"),
        ("fault", "write", "ZeroDivisionError: division by zero"),
        ("not_connected", "open", "NotConnected: the other end is gone"),
        ("back_off", "write", "BackOff: asked to wait 0.01 s"),
        ("back_off_unsaid", "write", "BackOff: not now"),
        ("timeout", "write", "TimeoutError: too slow"),
    ],
)
def test_what_happens_in_its_process_stays_there(way: str, at: str, told: str, tmp_path: Path) -> None:
    """Exit, signal, crash in C, any error: each event is delivered exactly once, as none was told delivered before."""
    record(tmp_path, EVENTS)
    with running(tmp_path, pipeline(way, at, times=2 if at == "write" else 3)) as run:
        assert run.ends() == ExitCode.OK, run.log
    assert told in run.log
    assert re.search(r"sink faulty_sink +sent 1,000\b", run.log), "the ledger says what was delivered"
    assert sorted(numbers(tmp_path / "out.jsonl")) == list(range(EVENTS))
    assert numbers(tmp_path / "healthy.jsonl") == list(range(EVENTS))
    assert len((tmp_path / "times").read_text().splitlines()) >= 2, "it was not faulty"


def test_a_batch_that_was_written_and_not_answered_comes_again(tmp_path: Path) -> None:
    """At least once: the process dies between the two."""
    record(tmp_path, EVENTS)
    with running(tmp_path, pipeline("die", "written", times=2)) as run:
        assert run.ends() == ExitCode.OK, run.log
    got = numbers(tmp_path / "out.jsonl")
    assert set(got) == set(range(EVENTS))
    assert len(got) == EVENTS + 200


@pytest.mark.parametrize("way", ["sleep", "spin", "wait_in_c", "keep_the_lock", "hang"])
def test_a_process_that_does_not_answer_in_time_is_killed(way: str, tmp_path: Path) -> None:
    """After `write_timeout_secs`, with the place where it stands; one that only waits is cancelled and closed."""
    record(tmp_path, EVENTS)
    with running(tmp_path, pipeline(way, times=1, timeout=1)) as run:
        if way == "hang":  # its write never ends, not even the next time
            run.says("no answer within 1 s")
            run.process.send_signal(signal.SIGINT)
            run.process.send_signal(signal.SIGINT)
            assert run.ends() == ExitCode.UNDELIVERED
            assert "killing it" not in run.log
            return
        assert run.ends() == ExitCode.OK, run.log
    line = next(line for line in run.log.splitlines() if "its process does not respond; killing it" in line)
    assert f"in {way}" in line
    assert sorted(numbers(tmp_path / "out.jsonl")) == list(range(EVENTS))


def test_errors_for_single_events_and_dead_letters_pass_through(tmp_path: Path) -> None:
    """Of a batch one event is rejected, two are written again, the others count as delivered."""
    record(tmp_path, EVENTS)
    with running(tmp_path, pipeline("partly", times=1)) as run:
        assert run.ends() == ExitCode.OK, run.log
    assert numbers(tmp_path / "rejected.jsonl") == [1]
    assert "too odd" in (tmp_path / "rejected.jsonl").read_text()
    assert set(numbers(tmp_path / "out.jsonl")) >= {2, 3}


@pytest.mark.parametrize(("way", "code"), [("reject", ExitCode.OK), ("finished", ExitCode.OK)])
def test_a_sink_that_wants_none_of_it_says_so(way: str, code: int, tmp_path: Path) -> None:
    """Everything is rejected to the dead letter, or the sink ends in peace."""
    record(tmp_path, EVENTS)
    with running(tmp_path, pipeline(way, times=1_000_000)) as run:
        assert run.ends() == code, run.log
    assert numbers(tmp_path / "out.jsonl") == []
    assert len(numbers(tmp_path / "rejected.jsonl")) == (EVENTS if way == "reject" else 0)


def test_its_log_and_its_counters_are_the_components(tmp_path: Path) -> None:
    """With its name, from a process that is another, and one for all batches."""
    record(tmp_path, EVENTS)
    with running(tmp_path, pipeline("none")) as run:
        assert run.ends() == ExitCode.OK, run.log
    lines = [line for line in run.log.splitlines() if "faulty_sink: wrote a batch" in line]
    processes = {line.rpartition("pid=")[2] for line in lines}
    assert len(processes) == 1
    batches = [re.search(r"attempt=(\d+) batch=(\S+)", line) for line in lines]
    assert [found and found[1] for found in batches] == ["1"] * len(lines)
    assert len({found and found[2] for found in batches}) == len(lines) > 1
    assert processes != {str(run.process.pid)}
    assert "written" in run.log.replace("wrote", "")


@pytest.mark.parametrize("way", ["none", "sleep", "keep_the_lock"])
def test_it_ends_with_its_parent(way: str, tmp_path: Path) -> None:
    """Also by kill -9, and whatever it is doing."""
    record(tmp_path, EVENTS)
    live = pipeline(way).replace('type = "replay"\npath = "events.jsonl"', 'type = "faulty"')
    with running(tmp_path, live) as run:
        until((tmp_path / ("out.jsonl" if way == "none" else "times")).exists, "the first write")
        children = [int(each) for each in Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()]
        assert len(children) == 1
        os.kill(run.process.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{children[0]}").exists() or "Z" in _state(children[0]), "the end of the child")


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
