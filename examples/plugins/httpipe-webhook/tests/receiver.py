"""A receiver of webhooks for tests: verifies signatures with the specification's own library and answers as it is told."""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook

SECRET = "whsec_bm90IGEgc2VjcmV0LCBvbmx5IGFuIGV4YW1wbGU="  # noqa: S105  for tests only


class Receiver:
    """``url(path)`` is where to send; ``events`` what arrived, ``ids`` every attempt, each by path."""

    def __init__(self) -> None:
        self.events: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.ids: defaultdict[str, list[str]] = defaultdict(list)
        self.answers: deque[tuple[int, Mapping[str, str]]] = deque()
        self.closed = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                """Take a batch."""
                body = self.rfile.read(int(self.headers["content-length"]))
                status, fields = receiver.take(self.path, body, dict(self.headers))
                self.send_response(status)
                for name, value in {**fields, "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

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

    def answer(self, status: int, **fields: str) -> None:
        """Answer the next request like this; 204 again afterwards."""
        self.answers.append((status, {name.replace("_", "-"): value for name, value in fields.items()}))

    @contextmanager
    def away(self) -> Generator[None]:
        """Every answer is 503 meanwhile."""
        self.closed = True
        try:
            yield
        finally:
            self.closed = False

    def take(self, path: str, body: bytes, fields: dict[str, str]) -> tuple[int, Mapping[str, str]]:
        """Raises, which breaks the connection, unless the signature is right; keeps what it says yes to."""
        Webhook(SECRET).verify(body, fields, json_parse=False)
        self.ids[path].append({name.lower(): value for name, value in fields.items()}["webhook-id"])
        status, more = (503, {}) if self.closed else self.answers.popleft() if self.answers else (204, {})
        if 200 <= status < 300:
            self.events[path] += [json.loads(line) for line in body.splitlines()]
        return status, more
