"""gRPC ("gRPC over HTTP2", and gRPC-Web): what a call is named, its status, and its messages. Knows no version of HTTP.

A message is a byte of flags, four bytes of length and that many bytes; the flag 0x80 is that of gRPC-Web's trailers, which come
as if they were a message. What streams is told by what is seen: a side that sends more than one message. A stream of one message
looks like a call without streams, and nothing is claimed of it.
"""

import re
from typing import Any

_PREFIX = 5
_TRAILERS = 0x80
_MAX_TRAILERS = 4096
_TYPE = re.compile(rb"application/grpc(-web)?(?:-text)?(?=[+; \t]|\Z)", re.IGNORECASE)


def system(content_type: bytes) -> str | None:
    """What a body of this type is: ``grpc``, ``grpc_web``, or neither."""
    match = _TYPE.match(content_type) if content_type[:16].lower() == b"application/grpc" else None
    if match is None:
        return None
    return "grpc_web" if match[1] else "grpc"


def named(path: str | None) -> tuple[str | None, str | None]:
    """Service and method of ``/package.Service/Method``."""
    service, slash, method = (path or "").removeprefix("/").rpartition("/")
    return (service, method) if slash and service and method else (None, None)


def status(value: bytes | None) -> int | None:
    """The number of ``grpc-status``, None for what is none."""
    return int(value) if value is not None and value.isdigit() and len(value) < 5 else None


class Messages:
    """The messages of one side of a call, counted as their bytes come.

    ``exact``: no bytes were lost that hide where a message begins. ``trailers`` are those of gRPC-Web, as far as they are kept.
    """

    __slots__ = ("_left", "_prefix", "_trailing", "count", "exact", "size", "trailers")

    def __init__(self) -> None:
        self._prefix = b""
        self._left = 0
        self._trailing = False
        self.trailers = bytearray()
        self.count = 0
        self.size = 0
        self.exact = True

    @classmethod
    def restored(cls, values: tuple[bytes, int, bool, int, int, bool]) -> "Messages":
        """As somebody else has left them: see ``values``."""
        messages = cls()
        messages._prefix, messages._left, messages._trailing, messages.count, messages.size, messages.exact = values
        return messages

    @property
    def values(self) -> tuple[bytes, int, bool, int, int, bool]:
        """All that is known but for trailers, in the order of ``restored``."""
        return self._prefix, self._left, self._trailing, self.count, self.size, self.exact

    def data(self, data: bytes, at: int, end: int) -> None:
        """The next bytes of the body: ``data[at:end]``."""
        while at < end and self.exact:
            if self._left:
                taken = min(self._left, end - at)
                if self._trailing:
                    self.trailers += data[at : at + min(taken, _MAX_TRAILERS - len(self.trailers))]
                self._left -= taken
                at += taken
                continue
            prefix = self._prefix + data[at : min(end, at + _PREFIX - len(self._prefix))]
            at += len(prefix) - len(self._prefix)
            if len(prefix) < _PREFIX:
                self._prefix = prefix
                return
            self._prefix = b""
            self._left = int.from_bytes(prefix[1:], "big")
            self._trailing = prefix[0] >= _TRAILERS
            if not self._trailing:
                self.count += 1
                self.size += self._left

    def gap(self, count: int) -> None:
        """The next bytes of the body are missing."""
        if count <= self._left:
            self._left -= count
        else:
            self.exact = False


def fields_of_call(
    kind: str, path: str | None, code: int | None, asked: Messages | None, answered: Messages | None
) -> dict[str, Any]:
    """What an exchange says of a call, by the names of its attributes; ``kind`` is its ``system``."""
    service, method = named(path)
    found: dict[str, Any] = {"rpc_system": kind, "rpc_service": service, "rpc_method": method, "rpc_grpc_status_code": code}
    for side, messages in (("request", asked), ("response", answered)):
        if messages is not None and messages.exact:
            found[f"httpipe_rpc_{side}_messages"] = messages.count
            found[f"httpipe_rpc_{side}_message_bytes"] = messages.size
    found["httpipe_rpc_streaming"] = _streaming(asked, answered)
    return found


def _streaming(asked: Messages | None, answered: Messages | None) -> str | None:
    client, server = (messages is not None and messages.count > 1 for messages in (asked, answered))
    if client:
        return "bidi" if server else "client"
    return "server" if server else None
