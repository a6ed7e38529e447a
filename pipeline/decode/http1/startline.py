"""First lines: request lines and status lines, read the way a tolerant server or client reads them. Bytes in, nouns out.

RFC 9112, section 3: ``method SP request-target SP HTTP-version``; section 4: ``HTTP-version SP status-code SP [reason-phrase]``.
Both sections allow recipients to take any white space for a separator and to ignore it around the line. What real senders also
do: targets with spaces or raw bytes in them, no target, no version (HTTP/0.9, RFC 1945 section 4.1), no reason phrase.
"""

import re

from pipeline.decode.http1.recognition import STATUS
from pipeline.decode.marks import PROTOCOL_ERROR
from pipeline.decode.message import RequestLine, StatusLine
from pipeline.decode.targets import METHODS, OTHER_METHOD, split_host, split_query, text
from pipeline.model.secrets import redact_userinfo

_COMMON_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_VERSION = re.compile(rb"(?i)HTTP/(\d{1,3}(?:\.\d{1,3})?)\Z")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}\Z")
_SEPARATORS = bytes.maketrans(b"\t\v\f\r", b"    ")
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?([^/?#]*)")


def parse_request_line(line: bytes) -> RequestLine | None:
    """A request line without its line end, or None when it is none."""
    words = line.split(b" ")
    if len(words) == 3 and words[1]:
        method, target, last = words
        usual, name = _COMMON_VERSIONS.get(last), METHODS.get(method)
        if usual is not None and name is not None:
            if target[0] == 47:  # "/": nearly all there are
                whole = text(target)
                whole, path, query = split_query(whole, whole)
                return RequestLine(name, None, whole, "http", path, query, None, None, usual, 0, 2 * len(whole))
            return _request_line(method, target, usual, 0)
    spaced = line.translate(_SEPARATORS)
    usual_spaces = len(words) == 3 and words[1] and spaced == line
    if not usual_spaces:
        method, _, rest = spaced.strip(b" ").partition(b" ")
        head, _, last = rest.rpartition(b" ")
        target = head.strip(b" ") if _VERSION.match(last) else rest.strip(b" ")
    version = _VERSION.match(last)
    known = METHODS.get(method)
    if version is None:
        return _simple_request(method, target, line) if known or _TOKEN.match(method) else None
    if known is None and not _TOKEN.match(method):
        return None
    marks = 0 if target and usual_spaces and last.startswith(b"HTTP") and b"." in last else PROTOCOL_ERROR
    return _request_line(method, target, text(version[1]), marks)


def _simple_request(method: bytes, target: bytes, line: bytes) -> RequestLine | None:
    """HTTP/0.9: ``GET SP /path``. Anything else without a version could be any line-based protocol, and is marked."""
    if not target.startswith(b"/") or not method.isupper() or line[:1].isspace():
        return None
    return _request_line(method, target, "0.9", 0 if method == b"GET" and b" " not in target else PROTOCOL_ERROR)


def _request_line(method: bytes, raw_target: bytes, version: str, marks: int) -> RequestLine:
    name = METHODS.get(method)
    original = None if name else text(method)
    target, scheme, address, port = text(raw_target), "http", None, None
    if raw_target.startswith(b"/") and not (b"?" in raw_target or b"//" in raw_target):
        return RequestLine(
            name or OTHER_METHOD, original, target, scheme, target, None, None, None, version, marks, len(raw_target)
        )
    if method == b"CONNECT" and not target.startswith(("/", "http:", "https:")):
        address, port = split_host(target.partition(" ")[0])
        return RequestLine(name or OTHER_METHOD, original, target, scheme, None, None, address, port, version, marks, len(target))
    path = target
    if "//" in target:
        authority = _AUTHORITY.match(target)
        if authority is not None and not target.startswith("/"):
            scheme = target.partition(":")[0].lower()
            address, port = split_host(authority[1])
            path = target[authority.end() :] or "/"
            target = redact_userinfo(target)
    target, path, query = split_query(target, path)
    return RequestLine(
        name or OTHER_METHOD,
        original,
        target or None,
        scheme,
        path or None,
        query,
        address,
        port,
        version,
        marks,
        2 * len(target),
    )


def parse_status_line(line: bytes) -> StatusLine | None:
    """A status line without its line end, or None when it is none."""
    match = STATUS.match(line)
    if match is None:
        return None
    version = text(match[1]) if match[1] else None
    regular = line.startswith(b"HTTP") and version is not None and "." in version and line[match.end() :][:1].isspace()
    return StatusLine(version, int(match[2]), 0 if regular else PROTOCOL_ERROR)
