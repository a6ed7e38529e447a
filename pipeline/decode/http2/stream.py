"""One stream of a connection (RFC 9113, section 5): a request, its response, and how far both have come. Nouns."""

import msgspec

from pipeline.decode.grpc import Messages
from pipeline.decode.message import Message, Request, Response
from pipeline.decode.position import MASK, At, StreamPosition
from pipeline.decode.protocol import End, Missing, Protocol


class Stream(msgspec.Struct, gc=False, eq=False):
    """``asked`` and ``answered`` are the messages of a gRPC call, ``call`` its kind, ``grpc_status`` its status.

    Messages of gRPC-Web are counted by what keeps the body.

    ``protocol`` is what an extended CONNECT asks for, ``error_code`` what ended the stream early; ``doubtful_ns`` is when bytes
    were lost that may have held its end.
    """

    id: int
    request: Request | None = None
    response: Response | None = None
    call: str | None = None
    grpc_status: int | None = None
    asked: Messages | None = None
    answered: Messages | None = None
    protocol: str | None = None
    error_code: str | None = None
    doubtful_ns: int = 0
    held: int = 0
    partial_host: bool = False

    def message(self, *, client: bool) -> Message | None:
        """What one side has said."""
        return self.request if client else self.response

    def is_over(self, *, client: bool) -> bool:
        """Whether one side has said all."""
        if client:
            return self.request is not None and self.request.complete
        return self.response is not None and self.response.done

    def fail(self, error: str) -> None:
        """It breaks off."""
        if self.response is None:
            if self.request is not None:
                self.request.error = error or None
        elif not self.response.done:
            self.response.error = error or None

    @property
    def held_bytes(self) -> int:
        """What it costs in the bound on memory."""
        return self.held + sum(each.held_bytes for each in (self.request, self.response) if each is not None)


class Tunnel(msgspec.Struct, gc=False, eq=False):
    """A stream that carries another protocol (RFC 8441): what reads each side of it, and how far they have been read.

    ``open`` counts the sides that may say more.
    """

    id: int
    client: Protocol
    server: Protocol
    asked: int = 0
    answered: int = 0
    open: int = 2

    def data(self, data: bytes, at: At, *, client: bool) -> None:
        """The next bytes of one side."""
        self._side(client=client).data(data, self._position(len(data), at, client=client))

    def gap(self, count: int, at: At, why: Missing, *, client: bool) -> None:
        """The next bytes of one side are missing."""
        self._side(client=client).gap(count, self._position(count, at, client=client), why)

    def end(self, why: End, *, client: bool) -> None:
        """One side has said all."""
        self._side(client=client).end(why)
        self.open -= 1

    def release(self, why: End) -> None:
        """Nothing more will come of either side."""
        if self.open == 2:
            self.client.end(why)
        self.server.end(why)
        self.client.release()

    def _side(self, *, client: bool) -> Protocol:
        return self.client if client else self.server

    def _position(self, count: int, at: At, *, client: bool) -> StreamPosition:
        """Streams have no numbers of their own for bytes: they are counted from 0."""
        seq = self.asked if client else self.answered
        if client:
            self.asked = seq + count & MASK
        else:
            self.answered = seq + count & MASK
        return StreamPosition(seq, at.ts_ns, at.last_ns)


ERROR_CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
    "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)  # fmt: skip
"""RFC 9113, section 7, by number."""


def error_name(code: int) -> str:
    """The name of an error code, or its number where it has none."""
    return ERROR_CODES[code] if code < len(ERROR_CODES) else f"0x{code:x}"
