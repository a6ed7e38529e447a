"""What all HTTP/1 readers of a decoder share: start lines and header blocks that were seen before, as they repeat."""

from typing import Any

from pipeline.config.options import DecodeOptions
from pipeline.decode.content import Collector, Collectors
from pipeline.decode.http1.fields import RARELY, FieldParser
from pipeline.decode.http1.recognition import COMMON_REQUESTS
from pipeline.decode.http1.startline import parse_request_line, parse_status_line
from pipeline.decode.message import Message, RequestLine, StatusLine
from pipeline.decode.shared import Shared

CACHED_LINES = 2048
CACHED_LINE_BYTES = 512
"""Start lines repeat: health checks, polling, status lines. Full, the cache starts empty: at most 2 MB, commonly 0.5."""


class Context:
    """``request_lines`` and ``status_lines`` are looked into first, then asked for."""

    __slots__ = (
        "_collectors",
        "_lines_missed",
        "bodies",
        "keep_heads",
        "max_head",
        "request_fields",
        "request_lines",
        "response_fields",
        "shared",
        "status_lines",
    )  # fmt: skip

    def __init__(self, options: DecodeOptions, shared: Shared) -> None:
        self.shared = shared
        self.keep_heads = shared.keep_heads
        self.max_head = options.max_head_bytes
        self.bodies = options.bodies
        self.request_fields = FieldParser(options.request_headers, request=True, bodies=options.bodies is not None)
        self.response_fields = FieldParser(options.asked_of_responses, request=False, bodies=options.bodies is not None)
        self.request_lines: dict[bytes, RequestLine] = {}
        self.status_lines: dict[bytes, StatusLine] = {}
        self._lines_missed = 0
        self._collectors = Collectors(options.bodies)

    def request_line(self, line: bytes, fields: bytes) -> RequestLine | None:
        """The request line ``line``, with the lines of its ``fields`` behind it; None where it is none."""
        parsed = parse_request_line(line)
        if parsed is None:
            return None
        if parsed.version == "0.9" and not (line[:4] in COMMON_REQUESTS and line.count(b" ") == 1) and b":" not in fields:
            # A line without a version may be any protocol's, unless it is a common method and a target, or fields follow it.
            return None
        self._lines_missed += 1
        if not self._lines_missed & RARELY and len(line) <= CACHED_LINE_BYTES:
            _make_room(self.request_lines)
            self.request_lines[line] = parsed
        return parsed

    def status_line(self, line: bytes) -> StatusLine | None:
        """The status line ``line``, None where it is none."""
        parsed = parse_status_line(line)
        if parsed is not None and len(line) <= CACHED_LINE_BYTES:
            _make_room(self.status_lines)
            self.status_lines[line] = parsed
        return parsed

    def collector(self, message: Message) -> Collector | None:
        """What keeps the body of a message, where it was asked for."""
        return self._collectors.collector(message.fields.content_type)


def _make_room(cache: dict[bytes, Any]) -> None:
    if len(cache) >= CACHED_LINES:
        cache.clear()
