"""Bodies: chunked framing, and the bytes that a user asked to keep, decoded within a bound. Bytes in, content out."""

import base64
import codecs
import re
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from pipeline.decode.http1.codings import decode

_CHUNK_SIZE = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?\Z", re.DOTALL)
_CHARSET = re.compile(rb"(?i);[ \t]*charset=\"?([A-Za-z0-9_.:-]{1,40})")
_MAX_LINE = 16 * 1024
"""Longest line of chunk framing; servers refuse chunk extensions and trailers far below it."""


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

    __slots__ = ("_data", "_limit", "cut")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()  # not a list of parts: a chunk may be a byte, and an object for it takes 34
        self.cut = False

    @property
    def kept(self) -> int:
        """How many bytes are held."""
        return len(self._data)

    def add(self, data: bytes) -> None:
        """More of the body."""
        if self.cut:
            return
        if len(data) > self._limit - self.kept:
            data, self.cut = data[: self._limit - self.kept], True
        self._data += data

    def content(self, coding: bytes, content_type: bytes) -> "Content":
        """What to report: decoded within the limit, text as text, anything else as base64."""
        raw = bytes(self._data)
        body, cut, whole = decode(raw, coding, self._limit)
        cut = cut or self.cut
        text = as_text(body, content_type, cut=cut or not whole)
        size = len(body) if whole and not cut else None
        if text is None:
            return Content(base64.b64encode(body).decode(), "base64", size, cut)
        return Content(text, None, size, cut)


class Content(NamedTuple):
    """A body as it is reported: ``size`` is the decoded size, None where not all of it was seen or could be decoded."""

    text: str
    encoding: str | None
    size: int | None
    cut: bool


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


__all__ = ["Chunks", "Collector", "Content", "as_text"]
