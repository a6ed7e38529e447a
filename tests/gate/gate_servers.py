"""The servers that a list protects: nginx, Apache, node, Go and Python, each with a secret below ``/admin``."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from live_namespace import Namespace

HERE = Path(__file__).parent / "servers"
WAIT_SECS = 20
SERVERS = {"nginx": 25001, "node": 25011, "go": 25012, "apache": 25013, "python": 25014}
"""Name → port."""


@contextmanager
def served(namespace: Namespace, folder: Path, names: tuple[str, ...] = tuple(SERVERS)) -> Generator[dict[str, int], None, None]:
    """Start them in the namespace; name → port."""
    with ExitStack() as stack:
        for name in names:
            process = subprocess.Popen(
                namespace.command(*_command(name, folder)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(_end, process)
        for name in names:
            _wait_for(namespace, SERVERS[name])
        yield {name: SERVERS[name] for name in names}


def access_log(folder: Path) -> list[str]:
    """What nginx says that it was asked: method, target, status."""
    return (folder / "nginx" / "access.log").read_text().splitlines()


def _command(name: str, folder: Path) -> list[str]:
    here = folder / name
    here.mkdir()
    port = str(SERVERS[name])
    if name == "node":
        return ["node", str(HERE / "node.js"), port]
    if name == "python":
        return [sys.executable, str(HERE / "answers.py"), port]
    if name == "go":
        program = here / "server"
        subprocess.run(["go", "build", "-o", str(program), str(HERE / "main.go")], check=True, cwd=here)
        return [str(program), f":{port}"]
    config = here / "server.conf"
    config.write_text((HERE / f"{name}.conf").read_text().format(folder=here, port=port))
    if name == "nginx":
        return ["nginx", "-c", str(config)]
    for path, text in (("ok", "hello\n"), ("admin/x", "SECRET\n")):
        file = here / "www" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for each in (here, *here.parents):  # Apache's children are nobody's
        if each.is_relative_to(tempfile.gettempdir()) and each.stat().st_uid == os.geteuid():
            each.chmod(each.stat().st_mode | 0o055)
    return ["apache2", "-D", "FOREGROUND", "-f", str(config)]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(WAIT_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(namespace: Namespace, port: int) -> None:
    deadline = time.monotonic() + WAIT_SECS
    with namespace.entered():
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), WAIT_SECS).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
                continue
            return
    raise TimeoutError(f"nobody answers on {port}")
