"""One path for all spellings of it: what servers make of the path of a request before they look for the resource.

In: a path as sent, without its query. Out: its canonical form, and why servers may disagree about it. Never raises.

    /%61dmin          /admin      RFC 3986, section 6.2.2.2
    /x/../admin       /admin      section 5.2.4; what leads above the root stays at the root
    /x%2f..%2fadmin   /admin      an escaped slash is a slash, an escaped dot a dot: so do nginx, Node and Python
    //admin/.//       /admin/     repeated slashes are one, which is no rule but what servers do
    /caf%c3%a9        /café       escaped UTF-8 is text; bytes that are no UTF-8 stay escaped, in capitals: /%FF
    /%2561dmin        /%61dmin    escapes are decoded once

``tests/live/test_url_spellings.py`` compares this with what nginx, Node and Python resolve.
"""

import re
from urllib.parse import unquote_to_bytes

_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What the error handler ``surrogateescape`` makes of a byte that is no UTF-8 (PEP 383)."""

_DOUBTS = (
    (re.compile(r"[\x00-\x1f\x7f]"), "a control character, where some servers end the path"),
    (re.compile(r"\\"), "a backslash, which some servers take for a slash"),
    (re.compile(r";"), "a path parameter, which some servers leave out"),
    (re.compile(r"%[89A-F][0-9A-F]"), "bytes that are no UTF-8, which some servers decode all the same"),
    (re.compile(r"%[0-9A-Fa-f]{2}"), "an escape within an escape, which some servers decode twice"),
)
_DOUBTFUL = re.compile(r"[\x00-\x1f\x7f\\;%]")


def canonical_path(path: str) -> str:
    """The path with escapes decoded once, repeated slashes as one, and dot segments followed. ``*`` and "" stay as they are."""
    if "%" in path:
        path = _NO_UTF8.sub(_escaped, unquote_to_bytes(path.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape"))
    if "//" not in path and "/." not in path:
        return path
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    trailing = "/" if segments[-1] in ("", ".", "..") and kept else ""
    return "/" + "/".join(kept) + trailing


def doubt_about(path: str) -> str | None:
    """Why servers may read this canonical path as another one; None where none is known to."""
    if _DOUBTFUL.search(path) is None:
        return None
    return next((reason for pattern, reason in _DOUBTS if pattern.search(path)), None)


def _escaped(match: re.Match[str]) -> str:
    return f"%{ord(match[0]) - 0xDC00:02X}"
