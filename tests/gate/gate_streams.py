"""Random requests as honest clients make them, and what h11 reads of the same bytes."""

import random
from collections.abc import Iterator

import h11

METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "M-SEARCH")
SEGMENTS = (
    "admin",
    "admin",
    "ok",
    "a",
    "%61dmin",
    "ad%6Din",
    "caf%C3%A9",
    "x.y",
    "...",
    ".well-known",
    "%20",
    "a+b",
    "~u",
    "",
    "%7E",
)
NAMES = (
    "Accept", "Cookie", "Content-Type", "Connection", "Hosting", "Content-Encoding", "Transfer", "Upgrade-Insecure-Requests",
    "User-Agent", "TE", "X-Content-Length", "Contentious", "Trace", "H", "C", "T", "U", "Origin",
)  # fmt: skip
VALUES = ("", "*/*", "a: b; c=d", "x" * 300, "\t tab", "caf\xe9", "0", "chunked", "keep-alive", '"q"', "12345678", "1234567:")


class Stream:
    """``data`` of ``requests`` requests, cut into ``pieces``."""

    def __init__(self, seed: int, requests: int) -> None:
        self._random = random.Random(seed)
        self.data = b"".join(self._request() for _ in range(requests))
        self.pieces = list(self._cut())

    def _request(self) -> bytes:
        chosen = self._random
        method = chosen.choice(METHODS)
        host = chosen.choice(("a", "A.b:80", "[::1]:80"))
        lines = [f"{method} {self._target(host)} HTTP/1.1", f"Host: {host}"]
        lines += [f"{chosen.choice(NAMES)}: {chosen.choice(VALUES)}" for _ in range(chosen.randrange(8))]
        body, framing = self._body() if method in {"POST", "PUT", "PATCH", "DELETE"} else (b"", "")
        lines += [framing] * bool(framing)
        head = lines[:1] + chosen.sample(lines[1:], len(lines) - 1)
        end = chosen.choice(("\r\n", "\r\n", "\r\n", "\n"))
        return (end.join(head) + 2 * end).encode("latin-1") + body

    def _target(self, host: str) -> str:
        chosen = self._random
        if chosen.random() < 0.02:
            return "*"
        path = "/" + "/".join(chosen.choice(SEGMENTS) for _ in range(chosen.randrange(1, 6))).lstrip("/")
        query = "?" + chosen.choice(("", "q=/admin/x", "a=..&b=%2F;", "x=http://y/")) if chosen.random() < 0.3 else ""
        return (f"http://{host}" if chosen.random() < 0.05 else "") + path + query

    def _body(self) -> tuple[bytes, str]:
        chosen = self._random
        data = chosen.randbytes(chosen.choice((0, 1, 7, 100, 5000, 40000)))
        if chosen.random() < 0.5:
            return data, f"Content-Length: {len(data)}"
        pieces = []
        while data:
            size = chosen.randrange(1, 3000)
            chunk, data = data[:size], data[size:]
            form = chosen.choice(("%x", "%X", "00%x")) % len(chunk)
            pieces.append(form.encode() + chosen.choice((b"", b";a=b", b';c="d"')) + b"\r\n" + chunk + b"\r\n")
        trailer = chosen.choice((b"", b"", b"Expires: now\r\nX: GET /admin/x HTTP/1.1\r\n"))
        return b"".join(pieces) + b"0\r\n" + trailer + b"\r\n", "Transfer-Encoding: chunked"

    def _cut(self) -> Iterator[bytes]:
        sizes = self._random.choice(((1,), (1, 2, 3, 50), (100, 1000), (3000, 60000), (1000000,)))
        at = 0
        while at < len(self.data):
            size = self._random.choice(sizes)
            if sizes == (1,) and len(self.data) > 3000:
                size = self._random.choice((1, 1, 1, 2000))
            yield self.data[at : at + size]
            at += size


def read_by_h11(data: bytes) -> list[tuple[bytes, bytes]]:
    """Method and target of each request."""
    found = []
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(data)
    while True:
        event = server.next_event()
        if event is h11.NEED_DATA:
            return found
        if isinstance(event, h11.Request):
            found.append((event.method, event.target))
        elif isinstance(event, h11.EndOfMessage):
            server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
