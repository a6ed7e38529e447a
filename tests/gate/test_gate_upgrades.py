"""Other protocols: WebSocket goes through where the server agreed to it, and nothing else does."""

import functools
import socket
from collections.abc import Generator

import pytest
from gate_run import Running
from gate_servers import served
from live_namespace import Namespace

from pipeline.sources.gate import abi

UPGRADE = b"GET /%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"
DENIED = b"GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def ports(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, int], None, None]:
    """Node, which agrees to WebSocket at /chat and echoes what comes then; Go, which agrees to nothing."""
    with served(server_side, tmp_path_factory.mktemp("upgrades"), ("node", "go")) as found:
        yield found


@pytest.fixture
def port(ports: dict[str, int]) -> int:
    """Node's."""
    return ports["node"]


def test_websocket(port: int, client_side: Namespace, start: functools.partial[Running]) -> None:
    """Behind a 101 bytes are the other protocol's, whatever they look like."""
    gate = start("wire")
    with client_side.entered(), socket.create_connection(("10.25.0.2", port), 3) as client:
        client.sendall(UPGRADE % (b"chat", b"websocket"))
        assert client.recv(1000).startswith(b"HTTP/1.1 101")
        for message in (b"\x81\x05hello", DENIED):
            client.sendall(message)
            assert client.recv(1000) == message
    assert gate.look().count("allowed") == gate.count("heads") == 1


def test_before_the_answer(port: int, client_side: Namespace, start: functools.partial[Running]) -> None:
    """What a client sends too early waits for the server's answer, and arrives."""
    gate = start("wire")
    with client_side.entered(), socket.create_connection(("10.25.0.2", port), 3) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(UPGRADE % (b"chat", b"websocket"))
        client.sendall(b"\x81\x05early")
        received = b""
        while not received.endswith(b"early"):
            received += client.recv(1000)
    assert gate.look().count("heads") == 1


@pytest.mark.parametrize(("path", "protocol"), [(b"no", b"websocket"), (b"chat", b"h2c")])
def test_refused_by_the_server(
    path: bytes, protocol: bytes, port: int, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """Without a 101 what comes is read as a request."""
    gate = start("wire", report_all=True)
    with client_side.entered(), socket.create_connection(("10.25.0.2", port), 3) as client:
        client.sendall(UPGRADE % (path, protocol))
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
        client.sendall(DENIED)
        with socket.socket() as _:
            pass
        while client.recv(1000):
            pass
    assert [each.reason for each in gate.look().decisions] == [abi.Reason.NONE, abi.Reason.LISTED]


def test_a_body_with_the_wish(ports: dict[str, int], client_side: Namespace, start: functools.partial[Running]) -> None:
    """Java's client asks for HTTP/2 beside a POST and sends the body at once: the server has it, and the next request is read."""
    gate = start("wire")
    body = b"GET /admin/x HTTP/1.1\r\n" * 5000
    head = b"POST /ok HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    with client_side.entered(), socket.create_connection(("10.25.0.2", ports["go"]), 3) as client:
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        client.sendall(body)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.sendall(DENIED)
        assert b" 403 " in client.recv(1000)
    assert (gate.look().count("allowed"), gate.count("listed"), gate.count("waiting")) == (1, 1, 0)
