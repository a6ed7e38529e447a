"""Frames of HTTP/2 (RFC 9113, sections 4 and 6): what they look like, and where one begins in bytes of which nothing is known.

A frame header has no magic number, but few bytes can be one: a type has its flags, its lengths and its streams. A segment that
is from its first byte on a chain of such headers, each where the frame before it ends, begins with a frame; inside of one, three
in a row begin with a frame from the second on. Bytes in, places out; keeps no state.
"""

import re
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How a client begins (RFC 9113, section 3.4)."""
LEAST_OF_PREFACE = 3
"""Bytes of it that no request begins with."""
HEADER = 9
"""Bytes of a frame header: length, type, flags, stream."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x4, 0x8, 0x20

DEFAULT_LENGTH = 16_384
"""Longest payload that needs no SETTINGS (section 4.2), as nearly all are. Where a frame begins is looked for by these only."""
NEVER = 1 << 24
_LONGEST_SETTINGS = 6 * 64
_LONGEST_GOAWAY = 1024

unpack_header = Struct(">HBBBI").unpack_from
"""The length in two parts, type, flags, and the stream with the reserved bit in front of it."""

Header = tuple[int, int, int, int]
"""Length, type, flags, stream."""

_FIXED = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_OF_STREAMS = frozenset((DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION))
_OF_CONNECTION = frozenset((SETTINGS, PING, GOAWAY))
_FLAGS = {
    DATA: END_STREAM | PADDED,
    HEADERS: END_STREAM | END_HEADERS | PADDED | PRIORITISED,
    SETTINGS: 1,
    PUSH_PROMISE: END_HEADERS | PADDED,
    PING: 1,
    CONTINUATION: END_HEADERS,
}
_LENGTHS = {
    DATA: (0, DEFAULT_LENGTH),
    HEADERS: (1, DEFAULT_LENGTH),
    PUSH_PROMISE: (5, DEFAULT_LENGTH),
    CONTINUATION: (1, DEFAULT_LENGTH),
    SETTINGS: (0, _LONGEST_SETTINGS),
    GOAWAY: (8, _LONGEST_GOAWAY),
}
_CANDIDATE = re.compile(rb"(?=\x00[\x00-\x40][\x00-\xff][\x00-\x09][\x00-\x2d][\x00-\x7f])", re.DOTALL)


def header_at(data: bytes, at: int) -> Header:
    """The frame header at ``data[at:]``, which is there whole."""
    high, low, kind, flags, stream = unpack_header(data, at)
    return high << 8 | low, kind, flags, stream & 0x7FFFFFFF


def is_valid(length: int, kind: int, stream: int) -> bool:
    """Whether a frame is one: everything else ends the connection (sections 6.1 to 6.10)."""
    if kind in _FIXED and length != _FIXED[kind]:
        return False
    if kind == SETTINGS and length % 6:
        return False
    return not ((kind in _OF_STREAMS and not stream) or (kind in _OF_CONNECTION and stream))


def is_plausible(data: bytes, at: int) -> int:
    """Where a frame ends whose header seems to stand at ``data[at:]``; 0 where there can hardly be one."""
    high, low, kind, flags, stream = unpack_header(data, at)
    length: int = high << 8 | low
    if stream >> 31 or kind > CONTINUATION or flags & ~_FLAGS.get(kind, 0) or not is_valid(length, kind, stream):
        return 0
    least, most = _LENGTHS.get(kind, (0, NEVER))
    empty = kind == DATA and not (length or flags & END_STREAM)
    if empty or not least <= length <= most or (kind == SETTINGS and flags and length):
        return 0
    return at + HEADER + length


def is_chain(data: bytes) -> bool:
    """Whether all of ``data`` is frames, of which the last one may go on behind it."""
    at, size = 0, len(data)
    while at + HEADER <= size:
        at = is_plausible(data, at)
        if not at:
            return False
    return size >= HEADER


def second_of_three(data: bytes) -> int:
    """Where the second of the first three frames in a row begins; -1 for nowhere."""
    last = len(data) - HEADER
    for match in _CANDIDATE.finditer(data):
        first = match.start()
        if first > last:
            break
        second = is_plausible(data, first)
        third = second and second <= last and is_plausible(data, second)
        if third and third <= last and is_plausible(data, third):
            return second
    return -1


def block_of(data: bytes, at: int, header: Header) -> tuple[int, int] | None:
    """Where the fragment of a header block begins and ends in a HEADERS frame whose payload begins at ``data[at:]``.

    Section 6.2; None where the padding is longer than the frame, or its length is not here.
    """
    length, kind, flags, _ = header
    begin, end = at, at + length
    if flags & PADDED and length:
        if at == len(data):
            return None
        end -= data[at]
        begin += 1
    if kind == HEADERS and flags & PRIORITISED:
        begin += 5
    elif kind == PUSH_PROMISE:
        begin += 4
    return (begin, end) if begin <= end else None
