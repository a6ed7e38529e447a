"""`make run` in a terminal of its own, as the README says."""

import os
import pty
import signal
import subprocess
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from live_namespace import Namespace
from live_nginx import Serve

ROOT = Path(__file__).resolve().parents[2]
CTRL_C = b"\x03"
WAIT_SECS = 60
"""Setting up looks at what is installed first."""


@pytest.mark.anyio
async def test_ctrl_c_ends_make_run_without_a_word_of_make(namespace: Namespace, serve: Serve) -> None:
    """What was seen and the summary are the last that is printed, and the exit code is 0."""
    serve(namespace, ["127.0.0.1:80"])
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover  the child
        os.chdir(ROOT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a terminal; tests that run behind `&` of a script inherit it ignored
        command = namespace.command("make", "--no-print-directory", "run")
        os.execvp(command[0], command)  # noqa: S606  as typed in a terminal
    shown = b""
    try:
        with anyio.fail_after(WAIT_SECS):
            while b"GET" not in shown:
                await anyio.run_process(namespace.command("curl", "-sS", "http://127.0.0.1/small"), stdout=subprocess.DEVNULL)
                shown += await read(terminal)
            os.write(terminal, CTRL_C)
            while more := await read(terminal, secs=WAIT_SECS):
                shown += more
    finally:
        os.close(terminal)
        _, status = await anyio.to_thread.run_sync(os.waitpid, process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    assert b"exchange" in shown
    assert b"make: " not in shown


async def read(terminal: int, secs: float = 0.2) -> bytes:
    """What is shown within some time; nothing, too, when nobody has the terminal open any more."""
    with anyio.move_on_after(secs):
        await anyio.wait_readable(terminal)
        try:
            return os.read(terminal, 65536)
        except OSError:  # EIO: the other end is closed
            return b""
    return b""
