"""Exchanges as ``tcpdump -A`` users expect them: who to whom, how long, and the head as it was captured.

In: exchanges with their heads. Out: text in which no credential stands unless asked for, and no control character at all.
"""

import re
from collections.abc import Sequence

from pipeline.api import Event, Exchange
from pipeline.codecs.text import visible
from pipeline.model.secrets import REDACTED, SENSITIVE_FIELDS, is_sensitive_parameter
from pipeline.sinks.lines import endpoint

_LINE_END = re.compile(r"\r\n|\n|\r")
_PARAMETER = re.compile(r"([?&;])([^=&;\s?#]{1,256})=([^&;\s#]+)")
_USER_INFO = re.compile(r"(//)[^/?#@\s]+@")


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
        return self._block(client, server, event.http_request_size, event.request_head) + self._block(
            server, client, event.http_response_size, event.response_head
        )

    def _block(self, sender: str, receiver: str, size: int | None, head: bytes | None) -> str:
        if head is None:
            return ""
        length = len(head) if size is None else size
        return f"{sender} -> {receiver} (length: {length})\n{self._text(head)}\n\n"

    def _text(self, head: bytes) -> str:
        # UTF-8 where it is valid; every other byte becomes a C1 control or a Latin-1 letter, and ``visible`` escapes the former.
        try:
            text = head.decode()
        except UnicodeDecodeError:
            text = head.decode("latin-1")
        lines = _LINE_END.split(text.rstrip("\r\n"))
        return "\n".join(visible(line) for line in (lines if self._show_secrets else without_secrets(lines)))


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
