"""A running `httpipe ui`, and a page of a browser that looks at it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "examples" / "demo.pcap"
LINK = re.compile(r"http://(\S+?)/#token=(\S+)")


class Running:
    """`httpipe ui` with these arguments; ``address`` is host:port of the page."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.said: list[str] = []
        for line in process.stderr:
            self.said.append(line)
            if found := LINK.search(line):
                self.address, self.token = found.groups()
                self.link = found[0]
                return
        raise AssertionError("".join(self.said))

    def stop(self) -> str:
        """As by `kill`; what it said after the link."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=30)[1]


@contextmanager
def running(*arguments: object, command: str = "ui", stdin: bytes | None = None, folder: Path | None = None) -> Iterator[Running]:
    """One that is ended behind the block. ``stdin`` is given and left open, as a capture that goes on.

    ``folder`` is where pipelines that run find each other.
    """
    line = [Path(sys.executable).with_name("httpipe"), command, *map(str, arguments)]
    process = subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **({"RUNTIME_DIRECTORY": str(folder)} if folder else {})},
    )
    try:
        if stdin is not None:
            assert process.stdin is not None
            process.stdin.buffer.write(stdin)
            process.stdin.flush()
        yield Running(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Watched:
    """A page of the browser, with everything that went wrong in it."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.wrong: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))

    def accessibility(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        script = HERE / "node_modules" / "axe-core" / "axe.min.js"
        if not script.is_file():
            pytest.skip("no axe-core: tools/setup.sh test installs it")
        self.page.evaluate(script.read_text())
        found: list[dict[str, Any]] = self.page.evaluate("axe.run().then((found) => found.violations)")
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        return [f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']][:5])}" for each in serious]


@contextmanager
def piped(file: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A pipeline that reads a capture from its standard input, ready to be asked; the header of the file has been given."""
    command = [Path(sys.executable).with_name("httpipe"), "run", file, "-q", "--ready-file", folder / "ready"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "RUNTIME_DIRECTORY": str(folder)})
    try:
        assert process.stdin is not None
        process.stdin.write(DEMO.read_bytes()[:24])
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not ((folder / "ready").exists() and list(folder.glob("*.sock"))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()
