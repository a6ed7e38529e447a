"""``websocket.message``: one message of a WebSocket connection, or what its sender closed it with (RFC 6455, RFC 8441)."""

from typing import ClassVar

from pipeline.model.events.connection_event import ConnectionEvent, as_in_exchanges, connection_fields
from pipeline.model.events.fields import Field, FieldType
from pipeline.model.events.kind import TIMESTAMP, Kind

STRING, INT, BOOL = FieldType.STRING, FieldType.INT, FieldType.BOOL


class WebsocketMessage(ConnectionEvent, frozen=True, gc=False):
    """One message: its fragments are joined, its mask is undone."""

    event_name: ClassVar[str] = "websocket.message"

    url_path: str | None = None
    httpipe_sequence: int | None = None
    httpipe_stream_id: int | None = None
    httpipe_websocket_sender: str | None = None
    httpipe_websocket_opcode: str | None = None
    httpipe_websocket_sequence: int | None = None
    httpipe_websocket_size: int | None = None
    httpipe_websocket_fragments: int | None = None
    httpipe_websocket_compressed: bool | None = None
    httpipe_websocket_decoded_size: int | None = None
    httpipe_websocket_content: str | None = None
    httpipe_websocket_encoding: str | None = None
    httpipe_websocket_close_code: int | None = None
    httpipe_websocket_close_reason: str | None = None
    httpipe_websocket_pings: int | None = None
    httpipe_websocket_pongs: int | None = None
    error_type: str | None = None


# fmt: off
WEBSOCKET_MESSAGE = Kind(
    WebsocketMessage,
    "One message of a WebSocket connection, or the end of one of its directions.",
    (
        as_in_exchanges(TIMESTAMP.name, "Capture time of the first byte of the first frame."),
        Field("httpipe.websocket.sender", STRING, "Who sent it: `client` or `server`.", number=69),
        Field("httpipe.websocket.opcode", STRING, "`text`, `binary` or `close` (RFC 6455, section 11.8); of a frame that its receiver must refuse the name or the number.", number=70),
        Field("httpipe.websocket.sequence", INT, "Place of the message among those of its sender, from 0; absent behind lost bytes that may have held others.", number=71),
        Field("httpipe.websocket.size", INT, "Payload as transferred: all fragments, without frame headers, before decompression.", "bytes", number=72),
        Field("httpipe.websocket.fragments", INT, "Frames that the message consists of.", number=73),
        Field("httpipe.websocket.compressed", BOOL, "Whether it is compressed (RFC 7692).", number=74),
        Field("httpipe.websocket.decoded_size", INT, "Payload after decompression, where content is asked for.", "bytes", number=75),
        Field("httpipe.websocket.content", STRING, "Decoded payload, where asked for.", number=76),
        Field("httpipe.websocket.encoding", STRING, "`base64` where the content is not text.", number=77),
        Field("httpipe.websocket.close_code", INT, "Status code of a close frame (RFC 6455, section 7.4); 1005 where it has none, 1006 where the direction ended without a close frame.", number=78),
        Field("httpipe.websocket.close_reason", STRING, "Reason of a close frame.", number=79),
        Field("httpipe.websocket.pings", INT, "Pings that the sender has sent until its close.", number=150),
        Field("httpipe.websocket.pongs", INT, "Pongs that the sender has sent until its close.", number=151),
        as_in_exchanges("error.type", "`closed`, `reset` or `timeout` where the direction ended within a message or without a close frame."),
        as_in_exchanges("url.path", "Path of the request that opened the WebSocket."),
        as_in_exchanges("httpipe.sequence", "Place in the connection of the exchange that opened the WebSocket, from 0."),
        as_in_exchanges("httpipe.stream_id", "Stream of HTTP/2 that carries it (RFC 8441)."),
        *connection_fields({"server.address": "Host of the request that opened the WebSocket, else the server's socket address.", "server.port": "Port from the Host field of that request, else the server's socket port."}),
    ),
)
# fmt: on
