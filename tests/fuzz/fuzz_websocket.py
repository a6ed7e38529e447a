"""Coverage-guided fuzzing of WebSocket: ``python tests/fuzz/fuzz_websocket.py -max_total_time=600 CORPUS``.

The input is a byte of options and a list of pieces of one direction: a control byte (what happens, and by whom), a length, bytes.
What must hold: nothing raises, what is held keeps its bound and is nothing behind the end, and no event is reported of a
direction that said goodbye. Not a pytest test.
"""

import sys

import atheris

with atheris.instrument_imports(include=["pipeline.decode.websocket"]):
    from pipeline.decode.websocket.reader import readers
from pipeline.decode import BodyOptions, DecodeOptions
from pipeline.decode.message import NO_FIELDS, Accepted, Response
from pipeline.decode.position import StreamPosition
from pipeline.decode.protocol import End, Missing
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.testing.packets import flow_key

EXTENSIONS = (
    b"",
    b"permessage-deflate",
    b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    b"x-other",
)
MOST = 256 * 1024
"""Two decompressors, two messages of 64 KiB at most, and some change."""


def check(data: bytes) -> None:  # noqa: C901, PLR0912  a table of what may happen, and what must hold
    """Read, and look at what must hold."""
    if not data:
        return
    options = DecodeOptions(websocket_messages=True, bodies=BodyOptions(max_bytes=4096) if data[0] & 4 else None)
    shared = Shared(options, source="fuzz", capture="packet", keep_heads=False, count=lambda _name, _by: None)
    accepted = Accepted(None, Response(NO_FIELDS, 0, 0, 0, 0, 0), None, EXTENSIONS[data[0] & 3])
    pair = readers(accepted, Connection(flow_key(), 0), shared, (bool(data[0] & 8), False))
    pos = 1
    while pos + 1 < len(data):
        control, size = data[pos], data[pos + 1]
        piece = data[pos + 2 : pos + 2 + size]
        pos += 2 + size
        reader, at = pair[control & 1], StreamPosition(0, pos)
        match control >> 1 & 7:
            case 1:
                reader.gap(size * (1 + (control >> 4)), at, Missing.LOST)
            case 2:
                reader.gap(size * (1 + (control >> 4)), at, Missing.LEFT_OUT)
            case 3:
                for place in range(len(piece)):
                    reader.data(piece[place : place + 1], at)
            case _:
                if piece:
                    reader.data(piece, at)
        if not 0 <= shared.memory <= MOST:
            raise AssertionError(f"{shared.memory} bytes are held")
    for reader in pair:
        reader.end(tuple(End)[data[0] >> 4 & 3])
    if shared.memory or reader.held_bytes:
        raise AssertionError(f"left: {shared.memory} bytes")
    for sender in ("client", "server"):
        events = [
            each for each in shared.events if isinstance(each, WebsocketMessage) and each.httpipe_websocket_sender == sender
        ]
        if any(each.httpipe_websocket_close_code is not None for each in events[:-1]):
            raise AssertionError("something was said behind a close")


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
