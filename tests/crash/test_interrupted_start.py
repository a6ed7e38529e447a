"""Ctrl-C and SIGTERM at random moments while disk queues are being created: an end in words, and queues that can be used."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()", "run"]
ROUNDS = 50
QUEUES = 8
SPREAD_SECS = 0.06
"""Creating eight queues takes about so long."""

SOURCE = '[process]\ndata_dir = "data"\n[sources.recorded]\ntype = "replay"\npath = "events.jsonl"\n'
SINK = '[sinks.sink_{0}]\ntype = "null"\ninputs = ["recorded"]\nbuffer.type = "disk"\n'


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_while_disk_queues_are_created(number: int, code: int, tmp_path: Path) -> None:
    """Never a crash and never a traceback: interrupted, or stopped in good order when everything was open already."""
    dice = random.Random(number)
    codes = [_interrupted(tmp_path / str(turn), number, dice.random() * SPREAD_SECS) for turn in range(ROUNDS)]
    assert set(codes) <= {code, ExitCode.OK, -number}  # the last: Python was ending already
    assert code in codes, "no signal came in time: the moments are badly chosen"


def _interrupted(folder: Path, number: int, delay_secs: float) -> int:
    """The exit code of a run that gets a signal so long after its first queue has begun to exist."""
    folder.mkdir()
    (folder / "events.jsonl").write_text("")
    (folder / "pipeline.toml").write_text(SOURCE + "".join(SINK.format(at) for at in range(QUEUES)))
    process = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    first = folder / "data" / "sink_0"
    while not first.exists() and process.poll() is None:
        time.sleep(0.0005)
    time.sleep(delay_secs)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert "Fatal" not in said
    return process.returncode
