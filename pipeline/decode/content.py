"""Bodies that a user asked to see: the bytes that are kept of one, and what is reported of them. Bounded."""

import base64
import codecs
import re
from typing import NamedTuple

from pipeline.config.options import BodyOptions
from pipeline.decode.codings import decode

_CHARSET = re.compile(rb"(?i);[ \t]*charset=\"?([A-Za-z0-9_.:-]{1,40})")


class Content(NamedTuple):
    """A body as it is reported: ``size`` is the decoded size, None where not all of it was seen or could be decoded."""

    text: str
    encoding: str | None
    size: int | None
    cut: bool


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

    @property
    def raw(self) -> bytes:
        """What is held, as it came."""
        return bytes(self._data)

    def add(self, data: bytes) -> None:
        """More of the body."""
        if self.cut:
            return
        if len(data) > self._limit - self.kept:
            data, self.cut = data[: self._limit - self.kept], True
        self._data += data

    def content(self, coding: bytes, content_type: bytes) -> Content:
        """What to report: decoded within the limit, text as text, anything else as base64."""
        body, cut, whole = decode(self.raw, coding, self._limit)
        cut = cut or self.cut
        text = as_text(body, content_type, cut=cut or not whole)
        size = len(body) if whole and not cut else None
        if text is None:
            return Content(base64.b64encode(body).decode(), "base64", size, cut)
        return Content(text, None, size, cut)


class Collectors:
    """Which bodies are asked for."""

    def __init__(self, bodies: BodyOptions | None) -> None:
        self._bodies = bodies
        self._types = {name.lower().encode() for name in bodies.content_types} if bodies is not None else set()

    def collector(self, content_type: bytes) -> Collector | None:
        """What keeps a body of this type, where it was asked for."""
        if self._bodies is None:
            return None
        kind = content_type.partition(b";")[0].strip().lower()
        if self._types and self._types.isdisjoint((kind, kind.partition(b"/")[0] + b"/*", b"*/*")):
            return None
        return Collector(self._bodies.max_bytes)


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
