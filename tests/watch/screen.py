"""A command in tmux: what stands on its screen, and keys for it. Each has a server of its own, which ends with it."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
HTTPIPE = ROOT / ".venv/bin/httpipe"
WAIT_SECS = 40
"""A condition that does not hold by then never will, also on a busy machine."""


class Screen:
    """A terminal of so many ``columns`` and ``rows``. ``name`` tells tmux's servers apart."""

    def __init__(self, name: str, command: list[str], columns: int, rows: int, **environment: str) -> None:
        self._server = f"httpipe-test-{os.getpid()}-{name}"
        variables = " ".join(f"{key}={shlex.quote(value)}" for key, value in {"TZ": "UTC", **environment}.items())
        line = f"env -u COLUMNS -u LINES {variables} {shlex.join(command)}; echo ENDED $?; read nothing"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(rows), line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None) -> None:
        self._tmux("kill-server", check=False)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        command = ["tmux", "-L", self._server, *arguments]
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=WAIT_SECS).stdout

    def pid(self) -> int:
        """Of the command, whose parent is the shell that says how it ended."""
        shell = self._tmux("display-message", "-p", "-t", "t", "#{pane_pid}").strip()
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def close(self) -> None:
        """The terminal goes away, as when its window is closed."""
        self._tmux("kill-server")

    def text(self) -> str:
        """What stands there now, without blanks at the ends of lines."""
        lines = self._tmux("capture-pane", "-p", "-t", "t").splitlines()
        return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"

    def coloured(self) -> str:
        """With the sequences for colours and styles."""
        return self._tmux("capture-pane", "-p", "-e", "-t", "t")

    def title(self) -> str:
        """What the command has called its terminal (OSC 0), else a name of tmux's."""
        return self._tmux("display-message", "-p", "-t", "t", "#{pane_title}").strip()

    def press(self, *keys: str) -> None:
        """Keys by tmux's names, such as ``Enter``."""
        self._tmux("send-keys", "-t", "t", *keys)

    def type(self, text: str) -> None:
        """Letters as they are."""
        self._tmux("send-keys", "-t", "t", "-l", text)

    def wait(self, holds: Callable[[str], bool]) -> str:
        """Until it holds of the text; the text then, or the last one where it never does."""
        end = time.monotonic() + WAIT_SECS
        while not holds(text := self.text()) and time.monotonic() < end:
            time.sleep(0.05)
        return text

    def shows(self, *parts: str) -> str:
        """Wait for all of these; fail with the screen where they do not come."""
        text = self.wait(lambda text: all(part in text for part in parts))
        assert all(part in text for part in parts), f"{[part for part in parts if part not in text]} not on\n{text}"
        return text
