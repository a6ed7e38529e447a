"""WebSockets of this host: a talk whose sizes are known, far beyond what is copied of them."""

from functools import partial
from socket import create_connection, create_server

import anyio.to_thread
import pytest
import websocket_ends
from live_namespace import Namespace
from live_recording import recording
from websocket_ends import LARGE, PUSHES

from pipeline.decode import DecodeOptions
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sources.bpf.config import BpfConfig


def talk(namespace: Namespace) -> None:
    """On its loopback."""
    with namespace.entered(), create_server(("127.0.0.1", 0)) as listener:
        websocket_ends.talk(listener, partial(create_connection, listener.getsockname()))


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
    assert [each.url_path for each in taken.exchanges] == ["/chat"]
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
    assert [each.url_path for each in taken.exchanges] == ["/chat"]
