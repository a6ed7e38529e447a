"""Exchanges as ``tcpdump -A`` users expect them: when, who to whom, how long, the head as it was captured, the body as decoded.

In: exchanges with their heads. Out: text in which no credential of a head stands unless asked for, and no control character at
all. Bodies are there where the source was asked for them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.api import Event, Exchange
from pipeline.codecs.text import visible
from pipeline.model.secrets import REDACTED, SENSITIVE_FIELDS, is_sensitive_parameter
from pipeline.sinks.clock import time_of_day
from pipeline.sinks.lines import endpoint

_LINE_END = re.compile(r"\r\n|\n|\r")
_PARAMETER = re.compile(r"([?&;])([^=&;\s?#]{1,256})=([^&;\s#]+)")
_USER_INFO = re.compile(r"(//)[^/?#@\s]+@")


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
        # UTF-8 where it is valid; every other byte becomes a C1 control or a Latin-1 letter, and ``visible`` escapes the former.
        try:
            text = head.decode()
        except UnicodeDecodeError:
            text = head.decode("latin-1")
        lines = _LINE_END.split(text.rstrip("\r\n"))
        return "\n".join(visible(line) for line in (lines if self._show_secrets else without_secrets(lines)))


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
    return "\n".join(visible(line) for line in _LINE_END.split(half.content.rstrip("\r\n"))) + "\n\n"


def without_secrets(lines: Sequence[str]) -> list[str]:
    """The lines of a head with ``REDACTED`` for secret fields, secret query parameters and credentials in URLs."""
    kept: list[str] = []
    secret = False
    for line in lines:
        if line[:1] in (" ", "\t"):  # continues the line before it (RFC 9112, section 5.2)
            if secret:
                continue
        else:
            name, colon, _ = line.partition(":")
            secret = bool(colon) and name.strip().lower() in SENSITIVE_FIELDS
            if secret:
                kept.append(f"{name}: {REDACTED}")
                continue
        kept.append(_PARAMETER.sub(_redacted, _USER_INFO.sub(rf"\1{REDACTED}@", line)))
    return kept


def _redacted(match: re.Match[str]) -> str:
    mark, name, _ = match.groups()
    return f"{mark}{name}={REDACTED}" if is_sensitive_parameter(name) else match[0]
