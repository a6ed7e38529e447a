"""Debian's Firefox without a window, driven by its own protocol.

Playwright drives a Firefox of its own making only, and geckodriver, which Selenium needs, is in no package registry. Marionette
is what geckodriver speaks to Firefox: messages of JSON with their length in front, ``12:[0,1,"…",{}]`` (firefox-source-docs,
"Marionette Protocol"). Mozilla's own client for Python brings eighteen packages.
"""

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECS = 120
WAIT_SECS = 30
PREFERENCES = {"marionette.port": 0, "app.update.auto": False, "datareporting.policy.dataSubmissionEnabled": False}
PORT_FILE = "MarionetteActivePort"
"""In the profile's folder, once Firefox listens."""


class Firefox:
    """``script`` runs in the page, or with ``chrome`` in the browser's own window."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._file, self._number = connection, connection.makefile("rb"), 0
        self._message()  # who it is
        self.ask("WebDriver:NewSession", {"timeouts": {"script": WAIT_SECS * 1000}})

    def ask(self, command: str, parameters: dict[str, Any]) -> Any:
        """What it answers."""
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(text), text))
        _, number, wrong, answer = self._message()
        assert (number, wrong) == (self._number, None), wrong
        return answer

    def _message(self) -> Any:
        length = b""
        while (character := self._file.read(1)) != b":":
            assert character, "Firefox has ended"
            length += character
        return json.loads(self._file.read(int(length)))

    def open(self, link: str) -> None:
        """Goes there."""
        self.ask("WebDriver:Navigate", {"url": link})

    def script(self, script: str, *arguments: object, chrome: bool = False) -> Any:
        """What the body of an asynchronous function returns, or what it threw in words."""
        call = f"(async (...arguments) => {{ {script} }})(...arguments)"
        body = f"const done = arguments[arguments.length - 1]; {call}.then(done, (wrong) => done(`${{wrong}}`))"
        self.ask("Marionette:SetContext", {"value": "chrome" if chrome else "content"})
        found = self.ask("WebDriver:ExecuteAsyncScript", {"script": body, "args": arguments, "sandbox": None})
        self.ask("Marionette:SetContext", {"value": "content"})
        return found["value"]

    def until(self, script: str, wanted: object) -> None:
        """Runs it until it returns that, and fails with what it returns instead."""
        deadline = time.monotonic() + WAIT_SECS
        while (now := self.script(script)) != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        assert now == wanted, now

    def press(self, key: str) -> None:
        """On the keyboard."""
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.ask("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def picture(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.ask("WebDriver:TakeScreenshot", {"full": False})["value"])


@contextmanager
def started(program: str, folder: Path) -> Iterator[Firefox]:
    """With a new profile in the folder; ended behind the block."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("".join(lines))
    command = [program, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", str(folder)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + START_SECS
            while not (folder / PORT_FILE).exists():
                assert process.poll() is None, (folder / "log").read_text(errors="replace")
                assert time.monotonic() < deadline
                time.sleep(0.05)
            with socket.create_connection(("127.0.0.1", int((folder / PORT_FILE).read_text()))) as connection:
                yield Firefox(connection)
        finally:
            process.terminate()
