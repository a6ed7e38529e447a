"""Fields of a header block → what decode needs of them (RFC 9113, section 8). Remembers the start lines that it has made.

A field of which the name is None stood in the dynamic table before anybody listened. What it says is absent; everything that may
be one of them is then not called missing.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pipeline.decode.grpc import status as status_of_call
from pipeline.decode.grpc import system
from pipeline.decode.http2.static_table import Field
from pipeline.decode.marks import HPACK_PARTIAL, PROTOCOL_ERROR, TRUNCATED
from pipeline.decode.message import Fields, RequestLine, StatusLine
from pipeline.decode.targets import METHODS, OTHER_METHOD, split_host, split_query, text
from pipeline.model.events.event import NO_HEADERS

VERSION = "2"
_ORDINARY, _PSEUDO, _USED, _FORBIDDEN, _REPORTED = 0, 1, 2, 4, 8
_PSEUDO_REQUEST = (b":method", b":scheme", b":authority", b":path", b":protocol")
_PSEUDO_RESPONSE = (b":status",)
_USED_REQUEST = (b"host", b"user-agent", b"content-length", b"content-type", b"content-encoding")
_USED_RESPONSE = (b"content-length", b"content-type", b"content-encoding", b"grpc-status", b"sec-websocket-extensions")
_CONNECTION_SPECIFIC = (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
"""RFC 9113, section 8.2.2."""
_REMEMBERED_LINES = 2048
_REMEMBERED_NAMES = 4096
_MANY = 256
"""Fields beyond which the text of a block is looked at: an index may stand for thousands of bytes."""


class Block(msgspec.Struct, gc=False):
    """Where a header block stood: its stream, when its first and last byte came, its size, and what its sender had received.

    ``ended``: nothing follows it on its stream.
    """

    stream: int
    ended: bool
    start_ns: int
    end_ns: int
    size: int
    ack: int


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a block says; ``line`` only where it is of a request, ``status`` None where it is of none or not known.

    ``protocol`` is that of an extended CONNECT (RFC 8441), ``call`` what ``grpc.system`` says. ``extensions`` are those of a
    WebSocket; an unknown one where the field may be missing.
    """

    fields: Fields
    line: RequestLine | None = None
    status: int | None = None
    protocol: str | None = None
    call: str | None = None
    grpc_status: int | None = None
    raw: bytes | None = None
    extensions: bytes = b""


class HeadParser:
    """Reads the heads of requests or of responses.

    ``reported`` names the fields to report, ``most`` bounds the text of a head.
    """

    def __init__(self, reported: Sequence[str], *, request: bool, most: int, keep_raw: bool) -> None:
        self._reported = {name.lower().encode(): name.lower() for name in reported}
        self._request = request
        self._most = most
        self._keep_raw = keep_raw
        self._kinds: dict[bytes, int] = {}
        self._lines: dict[tuple[bytes | None, ...], RequestLine] = {}
        self._learn()

    def _learn(self) -> None:
        """Names that mean something; all others are ordinary, as soon as they have been looked at."""
        kinds = self._kinds
        kinds.clear()
        kinds.update(dict.fromkeys(_CONNECTION_SPECIFIC, _FORBIDDEN))
        kinds.update(dict.fromkeys(_USED_REQUEST if self._request else _USED_RESPONSE, _USED))
        kinds.update(dict.fromkeys(_PSEUDO_REQUEST if self._request else _PSEUDO_RESPONSE, _PSEUDO))
        for name in self._reported:
            kinds[name] = kinds.get(name, _ORDINARY) | _REPORTED

    def parse(self, fields: list[Field]) -> Head:  # noqa: C901  one pass over the fields of every message
        """What the fields of a whole block say."""
        marks = pseudo = 0
        if len(fields) > _MANY:
            fields, marks = self._bounded(fields)
        found: dict[bytes, bytes] = {}
        reported: list[tuple[bytes, bytes]] | None = None
        kinds = self._kinds
        for name, value in fields:
            if name is None or value is None:
                marks |= HPACK_PARTIAL
                continue
            kind = kinds.get(name)
            if not kind:
                if kind is None:
                    marks |= self._new(name)
                continue
            if kind & _REPORTED:
                if reported is None:
                    reported = []
                reported.append((name, value))
            if kind & _PSEUDO:
                pseudo += 1
            elif kind & _FORBIDDEN:
                marks |= PROTOCOL_ERROR
            if name in found:
                marks |= kind & _PSEUDO and PROTOCOL_ERROR
            else:
                found[name] = value
        if pseudo and not self._in_front(fields[:pseudo]):
            marks |= PROTOCOL_ERROR
        return (self._request_head if self._request else self._response_head)(fields, found, reported, marks)

    def _bounded(self, fields: list[Field]) -> tuple[list[Field], int]:
        """As many fields as their text has room for."""
        room = self._most
        for place, (name, value) in enumerate(fields):
            room -= len(name or b"") + len(value or b"") + 4
            if room < 0:
                return fields[:place], TRUNCATED
        return fields, 0

    def _new(self, name: bytes) -> int:
        """A name that was not seen before; RFC 9113, section 8.2.1: lower case, and no colon in front."""
        if not name or name[:1] == b":" or name != name.lower() or not name.isascii() or b" " in name or b"\n" in name:
            return PROTOCOL_ERROR
        if len(self._kinds) >= _REMEMBERED_NAMES:
            self._learn()
        self._kinds[name] = _ORDINARY
        return 0

    def _in_front(self, fields: Iterable[Field]) -> bool:
        """Whether pseudo fields stand in front of all others (RFC 9113, section 8.3)."""
        return all(name is None or self._kinds.get(name, 0) & _PSEUDO for name, _ in fields)

    # -- what is made of them ----------------------------------------------------------------------------------------------

    def _request_head(
        self, fields: list[Field], found: Mapping[bytes, bytes], reported: list[tuple[bytes, bytes]] | None, marks: int
    ) -> Head:
        get = found.get
        key = get(b":method"), get(b":scheme"), get(b":authority") or get(b"host"), get(b":path")
        protocol = get(b":protocol")
        line = None
        if key != (None, None, None, None) or marks & HPACK_PARTIAL:
            line = self._lines.get(key)
            if line is None:
                line = self._line(*key)
                if len(self._lines) >= _REMEMBERED_LINES:
                    self._lines.clear()
                if line.size < 512:
                    self._lines[key] = line
            if not marks & HPACK_PARTIAL and not _is_whole(key, extended=protocol is not None):
                marks |= PROTOCOL_ERROR
        content_type = get(b"content-type", b"")
        agent = get(b"user-agent")
        return Head(
            self._fields(found, reported, marks, content_type, None if agent is None else text(agent)),
            line, None, None if protocol is None else text(protocol), system(content_type), None,
            _raw(fields) if self._keep_raw else None,
        )  # fmt: skip

    @staticmethod
    def _line(method: bytes | None, scheme: bytes | None, authority: bytes | None, path: bytes | None) -> RequestLine:
        """A request line in the words of HTTP/1."""
        name = None if method is None else METHODS.get(method, OTHER_METHOD)
        original = text(method) if method is not None and name is OTHER_METHOD else None
        address = port = None
        host = "" if authority is None else text(authority).rpartition("@")[2]
        if host:
            address, port = split_host(host)
        target: str | None
        where: str | None
        target, where, query = (None, None, None) if path is None else split_query(text(path), text(path))
        if path is None and method == b"CONNECT":
            target = host or None
        return RequestLine(
            name, original, target, None if scheme is None else text(scheme).lower(), where, query, address, port, VERSION, 0,
            2 * len(target or "") + len(host),
        )  # fmt: skip

    def _response_head(
        self, fields: list[Field], found: Mapping[bytes, bytes], reported: list[tuple[bytes, bytes]] | None, marks: int
    ) -> Head:
        status, code = found.get(b":status"), None
        if status is not None:
            if len(status) == 3 and status.isdigit():
                code = int(status)
            else:
                marks |= PROTOCOL_ERROR
        content_type = found.get(b"content-type", b"")
        return Head(
            self._fields(found, reported, marks, content_type, None), None, code, None,
            system(content_type), status_of_call(found.get(b"grpc-status")),
            _raw(fields) if self._keep_raw else None,
            found.get(b"sec-websocket-extensions", b"unknown" if marks & HPACK_PARTIAL else b""),
        )  # fmt: skip

    def _fields(
        self,
        found: Mapping[bytes, bytes],
        reported: list[tuple[bytes, bytes]] | None,
        marks: int,
        content_type: bytes,
        agent: str | None,
    ) -> Fields:
        length = found.get(b"content-length")
        known = int(length) if length is not None and length.isdigit() and len(length) < 19 else None
        if length is not None and known is None:
            marks |= PROTOCOL_ERROR
        headers = NO_HEADERS if reported is None else self._reports(reported)
        size = len(agent or "") + sum(len(value) + 60 for values in headers.values() for value in values)
        coding = found.get(b"content-encoding", b"")
        return Fields(
            known, False, False, True, b":authority" in found, None, None, agent, None, content_type,
            coding and b",".join(each.strip().lower() for each in coding.split(b",")), headers, marks, size,
        )  # fmt: skip

    def _reports(self, reported: list[tuple[bytes, bytes]]) -> Mapping[str, tuple[str, ...]]:
        """Fields that were asked for. A cookie may come in pieces (RFC 9113, section 8.2.3)."""
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in reported:
            outside = self._reported[name]
            before = headers.get(outside, ())
            if name == b"cookie" and before:
                headers[outside] = (f"{before[0]}; {text(value)}",)
            else:
                headers[outside] = (*before, text(value))
        return headers


def _is_whole(key: tuple[bytes | None, ...], *, extended: bool) -> bool:
    """RFC 9113, sections 8.3.1 and 8.5; RFC 8441, section 4."""
    method, scheme, authority, path = key
    if method == b"CONNECT" and not extended:
        return scheme is None and path is None and authority is not None
    return bool(method and scheme and path)


def _raw(fields: Iterable[Field]) -> bytes:
    """A head as lines, for who asks for heads. What has no name might be a secret, and is not shown."""
    return (
        b"".join(b"?\r\n" if not name or value is None else _one_line(name + b": " + value) for name, value in fields) + b"\r\n"
    )


def _one_line(line: bytes) -> bytes:
    return line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n"


def status_line(status: int | None) -> StatusLine:
    """A status line in the words of HTTP/1."""
    return _STATUS_LINES.get(status) or StatusLine(VERSION, status)


_STATUS_LINES: Mapping[int | None, StatusLine] = {status: StatusLine(VERSION, status) for status in (None, *range(100, 600))}

__all__ = ["Head", "HeadParser", "status_line"]
