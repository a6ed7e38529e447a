"""A web server for the tests of sinks that send requests: keeps what arrives in a file, answers as it is told, can be killed.

``python tests/web_receiver.py PORT FILE CERTIFICATE``: each request becomes a line of JSON in FILE before it is answered. The
answer is 204, or what ``FILE.answers`` says: its n-th line is ``[status, fields, body]`` for the n-th request. At status 0 it
kills itself.
"""

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from tests.server_process import ServerProcess


class Receiver(ServerProcess):
    """``start`` and ``kill`` it as often as you like: it has the same port and the same file each time.

    With a certificate (PEM, with its key) it speaks TLS.
    """

    def __init__(self, folder: Path, *, certificate: str = "") -> None:
        super().__init__()
        self.file = folder / "received.jsonl"
        self.certificate = certificate

    @property
    def base(self) -> str:
        """The beginning of its addresses."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, "-X", "utf8", __file__, str(self.port), str(self.file), self.certificate]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def answer(self, *answers: tuple[int, dict[str, str], str]) -> None:
        """To the first requests; 204 afterwards."""
        Path(f"{self.file}.answers").write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))

    def requests(self) -> list[dict[str, Any]]:
        """What arrived: method, path, fields (names in small letters), body (bytes), status (of the answer), connection."""
        if not self.file.exists():
            return []
        found = [json.loads(line) for line in self.file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [each | {"body": base64.b64decode(each["body"])} for each in found]

    def taken(self) -> list[dict[str, Any]]:
        """The events of each request that was answered with success, or died over after it was kept; from JSON lines."""
        bodies = [each["body"] for each in self.requests() if each["status"] == 0 or 200 <= each["status"] < 300]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


class Receivers:
    """A server of one kind for each folder of a contract, started when it is asked for; ``end`` them with the module."""

    def __init__(self, kind: Callable[[Path], Any] = Receiver) -> None:
        self._kind = kind
        self._running: dict[Path, Any] = {}

    def at(self, folder: Path) -> Any:
        """The one of this folder."""
        if folder not in self._running:
            self._running[folder] = self._kind(folder)
            self._running[folder].start()
        return self._running[folder]

    @asynccontextmanager
    async def away(self, folder: Path) -> AsyncIterator[None]:
        """Killed meanwhile."""
        self.at(folder).kill()
        yield
        self.at(folder).start()

    def end(self) -> None:
        """Kill all."""
        for each in self._running.values():
            each.kill()


def main(port: int, file: Path, certificate: str) -> None:
    """Serve until killed."""
    lock = Lock()
    answers = Path(f"{file}.answers")
    count = len(file.read_text().splitlines()) if file.exists() else 0

    def keep(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], str]:
        nonlocal count
        with lock, file.open("a") as out:
            told = answers.read_text().splitlines()[count:] if answers.exists() else []
            count += 1
            answer = json.loads(told[0]) if told else (204, {}, "")
            request = {
                "method": handler.command,
                "path": handler.path,
                "fields": {name.lower(): value for name, value in handler.headers.items()},
                "body": base64.b64encode(body).decode(),
                "status": answer[0],
                "connection": handler.client_address[1],
            }
            out.write(json.dumps(request) + "\n")
        if answer[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """Take a request."""
            status, fields, text = keep(self, self.rfile.read(int(self.headers.get("content-length", "0"))))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_GET = do_POST  # noqa: N815  as the standard library wants it

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("listening", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
