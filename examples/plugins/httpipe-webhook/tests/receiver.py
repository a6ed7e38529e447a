"""A receiver of webhooks for tests: verifies signatures with the specification's own library and answers as it is told."""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from standardwebhooks import Webhook

SECRET = "whsec_bm90IGEgc2VjcmV0LCBvbmx5IGFuIGV4YW1wbGU="  # noqa: S105  for tests only

NO_CONTENT = 204
ZEROS = bytes(1 << 16)


class Answer(NamedTuple):
    """To one request."""

    status: int
    fields: Mapping[str, str] = {}
    length: int = 0


class Receiver:
    """``url(path)`` is where to send; ``events`` what arrived, ``ids`` every attempt, each by path; ``connections`` who came."""

    def __init__(self) -> None:
        self.events: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.ids: defaultdict[str, list[str]] = defaultdict(list)
        self.answers: deque[Answer] = deque()
        self.connections: set[tuple[str, int]] = set()
        self.closed = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Take a batch."""
                receiver.connections.add(self.client_address)
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = receiver.take(self.path, body, dict(self.headers))
                self.send_response(answer.status)
                for name, value in answer.fields.items():
                    self.send_header(name, value)
                if answer.status != NO_CONTENT:
                    self.send_header("content-length", str(answer.length))
                self.end_headers()
                with suppress(OSError):  # not everybody reads on and on
                    for _ in range(0, answer.length, len(ZEROS)):
                        self.wfile.write(ZEROS[: answer.length])

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def url(self, path: str = "/") -> str:
        """Where a test sends to."""
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def answer(self, status: int, *, length: int = 0, **fields: str) -> None:
        """Answer the next request like this; 204 again afterwards."""
        self.answers.append(Answer(status, {name.replace("_", "-"): value for name, value in fields.items()}, length))

    @contextmanager
    def away(self) -> Generator[None]:
        """Every answer is 503 meanwhile."""
        self.closed = True
        try:
            yield
        finally:
            self.closed = False

    def take(self, path: str, body: bytes, fields: dict[str, str]) -> Answer:
        """Raises, which breaks the connection, unless the signature is right; keeps what it says yes to."""
        Webhook(SECRET).verify(body, fields, json_parse=False)
        self.ids[path].append({name.lower(): value for name, value in fields.items()}["webhook-id"])
        answer = Answer(503) if self.closed else self.answers.popleft() if self.answers else Answer(204)
        if 200 <= answer.status < 300:
            self.events[path] += [json.loads(line) for line in body.splitlines()]
        return answer
