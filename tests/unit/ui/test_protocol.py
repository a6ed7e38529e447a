"""How long the page's server waits for a request."""

import socket
import time

import pytest

from pipeline.config.options import UiOptions
from pipeline.ui import protocol
from pipeline.ui.server import UiServer
from tests.unit.watch.watch_events import store_of, view_of


def test_half_a_request_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a connection without any, nor a body that never ends; a stream goes on."""
    monkeypatch.setattr(protocol, "LOOK_SECS", 0.2)
    server = UiServer(view_of(store_of()), UiOptions())
    server.start()
    try:
        address = server.link.partition("//")[2].partition("/")[0].split(":")
        head = f"Host: {':'.join(address)}\r\nAuthorization: Bearer {server.token}\r\n"
        asked = {
            "nothing": "",
            "half": "GET /api/hello HTTP/1.1\r\nHost: ",
            "body": f"POST /api/hello HTTP/1.1\r\n{head}Content-Length: 10\r\n\r\nhalf",
            "stream": f"GET /api/exchanges HTTP/1.1\r\n{head}\r\n",
        }
        clients = {name: socket.create_connection((address[0], int(address[1])), timeout=10) for name in asked}
        for name, text in asked.items():
            clients[name].sendall(text.encode())
        for name in ("nothing", "half", "body"):
            while clients[name].recv(4096):
                pass
        end = time.monotonic() + 1
        clients["stream"].settimeout(0.1)
        received = b""
        while time.monotonic() < end:
            try:
                more = clients["stream"].recv(4096)
            except TimeoutError:
                continue
            assert more
            received += more
        assert received.startswith(b"HTTP/1.1 200")
    finally:
        server.close()
        for client in clients.values():
            client.close()
