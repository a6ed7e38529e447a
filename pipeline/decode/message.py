"""Messages on their way to become an exchange: nouns that protocols make and pairing joins.

One kind for all versions of HTTP (RFC 9110, section 6): a start line in the words of HTTP/1, fields, and what was seen of a body.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from pipeline.decode.position import UNKNOWN
from pipeline.model.events.event import NO_HEADERS

if TYPE_CHECKING:
    from pipeline.decode.content import Collector


class RequestLine(msgspec.Struct, frozen=True, gc=False):
    """A request line. ``target``, ``path`` and ``query`` carry no secrets; ``address`` and ``port`` come from the target.

    ``size`` is what it costs in memory, in bytes.
    """

    method: str | None
    method_original: str | None
    target: str | None
    scheme: str | None
    path: str | None
    query: str | None
    address: str | None
    port: int | None
    version: str | None
    marks: int = 0
    size: int = 0


class StatusLine(msgspec.Struct, frozen=True, gc=False):
    """A status line; ``status`` is None for the answer of an HTTP/0.9 server, which has none."""

    version: str | None
    status: int | None
    marks: int = 0


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What a header block says. ``length`` is Content-Length, None where absent or of no use; ``size`` its cost in bytes."""

    length: int | None = None
    chunked: bool = False
    coded: bool = False  # a Transfer-Encoding is there whose last coding is not chunked
    bare: bool = True  # a request with these fields has no body
    hosted: bool = False  # there is a Host
    address: str | None = None
    port: int | None = None
    user_agent: str | None = None
    upgrade: str | None = None
    content_type: bytes = b""
    content_encoding: bytes = b""
    reported: Mapping[str, tuple[str, ...]] = NO_HEADERS
    marks: int = 0
    size: int = 0


NO_FIELDS = Fields()
NO_REQUEST_LINE = RequestLine(None, None, None, "http", None, None, None, None, None)
NO_STATUS_LINE = StatusLine("0.9", None)


class Framing(IntEnum):
    """How the end of a body is found (RFC 9112, section 6)."""

    NONE = 0  # nothing of a body is being read
    LENGTH = 1
    CHUNKED = 2
    UNTIL_CLOSE = 3
    DESYNCHRONISED = 4  # chunked, but the place in the chunks is not known any more


class Message(msgspec.Struct):
    """What requests and responses have in common.

    ``start_ns`` and ``end_ns`` are the capture times of the first and the last byte seen so far; ``seq`` is where in the stream
    it begins, ``ack`` what its sender had received by then; ``body_size`` and ``size`` count the bytes so far, None where not
    known; ``content`` is what is kept of its body; ``held`` what it costs in the bound on memory while many like it may wait,
    beside that. ``framing`` is how the body that is being read ends. ``stream_id`` is None where a connection is one stream.
    """

    fields: Fields
    start_ns: int
    end_ns: int
    seq: int
    ack: int
    size: int
    body_size: int | None = 0
    marks: int = 0
    error: str | None = None
    head: bytes | None = None
    content: "Collector | None" = None
    held: int = 0
    stream_id: int | None = None
    framing: Framing = Framing.NONE

    @property
    def held_bytes(self) -> int:
        """What it costs in the bound on memory."""
        return self.held + (self.content.kept if self.content is not None else 0)


class Request(Message, gc=False):
    """A request. ``response`` is set where the answer was whole before the request was."""

    line: RequestLine = NO_REQUEST_LINE
    complete: bool = False
    response: "Response | None" = None


class Response(Message, gc=False):
    """A response. ``request`` is what it answers, None where that is not known (yet); ``done`` while it waits to be known.

    ``why`` are the marks that say why it is never known.
    """

    line: StatusLine = NO_STATUS_LINE
    request: Request | None = None
    done: bool = False
    why: int = 0


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """What a client asked for and its server agreed to: to go on with another protocol (RFC 9110, section 7.8; RFC 8441).

    ``request`` is None where it was not seen; ``sequence`` is the exchange's place in its connection, where that is known by
    then; ``extensions`` is what the answer says under Sec-WebSocket-Extensions.
    """

    request: Request | None
    response: Response
    sequence: int | None = None
    extensions: bytes = b""


NO_REQUEST = Request(NO_FIELDS, 0, 0, UNKNOWN, UNKNOWN, None, None)  # type: ignore[arg-type]  # its size is not known
NO_RESPONSE = Response(NO_FIELDS, 0, 0, UNKNOWN, UNKNOWN, None, None)  # type: ignore[arg-type]
NO_RESPONSE.line = StatusLine(None, None)
"""What stands for the half that is missing."""

__all__ = ["NO_FIELDS", "UNKNOWN", "Message", "Request", "Response"]
