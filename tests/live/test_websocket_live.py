"""WebSockets of this host: a talk whose sizes are known, far beyond what is copied of them."""

import base64
import os
from collections.abc import Callable
from contextlib import closing
from socket import create_connection, create_server, socket
from threading import Thread

import anyio.to_thread
import pytest
from live_namespace import Namespace
from live_recording import recording

from pipeline.decode import DecodeOptions
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sources.bpf.config import BpfConfig
from tests.unit.decode.websocket_talks import BINARY, CLOSE, PING, TEXT, accepted, frame

PUSHES = 300
LARGE = 1_000_000
FRAMES_OF_SERVER = [
    *(frame(TEXT, b"tick %d " % number * 50) for number in range(PUSHES)),
    frame(PING),
    frame(BINARY, os.urandom(LARGE)),
    frame(TEXT, b"last"),
    frame(CLOSE, (1000).to_bytes(2, "big")),
]
FRAMES_OF_CLIENT = [
    frame(TEXT, b"GET / HTTP/1.1\r\n\r\n" * 5000, client=True),  # segments of it begin like requests
    frame(CLOSE, (1000).to_bytes(2, "big"), client=True),
]


def talk(namespace: Namespace) -> None:
    """A server that pushes, and a client that answers with one long message."""
    with namespace.entered():
        _talk()


def _talk() -> None:
    with closing(create_server(("127.0.0.1", 0))) as listener:
        server = Thread(target=serve, args=(listener.accept,))
        server.start()
        with closing(create_connection(listener.getsockname())) as client:
            key = base64.b64encode(os.urandom(16))
            client.sendall(b"GET /ticks HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            client.sendall(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            left = sum(map(len, FRAMES_OF_SERVER))
            while left:
                left -= len(client.recv(65_536))
            for each in FRAMES_OF_CLIENT:
                client.sendall(each)
        server.join()


def serve(accept: Callable[[], tuple[socket, object]]) -> None:
    """One connection."""
    peer, _ = accept()
    with closing(peer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(65_536)
        peer.sendall(accepted())
        for each in FRAMES_OF_SERVER:
            peer.sendall(each)
        while peer.recv(65_536):
            pass


@pytest.mark.anyio
async def test_every_message_of_a_websocket(namespace: Namespace, loader: str) -> None:
    """Sizes, order and ends are those that were sent, though one side says far more than a turn's bytes."""
    options = DecodeOptions(websocket_messages=True)
    async with recording(BpfConfig(loader=loader), namespace, options=options) as taken:
        await anyio.to_thread.run_sync(talk, namespace)
        await taken.until(lambda taken: sum(isinstance(each, WebsocketMessage) for each in taken.events) >= PUSHES + 5)
    found = [each for each in taken.events if isinstance(each, WebsocketMessage)]
    server = [each for each in found if each.httpipe_websocket_sender == "server"]
    client = [each for each in found if each.httpipe_websocket_sender == "client"]
    assert [each.httpipe_websocket_size for each in server] == [
        *(len(b"tick %d " % number * 50) for number in range(PUSHES)),
        LARGE,
        4,
        2,
    ]
    assert [(each.httpipe_websocket_opcode, each.httpipe_websocket_size) for each in client] == [("text", 90_000), ("close", 2)]
    assert (server[-1].httpipe_websocket_close_code, server[-1].httpipe_websocket_pings) == (1000, 1)
    assert {each.httpipe_marks for each in found} == {()}
    assert [each.url_path for each in taken.exchanges] == ["/ticks"]
    assert taken.counts["ring_full"] == taken.counts["decoder_internal_errors"] == taken.counts["decoder_skipped_bytes"] == 0
    # The short ones whole, of the two long ones next to nothing.
    assert taken.counts["left_out_bytes"] > 0.9 * (LARGE + 90_000)


@pytest.mark.anyio
async def test_not_copied_unless_asked_for(namespace: Namespace) -> None:
    """Without the option a WebSocket crosses the ring as ranges, as ever."""
    async with recording(BpfConfig(loader="libbpf"), namespace) as taken:
        await anyio.to_thread.run_sync(talk, namespace)
        await taken.until(lambda taken: bool(taken.exchanges))
    assert taken.counts["left_out_bytes"] > LARGE
    assert [each.url_path for each in taken.exchanges] == ["/ticks"]
