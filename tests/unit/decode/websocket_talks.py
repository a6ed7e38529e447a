"""WebSockets as the segments of a capture: frames made by hand, and the upgrade in front of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.event import Event
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.model.records import Record
from pipeline.testing.packets import Talk

KEY = b"\x12\x34\x56\x78"
ASK = b"GET /chat?room=1 HTTP/1.1\r\nHost: h.example:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, client: bool = False, final: bool = True, rsv: int = 0) -> bytes:
    """A frame (RFC 6455, section 5.2), masked where a client sends it."""
    size, bit = len(payload), 0x80 if client else 0
    if size < 126:
        length = bytes([size | bit])
    elif size < 1 << 16:
        length = bytes([126 | bit]) + size.to_bytes(2, "big")
    else:
        length = bytes([127 | bit]) + size.to_bytes(8, "big")
    head = bytes([(0x80 if final else 0) | rsv | opcode]) + length
    if not client:
        return head + payload
    return head + KEY + bytes(byte ^ KEY[place & 3] for place, byte in enumerate(payload))


def accepted(extensions: bytes = b"") -> bytes:
    """The answer to ``ASK``."""
    said = b"Sec-WebSocket-Extensions: " + extensions + b"\r\n" if extensions else b""
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + said + b"\r\n"


def opened(extensions: bytes = b"", **options: Any) -> Talk:
    """A connection behind its upgrade."""
    talk = Talk(**options)
    talk.client(ASK)
    talk.server(accepted(extensions))
    return talk


def events_of(records: Sequence[Record], *, batch: int = 0, **options: Any) -> tuple[list[Event], Counter[str]]:
    """What is reported, and the counters. Decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    decoder = Decoder(
        DecodeOptions(websocket_messages=True, **options), source="t", count=lambda name, by: counts.update({name: by})
    )
    step = batch or len(records) or 1
    events = [event for start in range(0, len(records), step) for event in decoder.feed(records[start : start + step])]
    events += decoder.finish()
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return events, counts


def messages(records: Sequence[Record], **options: Any) -> list[WebsocketMessage]:
    """The messages of some records."""
    return [event for event in events_of(records, **options)[0] if isinstance(event, WebsocketMessage)]


def brief(found: Iterable[WebsocketMessage]) -> list[tuple[Any, ...]]:
    """Sender, opcode, number, size, content, marks."""
    return [
        (
            each.httpipe_websocket_sender,
            each.httpipe_websocket_opcode,
            each.httpipe_websocket_sequence,
            each.httpipe_websocket_size,
            each.httpipe_websocket_content,
            *each.httpipe_marks,
        )
        for each in found
    ]
