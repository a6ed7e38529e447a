"""WebSockets over TLS: a talk whose sizes are known, far beyond what is copied of other connections, at both of its ends."""

import os
import ssl
import sys
from pathlib import Path
from socket import create_connection, create_server

import anyio.to_thread
import pytest
import websocket_ends
from mapped_libssl import libssl
from tls_recording import recording
from websocket_ends import LARGE, OF_CLIENT, OF_SERVER, PUSHES

from pipeline.decode import DecodeOptions
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sources.tls.config import TlsConfig

CONFIG = TlsConfig(executables=(str(Path(sys.executable).resolve()),), files=(str(libssl()),))


def talk(certificate: Path) -> None:
    """In this process."""
    serving, asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(certificate))
    serving.load_cert_chain(certificate)
    with serving.wrap_socket(create_server(("127.0.0.1", 0)), server_side=True) as listener:
        address = listener.getsockname()
        websocket_ends.talk(listener, lambda: asking.wrap_socket(create_connection(address), server_hostname="localhost"))


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
