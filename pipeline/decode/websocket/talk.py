"""What both directions of a WebSocket have in common: who opened it, what was agreed, what is held. Makes its events."""

import base64

from pipeline.config.options import BodyOptions
from pipeline.decode.about import about, called
from pipeline.decode.content import as_text
from pipeline.decode.marks import TRUNCATED
from pipeline.decode.message import NO_REQUEST, Accepted
from pipeline.decode.shared import Shared
from pipeline.decode.websocket.deflate import extensions
from pipeline.decode.websocket.frames import BINARY, RSV, RSV1, TEXT
from pipeline.decode.websocket.frames import NAMES as OPCODES
from pipeline.decode.websocket.message import Message
from pipeline.model.connection import Connection
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.websocket_message import WebsocketMessage

EVENT_BYTES = 900
"""What an event costs in memory beside its content."""
_MEDIA = {TEXT: ("text/plain", "text/*", "*/*"), BINARY: ("application/octet-stream", "application/*", "*/*")}


class Talk:
    """``held`` are the bytes that its two readers hold; they count for the bound on memory, too.

    ``kept`` names, by opcode, how many bytes of a message's content are kept: 0 where nobody asked for it.
    """

    __slots__ = ("_accepted", "_connection", "agreed", "held", "kept", "reserved", "shared")

    def __init__(self, accepted: Accepted, connection: Connection, shared: Shared) -> None:
        self._accepted = accepted
        self._connection = connection
        self.shared = shared
        self.held = 0
        self.agreed = extensions(accepted.extensions)
        self.reserved = RSV if self.agreed.others else RSV1 if self.agreed.deflate else 0
        # What an extension that is not known here did to a payload cannot be undone.
        self.kept = {} if self.agreed.others else _kept(shared.bodies)

    @property
    def last_ns(self) -> int:
        """When its latest bytes were captured."""
        return self._connection.last_ns

    def hold(self, count: int) -> None:
        """So many bytes more are held, or less."""
        self.held += count
        self.shared.memory += count

    def report(  # noqa: PLR0913  what an event says
        self,
        message: Message,
        *,
        client: bool,
        sequence: int | None,
        content: tuple[bytes, int | None] | None = None,
        close: tuple[int | None, str | None] = (None, None),
        error: str | None = None,
        controls: tuple[int, int] | None = None,
    ) -> None:
        """An event. ``content`` is what was kept and how long all of it is, None where that is not known.

        ``controls`` are the pings and pongs of the direction, which a ``close`` tells.
        """
        accepted, connection, shared = self._accepted, self._connection, self.shared
        request = accepted.request or NO_REQUEST
        text = encoding = decoded = None
        marks = message.marks
        if content is not None:
            body, decoded = content
            cut = decoded is None or decoded > len(body)
            marks |= TRUNCATED if cut else 0
            text = as_text(body, b"", cut=cut)
            if text is None:
                text, encoding = base64.b64encode(body).decode(), "base64"
        pings, pongs = (None, None) if controls is None else controls
        event = WebsocketMessage(
            message.start_ns, NO_ATTRIBUTES, EVENT_BYTES + len(text or "") + len(close[1] or ""),
            *about(connection, shared, marks, *called(request.line, request.fields)),
            request.line.path, accepted.sequence, request.stream_id, "client" if client else "server",
            OPCODES.get(message.opcode) or str(message.opcode), sequence, message.size, message.fragments,
            message.compressed, decoded, text, encoding, close[0], close[1], pings, pongs, error,
        )  # fmt: skip
        shared.events.append(event)


def _kept(bodies: BodyOptions | None) -> dict[int, int]:
    """Text counts as ``text/plain``, anything else as ``application/octet-stream``."""
    if bodies is None:
        return {}
    wanted = {name.lower() for name in bodies.content_types}
    return {opcode: bodies.max_bytes for opcode, names in _MEDIA.items() if not wanted or not wanted.isdisjoint(names)}
