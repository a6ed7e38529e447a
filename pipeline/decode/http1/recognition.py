"""What the first bytes of a stream are: a request, a response, or nothing of ours. Bytes in, a verdict out; keeps no state.

Questions that are asked with different knowledge. Where a message must begin (at the start of a connection, behind the message
before) anything that can still become a start line is taken: ``may_begin_request``, ``may_begin_response``. In the middle of an
unknown stream only what can hardly be anything else is: ``begins_request``, ``begins_response``. On a connection that is known
to be HTTP a segment may also hold only a part of a status line: ``resumes_response``. What a status line is stands here once
(``STATUS``), for these and for the parser.
"""

import re

from pipeline.decode.targets import KNOWN_METHODS

HTTP2 = b"PRI * HTTP/2"
"""RFC 9113, section 3.4: how a client begins that knows that its server speaks HTTP/2. It is not a request of HTTP/1."""

BLANKS = b" \t\v\f\r\n"
"""What may stand in front of a start line: empty lines (RFC 9112, section 2.2) and white space (sections 3 and 4)."""

_BLANK = rb"[ \t\v\f\r]"
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_MAX_METHOD = 32
_REQUEST_PREFIX = re.compile(rb"%s{1,%d}(?:[ \t\v\f\r]|$)" % (_TOKEN, _MAX_METHOD))
_REQUEST_LINE = re.compile(
    rb"%s{1,%d}[ \t][^\x00-\x08\x0a-\x1f]*[ \t]?(?i:HTTP)/\d{1,3}(?:\.\d{1,3})?[ \t]*\r?\n" % (_TOKEN, _MAX_METHOD)
)
_KNOWN_START = re.compile(rb"(?:%s) (?:/|\*[ ]|https?://)[^\x00-\x1f]*\Z" % b"|".join(sorted(KNOWN_METHODS)))
_KNOWN_LINE = re.compile(rb"(?:%s) [^\x00-\x20]{1,8192} HTTP/1\.\d\r?\n" % b"|".join(sorted(KNOWN_METHODS)))
_LINE_INSIDE = re.compile(rb"(?<=\n)" + _KNOWN_LINE.pattern)
STATUS = re.compile(rb"(?i)(?:HTTP/(\d{1,3}(?:\.\d{1,3})?)|ICY)%s+(\d{3})(?!\d)" % _BLANK)
"""A status line as far as its status: version (none for ICY, as Shoutcast servers begin) and status.

RFC 9112, section 4, but for what clients also read: any white space, any case, no minor version, nothing behind the status, or
something that no white space separates.
"""


def _in_parts(*parts: bytes) -> bytes:
    """A pattern for the parts one behind the other, of which the last ones may not be there yet."""
    pattern = b""
    for part in reversed(parts):
        pattern = part + (b"(?:\\Z|%b)" % pattern if pattern else b"")
    return pattern


_STATUS_BEGUN = re.compile(
    b"(?i)"
    + _in_parts(
        rb"(?:%b|%b)"
        % (_in_parts(*(b"%c" % letter for letter in b"HTTP/"), rb"\d{1,3}(?:\.\d{0,3})?"), _in_parts(b"I", b"C", b"Y")),
        _BLANK + b"+",
        rb"\d",
        rb"\d",
        rb"\d(?!\d)",
    )
)
_FIRST_OF_STATUS = (b"H", b"h", b"I", b"i")
_LEAST_OF_STATUS = len(b"HTTP/")
ENOUGH_OF_HEAD = 40
"""Bytes of a head after which it is clear that it may be one: a method, or a status line."""
_MAX_LINE = 16 * 1024


_PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n"
COMMON_REQUESTS = frozenset((b"GET ", b"POST", b"HEAD", b"PUT "))


def may_begin_request(data: bytes) -> bool:
    """Whether this can be the beginning, however short, of a request line."""
    if data[:4] in COMMON_REQUESTS:
        return True
    return _REQUEST_PREFIX.match(data, 0, _MAX_METHOD + 2) is not None and not data.startswith(HTTP2)


def may_begin_response(data: bytes) -> bool:
    """Whether this can be the beginning, however short, of a status line."""
    return data.startswith(_FIRST_OF_STATUS) and _STATUS_BEGUN.match(data) is not None


def preamble(data: bytes, start: int = 0) -> int:
    """The length of a PROXY protocol header at ``data[start:]``, in which a load balancer names the client; 0 for none.

    Version 1 is a line, version 2 has a length (HAProxy, "The PROXY protocol", sections 2.1 and 2.2).
    """
    if data.startswith(b"PROXY ", start):
        end = data.find(b"\r\n", start, start + 107)
        return end + 2 - start if end > 0 else 0
    if data.startswith(_PROXY_2, start) and len(data) >= start + 16:
        return 16 + int.from_bytes(data[start + 14 : start + 16], "big")
    return 0


def begins_request(data: bytes) -> bool:
    """Whether this surely is the beginning of a request: a whole request line, or a known method with a target that goes on."""
    if not data[:1].isalpha():
        return False
    return (
        _REQUEST_LINE.match(data, 0, _MAX_LINE) is not None or _KNOWN_START.match(data, 0, _MAX_LINE) is not None
    ) and not data.startswith(HTTP2)


def interrupts(data: bytes, partial: bytes) -> bool:
    """Whether a request that begins with ``data`` shows that ``partial`` in front of it is none, though it looked like one."""
    return b" " in partial and b"\n" not in partial and _KNOWN_LINE.match(data) is not None


def request_inside(data: bytes, pos: int) -> int:
    """Where in ``data[pos:]`` a line begins that surely is a request line; -1 for nowhere."""
    match = _LINE_INSIDE.search(data, pos)
    return match.start() if match else -1


def begins_response(data: bytes) -> bool:
    """Whether this surely is the beginning of a response: a status line as far as its status."""
    return data.startswith(_FIRST_OF_STATUS) and STATUS.match(data) is not None


def resumes_response(data: bytes) -> bool:
    """Whether a response begins here, on a connection that is known to be HTTP: enough of a status line, and nothing else."""
    return data.startswith(_FIRST_OF_STATUS) and len(data) >= _LEAST_OF_STATUS and _STATUS_BEGUN.match(data) is not None
