"""`httpipe top` on a terminal: how it ends, and that the terminal is then as it was."""

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pipeline.model.snapshot import Snapshot

pytestmark = pytest.mark.slow

SCREEN_BEGINS, SCREEN_ENDS = b"\x1b[?1049h", b"\x1b[?1049l"
WAIT_SECS = 20


@pytest.fixture
def control_socket(tmp_path: Path) -> Iterator[str]:
    """A pipeline that says every 50 ms that it is well, to whoever asks."""
    path = str(tmp_path / "control.sock")
    look = Snapshot(file="edge.toml", pid=7, taken_ns=0, uptime_secs=1.0, ready=True, draining=False, components=())
    over = threading.Event()

    def answer(client: socket.socket) -> None:
        with client:
            client.recv(4096)
            try:
                while not over.wait(0.05):
                    client.sendall(msgspec.json.encode(look) + b"\n")
            except OSError:
                return

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(WAIT_SECS)

        def accept() -> None:
            client, _ = server.accept()
            answer(client)

        thread = threading.Thread(target=accept)
        thread.start()
        yield path
        over.set()
        thread.join()


class Top:
    """The command on a pseudo-terminal of its own."""

    def __init__(self, path: str) -> None:
        self.controller, terminal = pty.openpty()
        self.before = termios.tcgetattr(terminal)
        command = [str(Path(sys.executable).with_name("httpipe")), "top", "--socket", path, "--every", "0.1"]
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=os.environ | {"TERM": "xterm"},
        )
        os.close(terminal)
        self.shown = b""

    def until(self, text: bytes) -> None:
        """Read the screen up to this."""
        while text not in self.shown:
            assert select.select([self.controller], [], [], WAIT_SECS)[0], self.shown
            self.shown += os.read(self.controller, 65536)
        self.shown = self.shown.partition(text)[2]

    def press(self, keys: bytes) -> None:
        """As the keyboard does."""
        os.write(self.controller, keys)


@pytest.fixture
def top(control_socket: str) -> Iterator[Top]:
    """It runs, and shows the pipeline."""
    command = Top(control_socket)
    command.until(SCREEN_BEGINS)
    command.until(b"edge.toml")
    yield command
    command.process.kill()
    command.process.wait()
    os.close(command.controller)


def foreground(top: Top) -> int:
    """The process of the command itself."""
    return os.tcgetpgrp(top.controller)


def wait_until_stopped(process: int) -> None:
    """Its state is T (proc_pid_stat(5)): a SIGCONT before that would be lost."""
    deadline = time.monotonic() + WAIT_SECS
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline


@pytest.mark.parametrize("ending", [b"q", b"\x03", signal.SIGTERM])
def test_the_terminal_is_put_back(top: Top, ending: bytes | signal.Signals) -> None:
    """By q, Ctrl-C and kill: the other screen is left, and keys are shown and need Enter again."""
    during = termios.tcgetattr(top.controller)
    assert not during[3] & (termios.ICANON | termios.ECHO)
    if isinstance(ending, bytes):
        top.press(ending)
    else:
        os.kill(foreground(top), ending)
    top.until(SCREEN_ENDS)
    assert top.process.wait(WAIT_SECS) == 0
    assert termios.tcgetattr(top.controller) == top.before


def test_suspended_it_leaves_the_screen_and_comes_back(top: Top) -> None:
    """Ctrl-Z gives the terminal back, fg takes it again."""
    process = foreground(top)
    top.press(b"\x1a")
    top.until(SCREEN_ENDS)
    os.waitid(os.P_PID, top.process.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG | os.WEXITED)
    os.kill(process, signal.SIGCONT)
    top.until(SCREEN_BEGINS)
    top.until(b"edge.toml")
    top.press(b"q")
    assert top.process.wait(WAIT_SECS) == 0
    assert termios.tcgetattr(top.controller) == top.before
