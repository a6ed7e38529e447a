"""Messages on their way to become an exchange, and what all connections of a decoder share. Nouns, no behaviour."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from pipeline.decode.http1.body import Collector
from pipeline.decode.http1.fields import NO_FIELDS, FieldParser, Fields
from pipeline.decode.http1.startline import NO_REQUEST_LINE, NO_STATUS_LINE, RequestLine, StatusLine
from pipeline.decode.options import DecodeOptions
from pipeline.model.events.event import Event

UNKNOWN = -1
"""A sequence number that is not known: byte streams have none."""


class Message(msgspec.Struct):
    """What requests and responses have in common.

    ``start_ns`` and ``end_ns`` are the capture times of the first and the last byte seen so far; ``seq`` is where in the stream
    it begins, ``ack`` what its sender had received by then; ``body_size`` and ``size`` count bytes, None where not known;
    ``held`` what it weighs in the bound on memory while many like it may wait, beside its body.
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
    body: Collector | None = None
    held: int = 0

    @property
    def held_bytes(self) -> int:
        """What it weighs in the bound on memory."""
        return self.held + (self.body.kept if self.body is not None else 0)


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


NO_REQUEST = Request(NO_FIELDS, 0, 0, UNKNOWN, UNKNOWN, None, None)  # type: ignore[arg-type]  # its size is not known
NO_RESPONSE = Response(NO_FIELDS, 0, 0, UNKNOWN, UNKNOWN, None, None)  # type: ignore[arg-type]
NO_RESPONSE.line = StatusLine(None, None)
"""What stands for the half that is missing."""


class Settling(Protocol):
    """A stream that waits for missing bytes."""

    def settle(self, now_ns: int) -> None:
        """Give up what has been missing for too long."""

    def surrender(self, now_ns: int) -> None:
        """Stop waiting, and let go of what waits."""


class Shared:
    """What all connections of one decoder share: options in the units they are needed in, caches, counters, and the events."""

    __slots__ = (
        "bodies", "capture", "count", "disordered", "events", "held", "keep_heads", "lines_missed", "max_head", "max_held",
        "max_pending", "memory", "options", "reorder_ns", "request_fields", "request_lines", "response_fields", "source",
        "status_lines",
    )  # fmt: skip

    def __init__(
        self, options: DecodeOptions, *, source: str, capture: str, keep_heads: bool, count: Callable[[str, int], None]
    ) -> None:
        self.options = options
        self.source = source
        self.capture = capture
        self.keep_heads = keep_heads
        self.count = count
        self.bodies = options.bodies
        self.max_head = options.max_head_bytes
        self.max_pending = options.max_pipelined_requests
        self.max_held = 4 * options.max_connections
        self.reorder_ns = int(options.reorder_timeout_secs * 1e9)
        self.request_fields = FieldParser(options.request_headers, request=True, bodies=options.bodies is not None)
        self.response_fields = FieldParser(options.response_headers, request=False, bodies=options.bodies is not None)
        self.request_lines: dict[bytes, RequestLine] = {}
        self.lines_missed = 0
        self.status_lines: dict[bytes, StatusLine] = {}
        self.events: list[Event] = []
        self.held = 0
        self.memory = 0
        self.disordered: dict[Settling, None] = {}


__all__ = ["NO_FIELDS", "UNKNOWN", "Message", "Request", "Response", "Shared"]
