"""A machine does not outlive the tests that booted it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
MACHINE = """
import sys
from kernel_machine import run_machine
run_machine(["sh", "-c", "echo $$ > pid; exec sleep 600"])
"""
PATIENCE_SECS = 30


def test_it_dies_with_who_booted_it(tmp_path: Path) -> None:
    """SIGTERM gives Python no chance to end its children."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (FOLDER, FOLDER.parents[1])))}
    with subprocess.Popen([sys.executable, "-c", MACHINE], cwd=tmp_path, env=environment) as booting:
        end = time.monotonic() + PATIENCE_SECS
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text().endswith("\n")):
            assert time.monotonic() < end, "it was not started"
            time.sleep(0.01)
        booting.send_signal(signal.SIGTERM)
    machine = Path("/proc", pid.read_text().strip(), "cmdline")
    while _lives(machine):
        assert time.monotonic() < end, "it still runs"
        time.sleep(0.01)


def _lives(command: Path) -> bool:
    try:
        return b"sleep" in command.read_bytes()
    except FileNotFoundError:
        return False
