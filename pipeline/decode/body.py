"""Bodies: chunked framing, and the bytes that a user asked to keep, decompressed within a bound. Bytes in, content out."""

import base64
import codecs
import re
import zlib
from enum import Enum, auto

import msgspec

_CHUNK_SIZE = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?\Z", re.DOTALL)
_CHARSET = re.compile(rb"(?i);[ \t]*charset=\"?([A-Za-z0-9_.:-]{1,40})")
_MAX_LINE = 16 * 1024
"""Longest line of chunk framing; servers refuse chunk extensions and trailers far below it."""
_MAX_CODINGS = 3
"""Content codings on top of each other that are undone; nobody means more."""
_MAX_MEMBERS = 256
"""Members of a gzip body that are read: a body of a million empty ones would cost quadratic time."""


class _In(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()


class Chunks(msgspec.Struct, gc=False):
    """A chunked body being read (RFC 9112, section 7.1): ``size`` counts its data, ``done`` and ``broken`` say how it ended."""

    size: int = 0
    left: int = 0
    done: bool = False
    broken: bool = False
    _state: _In = _In.SIZE
    _line: bytes = b""

    def feed(self, data: bytes, pos: int, keep: "Collector | None") -> int:
        """Read from ``data[pos:]``; returns where it stopped: at the end, behind the last chunk, or where framing breaks."""
        end = len(data)
        while pos < end and not self.done and not self.broken:
            if self._state is _In.DATA:
                stop = min(end, pos + self.left)
                if keep is not None:
                    keep.add(data[pos:stop])
                self._count(stop - pos)
                pos = stop
            else:
                pos = self._framing(data, pos, end)
        return pos

    def skip(self, count: int) -> bool:
        """``count`` bytes are missing: True when all of them are chunk data, so that the place in the framing is still known."""
        if self._state is not _In.DATA or count > self.left:
            return False
        self._count(count)
        return True

    def _count(self, count: int) -> None:
        self.size += count
        self.left -= count
        if not self.left:
            self._state = _In.DATA_END

    def _framing(self, data: bytes, pos: int, end: int) -> int:
        stop = data.find(b"\n", pos)
        if stop < 0:
            self._line += data[pos:end]
            self.broken = len(self._line) > _MAX_LINE or (self._state is _In.DATA_END and len(self._line) > 1)
            return end
        line, self._line = self._line + data[pos:stop], b""
        if self._state is _In.DATA_END:
            self.broken = line not in {b"\r", b""}
            self._state = _In.SIZE
        elif self._state is _In.SIZE:
            self._begin(line)
        else:
            self.done = line in {b"\r", b""}
        return pos if self.broken else stop + 1

    def _begin(self, line: bytes) -> None:
        match = _CHUNK_SIZE.match(line)
        if match is None:
            self.broken = True
            return
        self.left = int(match[1], 16)
        self._state = _In.DATA if self.left else _In.TRAILER


class Collector:
    """The first ``limit`` bytes of a body. ``cut`` is true where bytes were left away or lost."""

    __slots__ = ("_limit", "_parts", "cut", "kept")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self.kept = 0
        self.cut = False

    def add(self, data: bytes) -> None:
        """More of the body."""
        if self.cut:
            return
        if len(data) > self._limit - self.kept:
            data, self.cut = data[: self._limit - self.kept], True
        self._parts.append(data)
        self.kept += len(data)

    def content(self, coding: bytes, content_type: bytes) -> "Content":
        """What to report: decompressed within the limit, text as text, anything else as base64."""
        raw = b"".join(self._parts)
        body, cut, decoded = decompress(raw, coding, self._limit)
        cut = cut or self.cut
        text = as_text(body, content_type, cut=cut)
        if text is None:
            return Content(base64.b64encode(body).decode(), "base64", None if cut else len(body), cut, decoded)
        return Content(text, None, None if cut else len(body), cut, decoded)


class Content:
    """A body as it is reported: ``size`` is the decompressed size, None where not all of it was seen."""

    __slots__ = ("cut", "decoded", "encoding", "size", "text")

    def __init__(self, text: str, encoding: str | None, size: int | None, cut: bool, decoded: bool) -> None:  # noqa: FBT001
        self.text = text
        self.encoding = encoding
        self.size = size
        self.cut = cut
        self.decoded = decoded


def as_text(body: bytes, content_type: bytes, *, cut: bool) -> str | None:
    """The body as text, or None where it is none: UTF-8, or the charset that a text type declares."""
    if b"\0" in body:
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(body, final=not cut)
    except UnicodeDecodeError:
        pass
    if not content_type.lower().startswith(b"text/"):
        return None
    charset = _CHARSET.search(content_type)
    try:
        return body.decode(charset[1].decode() if charset else "iso-8859-1")
    except (LookupError, UnicodeError):
        return None


def decompress(raw: bytes, coding: bytes, limit: int) -> tuple[bytes, bool, bool]:
    """Undo the content codings: bytes, whether more would come beyond the limit, whether all codings were undone.

    What cannot be undone (unknown coding, damaged data) is given back as it is, from the last step that worked.
    """
    codings = [name.strip() for name in coding.split(b",") if name.strip() not in {b"", b"identity"}]
    if len(codings) > _MAX_CODINGS:
        return raw, False, False
    cut = False
    for name in reversed(codings):
        expand = _EXPANDERS.get(name)
        expanded = expand(raw, limit) if expand is not None and raw else None
        if expanded is None:
            return raw, cut, False
        raw, more = expanded
        cut = cut or more
    return raw, cut, True


def _gzip(raw: bytes, limit: int) -> tuple[bytes, bool] | None:
    """RFC 1952: one or more members; what follows the last is not part of it."""
    parts: list[bytes] = []
    room = limit
    for _ in range(_MAX_MEMBERS):
        if not raw:
            break
        inflater = zlib.decompressobj(wbits=31)
        try:
            part = inflater.decompress(raw, room + 1)
        except zlib.error:
            return (b"".join(parts), False) if parts else None
        parts.append(part[:room])
        if len(part) > room:
            return b"".join(parts), True
        room -= len(part)
        raw = inflater.unused_data if inflater.eof else b""
    return b"".join(parts), False


def _deflate(raw: bytes, limit: int) -> tuple[bytes, bool] | None:
    """RFC 9110, section 8.4.1.2: the zlib format; some senders leave its frame away."""
    for wbits in (15, -15):
        try:
            body = zlib.decompressobj(wbits=wbits).decompress(raw, limit + 1)
        except zlib.error:
            continue
        return body[:limit], len(body) > limit
    return None


def _brotli(raw: bytes, limit: int) -> tuple[bytes, bool] | None:
    import brotli  # type: ignore[import-untyped]  # noqa: PLC0415  loaded by the first body that needs it

    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        part = decoder.process(raw, output_buffer_limit=limit + 1)
        while part and size <= limit:
            parts.append(part)
            size += len(part)
            part = decoder.process(b"", output_buffer_limit=limit + 1)
    except brotli.error:
        if not parts:
            return None
    body = b"".join(parts)
    return body[:limit], len(body) > limit


def _zstd(raw: bytes, limit: int) -> tuple[bytes, bool] | None:
    import zstandard  # noqa: PLC0415  loaded by the first body that needs it

    parts: list[bytes] = []
    size = 0
    # RFC 9659: windows of at most 8 MB in HTTP.
    reader = zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(raw, read_across_frames=True)
    try:
        while size <= limit and (part := reader.read(min(65536, limit + 1 - size))):
            parts.append(part)
            size += len(part)
    except zstandard.ZstdError:
        if not parts:
            return None
    body = b"".join(parts)
    return body[:limit], len(body) > limit


_EXPANDERS = {b"gzip": _gzip, b"x-gzip": _gzip, b"deflate": _deflate, b"br": _brotli, b"zstd": _zstd}

__all__ = ["Chunks", "Collector", "Content", "as_text", "decompress"]
