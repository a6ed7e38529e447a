"""A pipeline that is reloaded again and again while a client asks without a pause."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

WAIT_SECS = 30
EACH = 200
"""Requests between two reloads at least."""


def reload_while_asking(
    folder: Path,
    texts: list[str],
    ask: Callable[[list[int], threading.Event], None],
    *,
    within: Callable[..., list[str]] = lambda *command: list(command),
) -> tuple[list[int], str]:
    """Run the first text, reload with each of the others; the numbers of the requests, and what httpipe said.

    ``ask(told, goes_on)`` runs in a thread. ``within`` makes a command one that runs elsewhere, such as in a network namespace.
    """
    pipeline, ready, said = (folder / name for name in ("pipeline.toml", "ready", "said"))

    def until(holds: Callable[[], bool]) -> None:
        while not holds():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.001)

    pipeline.write_text(texts[0])
    command = within(str(Path(sys.executable).with_name("httpipe")), "run", str(pipeline), "--ready-file", str(ready))
    told: list[int] = []
    goes_on = threading.Event()
    goes_on.set()
    client = threading.Thread(target=ask, args=(told, goes_on))
    deadline = time.monotonic() + 4 * WAIT_SECS
    with said.open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            until(ready.exists)
            client.start()
            for turn, text in enumerate(texts[1:]):
                begin = len(told)
                until(lambda begin=begin: len(told) >= begin + EACH)  # type: ignore[misc]
                pipeline.write_text(text)
                process.send_signal(signal.SIGHUP)
                until(lambda turn=turn: said.read_text().count("reloaded") > turn)  # type: ignore[misc]
        finally:
            goes_on.clear()
            if client.is_alive():
                client.join()
            process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECS) == 0, said.read_text()
    return told, said.read_text()
