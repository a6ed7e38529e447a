"""What the tests of HTTP/2 share: frames, header blocks of literals, and conversations of both."""

from collections.abc import Sequence
from itertools import pairwise

from pipeline.decode.http2.frames import CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PREFACE, SETTINGS
from pipeline.testing.packets import Talk
from tests.http2_wire import frame, integer

Fields = Sequence[tuple[str, str]]
GET: Fields = ((":method", "GET"), (":scheme", "http"), (":authority", "example.com:8080"), (":path", "/a?b=c"))
OK: Fields = ((":status", "200"), ("content-type", "text/plain"))


def block(fields: Fields, *, insert: bool = False) -> bytes:
    """Literals, which are added to the table or not."""
    out = b""
    for field in fields:
        out += b"\x40" if insert else b"\0"
        for part in field:
            out += integer(len(part.encode()), 7, 0) + part.encode()
    return out


def head(stream: int, fields: Fields, *, end: bool = False, insert: bool = False, cuts: Sequence[int] = ()) -> bytes:
    """HEADERS, and CONTINUATION where the block is cut."""
    data = block(fields, insert=insert)
    parts = [data[start:stop] for start, stop in pairwise((0, *cuts, len(data)))]
    out = b""
    for number, part in enumerate(parts):
        flags = (END_STREAM if end and not number else 0) | (END_HEADERS if number == len(parts) - 1 else 0)
        out += frame(CONTINUATION if number else HEADERS, part, flags=flags, stream=stream)
    return out


def body(stream: int, data: bytes, *, end: bool = False, padding: int | None = None) -> bytes:
    """DATA."""
    flags = END_STREAM if end else 0
    if padding is not None:
        flags, data = flags | PADDED, bytes([padding]) + data + bytes(padding)
    return frame(DATA, data, flags=flags, stream=stream)


def opened(**options: object) -> Talk:
    """A connection with preface and SETTINGS of both."""
    return Talk(**options).client(PREFACE + frame(SETTINGS)).server(frame(SETTINGS), frame(SETTINGS, flags=1))  # type: ignore[arg-type]
