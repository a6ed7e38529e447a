"""One path for all spellings of it: what servers make of the path of a request before they look for the resource.

In: a path as sent, without its query. Out: its canonical form. Never raises. Where servers disagree: ``readings``.

    /%61dmin          /admin      RFC 3986, section 6.2.2.2
    /x/../admin       /admin      section 5.2.4; what leads above the root stays at the root
    /x%2f..%2fadmin   /admin      an escaped slash is a slash, an escaped dot a dot: so do nginx, Node and Python
    //admin/.//       /admin/     repeated slashes are one, which is not a rule but what servers do
    /caf%c3%a9        /café       escaped UTF-8 is text; bytes that are not UTF-8 stay escaped, in capitals: /%FF
    /%2561dmin        /%61dmin    escapes are decoded once

``tests/live/test_url_spellings.py`` compares this with what nginx, Node and Python resolve.
"""

import re
from urllib.parse import unquote_to_bytes

_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What the error handler ``surrogateescape`` makes of a byte that is not UTF-8 (PEP 383)."""


def canonical_path(path: str) -> str:
    """The path with escapes decoded once, repeated slashes as one, and dot segments followed. ``*`` and "" stay as they are."""
    return followed(decoded(path))


def decoded(path: str) -> str:
    """The path with escapes decoded once."""
    if "%" not in path:
        return path
    return text_of(unquote_to_bytes(path.encode("utf-8", "surrogatepass")))


def text_of(raw: bytes) -> str:
    """Bytes as text; those that are not UTF-8 as escapes."""
    return _NO_UTF8.sub(_escaped, raw.decode("utf-8", "surrogateescape"))


def followed(path: str) -> str:
    """The path with repeated slashes as one, and dot segments followed."""
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


def _escaped(match: re.Match[str]) -> str:
    return f"%{ord(match[0]) - 0xDC00:02X}"
