"""Exchanges as ``tcpdump -A`` users expect them: when, who to whom, how long, the head as it was captured, the body as decoded.

In: exchanges with their heads. Out: text in which no credential of a head stands unless asked for, and no control character at
all. Bodies are there where the source was asked for them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.api import Event, Exchange
from pipeline.codecs.heads import LINE_END, lines_of
from pipeline.codecs.text import visible
from pipeline.sinks.stdout.clock import time_of_day
from pipeline.sinks.stdout.lines import endpoint


class Half(NamedTuple):
    """A request or a response. ``size`` is what crossed the wire, ``encoding`` is ``base64`` where the content is not text."""

    head: bytes | None
    size: int | None
    content: str | None
    encoding: str | None


class RawFormat:
    """Makes the text of a batch."""

    def __init__(self, *, show_secrets: bool) -> None:
        self._show_secrets = show_secrets

    def render(self, batch: Sequence[Event]) -> bytes:
        """Two blocks an exchange, as far as its heads are known; nothing for other events."""
        return "".join([self._blocks(event) for event in batch if isinstance(event, Exchange)]).encode("utf-8", "replace")

    def _blocks(self, event: Exchange) -> str:
        client = endpoint(event.client_address, event.client_port)
        server = endpoint(event.network_local_address, event.network_local_port)
        request, response = _request(event), _response(event)
        answered_ns = event.timestamp_ns + round((event.httpipe_ttfb_ms or 0) * 1e6)
        return self._block(event.timestamp_ns, f"{client} -> {server}", request) + self._block(
            answered_ns, f"{server} -> {client}", response
        )

    def _block(self, timestamp_ns: int, ends: str, half: Half) -> str:
        if half.head is None:
            return ""
        length = len(half.head) if half.size is None else half.size
        return f"{time_of_day(timestamp_ns, 6)} {ends} (length: {length})\n{self._text(half.head)}\n\n{_body(half)}"

    def _text(self, head: bytes) -> str:
        # A byte that is no UTF-8 is a C1 control or a Latin-1 letter there, and ``visible`` escapes the former.
        return "\n".join(map(visible, lines_of(head, show_secrets=self._show_secrets)))


def _request(event: Exchange) -> Half:
    content, encoding = event.http_request_body_content, event.httpipe_request_body_encoding
    return Half(event.request_head, event.http_request_size, content, encoding)


def _response(event: Exchange) -> Half:
    content, encoding = event.http_response_body_content, event.httpipe_response_body_encoding
    return Half(event.response_head, event.http_response_size, content, encoding)


def _body(half: Half) -> str:
    """The content line by line; of what is not text only how much it is."""
    if not half.content:
        return ""
    if half.encoding is not None:
        return f"({len(half.content) * 3 // 4 - half.content.count('=')} bytes that are not text)\n\n"
    return "\n".join(visible(line) for line in LINE_END.split(half.content.rstrip("\r\n"))) + "\n\n"
