"""A WebSocket message as the parts of a line: its sender, its opcode, the WebSocket's path, and its size on the sender's side."""

from pipeline.codecs.text import visible
from pipeline.model.events.websocket_message import WebsocketMessage
from pipeline.sinks.stdout.event_cells import EventCells, host_of, remarks
from pipeline.sinks.stdout.screen import CYAN, YELLOW

HTTP_PORT = 80
FROM_CLIENT, FROM_SERVER = "C→S", "S→C"
NORMAL = (1000, 1001, 1005)
"""Codes of a close that is no failure (RFC 6455, section 7.4.1)."""


def cells_of(event: WebsocketMessage) -> EventCells:
    """What stands where. A close says its code and its reason behind the path."""
    client = event.httpipe_websocket_sender == "client"
    code, size = event.httpipe_websocket_close_code, event.httpipe_websocket_size
    said = "" if code is None else f" {code}"
    if event.httpipe_websocket_close_reason:
        said += f" {event.httpipe_websocket_close_reason}"
    return EventCells(
        FROM_CLIENT if client else FROM_SERVER,
        visible(event.httpipe_websocket_opcode or "-"),
        host_of(event, HTTP_PORT),
        visible(f"{event.url_path or ''}{said}"),
        remarks(event.httpipe_marks, event.error_type),
        CYAN if code is None or code in NORMAL else YELLOW,
        sizes=(size, None) if client else (None, size),
    )
