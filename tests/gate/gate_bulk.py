"""Clients that send chunked bulk and small requests in turn, each on one connection that is kept."""

import http.client
import random
from collections.abc import Iterator

from live_namespace import Namespace

REQUESTS = 6
CHUNKS = (100, 8192, 65536, 65536)
"""Their sizes."""
WAIT_SECS = 120
"""Lost segments come again after 0.2 s, then 0.4, then 0.8…"""


def talk(namespace: Namespace, port: int, seed: int, *, denied: bool) -> tuple[int, list[tuple[bytes, bytes]]]:
    """The client's port, and what it asked for; all of it was answered with 200. ``denied``: also for what lists deny."""
    chosen = random.Random(seed)
    asked = []
    with namespace.entered():
        client = http.client.HTTPConnection("10.25.0.2", port, timeout=WAIT_SECS)
        client.connect()
        for _ in range(REQUESTS):
            kind = chosen.choice(("bulk", "bulk", "small", "denied"))
            path = "/admin/x" if kind == "denied" and denied else "/ok"
            method = "POST" if kind == "bulk" else "GET"
            client.request(method, path, body=_bulk(chosen) if kind == "bulk" else None, encode_chunked=True)
            answer = client.getresponse()
            assert (answer.status, len(answer.read()) > 0) == (200, True)
            asked.append((method.encode(), path.encode()))
        source: int = client.sock.getsockname()[1]
        client.close()
    return source, asked


def _bulk(chosen: random.Random) -> Iterator[bytes]:
    for _ in range(chosen.randrange(20, 60)):
        yield chosen.randbytes(chosen.choice(CHUNKS))
