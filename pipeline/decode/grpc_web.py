"""gRPC-Web ("gRPC Web", the protocol of gRPC's web repository): a body as messages, and its trailers at the end.

Browsers cannot read trailers, so the status comes as one more message, flagged; in ``-text`` all of it is base64, in pieces that
may each have padding. Where bytes of a body are missing nothing is claimed of what they may have held.
"""

import binascii
import re
from typing import Any

from pipeline.decode.content import Collector, Content
from pipeline.decode.grpc import Messages, fields_of_call, status, system

MARK = b"application/grpc-web"
WEB = "grpc_web"
_TYPE = re.compile(rb"(?i)\ncontent-type:[ \t]*([^\r\n]*)").search
_CODED = re.compile(rb"(?i)\ncontent-encoding:").search
_STATUS_FIELD = re.compile(rb"(?i)\ngrpc-status:[ \t]*(\d{1,4})[ \t]*\r?\n").search
_STATUS = re.compile(rb"(?im)^grpc-status:[ \t]*(\d{1,4})[ \t]*\r?$").search
_TEXT = b"-text"
_PIECE = re.compile(rb"[^=]+=*").findall


def lines(content_type: bytes, coding: bytes) -> bytes:
    """The fields of a head of HTTP/2 that a ``CallBody`` looks for, as HTTP/1 writes them."""
    return b"\ncontent-type:%b\r\n" % content_type + (b"\ncontent-encoding:%b\r\n" % coding if coding else b"")


class CallBody(Collector):
    """The body of one side of a call; ``head`` are its fields as lines. ``inner`` keeps it where bodies are asked for, too."""

    __slots__ = ("_coded", "_messages", "_rest", "_status", "_text", "inner", "kind")

    def __init__(self, head: bytes, inner: Collector | None) -> None:
        super().__init__(0)
        found = _TYPE(head)
        kind = found[1] if found else b""
        self.kind = system(kind)
        self.inner = inner
        self._text = kind[len(MARK) : len(MARK) + len(_TEXT)].lower() == _TEXT
        self._coded = _CODED(head) is not None
        field = _STATUS_FIELD(head)
        self._status = field[1] if field else None
        self._messages = Messages()
        self._rest = b""

    @property
    def kept(self) -> int:
        """How many bytes are held."""
        return (self.inner.kept if self.inner is not None else 0) + len(self._rest) + len(self._messages.trailers)

    def add(self, data: bytes) -> None:
        """More of the body."""
        if self.inner is not None:
            self.inner.cut |= self.cut
            self.inner.add(data)
        if self.cut or self._coded or self.kind is None:
            return
        if self._text:
            data = self._plain(data)
        self._messages.data(data, 0, len(data))

    def _plain(self, data: bytes) -> bytes:
        """Of base64 as much as is there in groups of four."""
        data = self._rest + data
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        try:
            return b"".join([binascii.a2b_base64(piece) for piece in _PIECE(data[:whole])])
        except binascii.Error:
            self._coded = True
            return b""

    @property
    def messages(self) -> Messages | None:
        """What was counted; None where bytes are missing, or are coded."""
        return None if self.cut or self._coded or self.kind is None else self._messages

    @property
    def status(self) -> int | None:
        """Of the trailers, or of the head where there is nothing else."""
        messages = self.messages
        found = _STATUS(bytes(messages.trailers)) if messages is not None else None
        return status(found[1] if found else self._status)

    def content(self, coding: bytes, content_type: bytes) -> Content | None:  # type: ignore[override]  # None for what nobody asked
        """As of any other body, where asked for."""
        if self.inner is None:
            return None
        self.inner.cut |= self.cut
        return self.inner.content(coding, content_type)


def call(path: str | None, asked: Collector | None, answered: Collector | None) -> dict[str, Any]:
    """What an exchange says of a call, by the names of its attributes; nothing where it is none."""
    if not isinstance(asked, CallBody) or asked.kind is None:
        return {}
    if not isinstance(answered, CallBody):
        return fields_of_call(asked.kind, path, None, asked.messages, None)
    return fields_of_call(asked.kind, path, answered.status, asked.messages, answered.messages)
