"""WebSockets over TLS: a talk whose sizes are known, far beyond what is copied of other connections, at both of its ends."""

import os
import ssl
import sys
from contextlib import closing
from pathlib import Path
from socket import create_connection, create_server
from threading import Thread

import anyio.to_thread
import pytest
from mapped_libssl import libssl
from tls_recording import recording

from pipeline.decode import DecodeOptions
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sources.tls.config import TlsConfig
from tests.unit.decode.websocket_talks import ASK, BINARY, CLOSE, PING, TEXT, accepted, frame

PUSHES = 300
LARGE = 1_000_000
OF_SERVER = [
    *(frame(TEXT, b"tick %d " % number * 50) for number in range(PUSHES)),
    frame(PING),
    frame(BINARY, os.urandom(LARGE)),
    frame(TEXT, b"last"),
    frame(CLOSE, (1000).to_bytes(2, "big")),
]
OF_CLIENT = [
    frame(TEXT, b"GET / HTTP/1.1\r\n\r\n" * 5000, client=True),
    frame(CLOSE, (1000).to_bytes(2, "big"), client=True),
]
CONFIG = TlsConfig(executables=(str(Path(sys.executable).resolve()),), files=(str(libssl()),))


def talk(certificate: Path) -> None:
    """A server that pushes, and a client that answers with one long message that looks like requests."""
    serving, asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(certificate))
    serving.load_cert_chain(certificate)
    with serving.wrap_socket(create_server(("127.0.0.1", 0)), server_side=True) as listener:
        server = Thread(target=serve, args=(listener,))
        server.start()
        with asking.wrap_socket(create_connection(listener.getsockname()), server_hostname="localhost") as client:
            client.sendall(ASK)
            left = len(accepted()) + sum(map(len, OF_SERVER))
            while left:
                left -= len(client.recv(65_536))
            for each in OF_CLIENT:
                client.sendall(each)
        server.join()


def serve(listener: ssl.SSLSocket) -> None:
    """One connection."""
    peer, _ = listener.accept()
    with closing(peer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(65_536)
        peer.sendall(accepted())
        for each in OF_SERVER:
            peer.sendall(each)
        while peer.recv(65_536):
            pass


@pytest.mark.anyio
async def test_every_message(certificate: Path) -> None:
    """Sizes, order and ends are those that were sent, seen from the client and from the server."""
    expected = len(OF_SERVER) - 1 + len(OF_CLIENT)
    async with recording(CONFIG, options=DecodeOptions(websocket_messages=True)) as taken:
        await anyio.to_thread.run_sync(talk, certificate)
        await taken.until(lambda taken: sum(isinstance(each, WebsocketMessage) for each in taken.events) >= 2 * expected)
    messages = [each for each in taken.events if isinstance(each, WebsocketMessage) and each.process_pid == os.getpid()]
    connections = {each.httpipe_connection for each in messages}
    assert len(connections) == 2
    for connection in connections:
        found = [each for each in messages if each.httpipe_connection == connection]
        sizes = {
            sender: [each.httpipe_websocket_size for each in found if each.httpipe_websocket_sender == sender]
            for sender in ("server", "client")
        }
        assert sizes["server"] == [*(len(b"tick %d " % number * 50) for number in range(PUSHES)), LARGE, 4, 2]
        assert sizes["client"] == [90_000, 2]
        assert {each.httpipe_marks for each in found} == {()}
    assert taken.counts["ring_full"] == taken.counts["decoder_internal_errors"] == taken.counts["decoder_skipped_bytes"] == 0
    assert {(each.url_scheme, each.url_path, each.httpipe_marks) for each in taken.exchanges} >= {("https", "/chat", ())}


@pytest.mark.anyio
async def test_not_copied_unless_asked_for(certificate: Path) -> None:
    """Without the option most of a WebSocket's bytes stay where they are."""
    async with recording(CONFIG) as taken:
        await anyio.to_thread.run_sync(talk, certificate)
        await taken.until(lambda taken: len(taken.exchanges) >= 2)
    assert taken.counts["left_out_bytes"] > LARGE
    assert {each.url_path for each in taken.exchanges if each.process_pid == os.getpid()} == {"/chat"}
