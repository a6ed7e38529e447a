"""`httpipe run` as a process of its own in a folder with the plugin `faulty`, and what it logs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from faulty import install

COMMAND = [sys.executable, "-c", "from pipeline.cli.main import main; main()"]
ROOT = Path(__file__).parents[2]

EVENT = (
    '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","http.request.method":"GET","url.path":"/%d",'
    '"httpipe.sequence":%d}\n'
)

PATIENCE_SECS = 30.0


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for it, bounded."""
    end = time.monotonic() + PATIENCE_SECS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {PATIENCE_SECS:g} s")
        time.sleep(0.01)


class Run:
    """A run that has been started."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._log = folder / "log"
        environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    @property
    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text()

    def says(self, sentence: str) -> Self:
        """Wait until it has said this."""
        until(lambda: sentence in self.log or self.process.poll() is not None, sentence)
        assert sentence in self.log, self.log
        return self

    def ends(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(PATIENCE_SECS)


@contextmanager
def running(folder: Path, pipeline: str, *arguments: str) -> Iterator[Run]:
    """Run this pipeline; whatever happens, it does not survive the test."""
    (folder / "pipeline.toml").write_text(pipeline)
    if not (folder / "faulty.py").exists():
        install(folder)
    run = Run(folder, *arguments)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def record(folder: Path, events: int) -> None:
    """A recording of so many exchanges, numbered from 0."""
    (folder / "events.jsonl").write_text("".join(EVENT % (number, number) for number in range(events)))
