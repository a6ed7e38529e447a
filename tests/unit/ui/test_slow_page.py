"""A page that does not read: what it costs, and what it is told when it does."""

import json
import socket

import pytest

from pipeline.config.options import UiOptions
from pipeline.ui.app import MOST_ROWS
from pipeline.ui.server import UiServer
from tests.unit.watch.watch_events import exchange, store_of, view_of

pytestmark = pytest.mark.slow

LONG = {"url_path": "/" + "x" * 1000, "httpipe_request_target": "/"}


def test_a_page_that_does_not_read_is_left_behind() -> None:
    """Nothing is kept for it: of what passed meanwhile it gets the newest, and how many it did not get."""
    store = store_of([exchange(0)], keep=20_000)
    server = UiServer(view_of(store), UiOptions())
    server.start()
    address = server.link.partition("//")[2].partition("/")[0]
    host, _, port = address.partition(":")
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(30)
            client.connect((host, int(port)))
            head = f"Host: {address}\r\nAuthorization: Bearer {server.token}\r\n"
            client.sendall(f"GET /api/exchanges HTTP/1.1\r\n{head}\r\n".encode())
            received = b""
            while b"\n\n" not in received:
                received += client.recv(4096)
            seen = 1
            while store.seen < 50_000:  # far more than all buffers between the two hold
                store.show([exchange(seen + each, **LONG) for each in range(1000)])
                seen += 1000
            rows = missed = 0
            while rows + missed < seen:
                received += client.recv(1 << 20)
                *whole, received = received.split(b"\n\n")
                for data in (part.partition(b"data: ")[2] for part in whole):
                    if data:
                        told = json.loads(data.partition(b"\r\n")[0])
                        assert len(told["rows"]) <= MOST_ROWS
                        rows, missed = rows + len(told["rows"]), missed + told["missed"]
            assert rows + missed == seen
            assert told["rows"][-1][0] == seen
            assert missed > seen // 2
    finally:
        server.close()
