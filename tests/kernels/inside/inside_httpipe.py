"""The command as a user runs it: a pipeline file, a process, and what it left when it was told to end."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

WAIT_SECS = 300
"""Emulated machines are slow; nothing waits for it to pass."""

PIPELINE = """
{process}
[sources.http]
type = "{kind}"
{options}
[sinks.out]
type = "file"
inputs = ["http"]
path = "{folder}/out.jsonl"
"""


class Httpipe:
    """One run that writes its exchanges to a file. ``started``: it captures now; else it has ended, and ``log`` says why."""

    def __init__(
        self, folder: Path, before: Sequence[str] = (), *, options: str = "", process: str = "", kind: str = "bpf"
    ) -> None:
        self._output, self._log, ready = folder / "out.jsonl", folder / "log", folder / "ready"
        pipeline = folder / "pipeline.toml"
        pipeline.write_text(PIPELINE.format(folder=folder, options=options, process=process, kind=kind))
        command = [*before, "httpipe", "run", str(pipeline), "--ready-file", str(ready)]
        with self._log.open("w") as log:
            environment = {**os.environ, "RUNTIME_DIRECTORY": str(folder)}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until(lambda: ready.exists() or self.process.poll() is not None)
        self.started = ready.exists()

    @property
    def log(self) -> str:
        """What it said."""
        return self._log.read_text()

    def exchanges(self) -> list[dict[str, Any]]:
        """What it has written so far."""
        lines = self._output.read_text().splitlines(keepends=True) if self._output.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def has(self, count: int) -> bool:
        """Wait for so many exchanges."""
        return until(lambda: len(self.exchanges()) >= count or self.process.poll() is not None)

    def says(self, words: str) -> bool:
        """Wait for them in its log."""
        return until(lambda: words in self.log or self.process.poll() is not None) and words in self.log

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECS)

    def counted(self, name: str) -> int:
        """A counter of its last words."""
        found = re.search(rf"\b{name} ([\d,]+)", self.log)
        return int(found[1].replace(",", "")) if found else 0


def until(condition: Callable[[], bool]) -> bool:
    """Wait for it; false where it does not come."""
    deadline = time.monotonic() + WAIT_SECS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)  # each look starts nothing and costs a slow machine little
    return False


def seen(exchange: dict[str, Any]) -> tuple[str, str, int, int]:
    """An exchange as the server's access log puts it."""
    query = exchange.get("url.query")
    target = exchange["url.path"] + (f"?{query}" if query else "")
    size = exchange.get("http.response.body.size", 0)
    return exchange["http.request.method"], target, exchange.get("http.response.status_code", 0), size
