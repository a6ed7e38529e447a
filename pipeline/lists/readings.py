"""All the paths that servers may make of one: a list that denies must find the resource by whichever way it can be reached.

In: a path as sent, without its query. Out: its canonical form first, then the others. Never raises; bounded,
since untrusted peers choose the path.

    /admin;v=1/x       /admin/x    Tomcat, Jetty and Spring leave path parameters out (Servlet 6.0)
    /x%5c..%5cadmin    /admin      a backslash is a slash: the WHATWG's URLs, IIS
    /admin%00.png      /admin      C's strings end there
    /ad%09min          /admin      the WHATWG's URLs leave tabs and line ends out
    /%2561dmin         /admin      a proxy decodes, and what stands behind it decodes again
    /%c0%af, /%u002f   /           overlong UTF-8 (RFC 3629, section 10) and the escapes of IIS
    //x/admin          /admin      a reference to the host x (RFC 3986, section 4.2): Node's ``new URL(request.url, base)``
    /admin//../x       /admin/x    an empty segment is a segment: RFC 3986, section 5.2.4, to the letter, the WHATWG's URLs
    /admin/x%2f..%2f.. unchanged   an escaped slash is not a separator: routers that split before they decode
    /admin/../x        unchanged   dot segments are not followed: Express and others that compare the text
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from pipeline.lists.path import canonical_path, decoded, followed

MOST_READINGS = 32
"""Honest paths have one to four; each costs a look-up."""

MOST_CHARACTERS = 1 << 15
"""In all readings of a path together, but for the canonical one: this bounds the time that an untrusted peer can cost."""

_SEVERAL = re.compile(
    r"[\x00-\x1f\x7f\\;]|^//|/\.\.?(?:/|$)|%(?:[01][0-9A-Fa-f]|2[5EFef]|3[Bb]|5[Cc]|7[Ff]|[Cc][01]|[Uu][0-9A-Fa-f]{4})"
)
"""In every path that one of the steps below changes in another way than ``canonical_path`` does."""

_SLASH_ESCAPE = re.compile("%(?=2[Ff]|5[Cc])")
_PARAMETERS = re.compile(";[^/]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FROM_CONTROL = re.compile(r"[\x00-\x1f\x7f].*", re.DOTALL)
_HOST = re.compile(r"^[/\\]{2,}[^/\\]+")
_OVERLONG = re.compile(r"%C([01])%([89AB][0-9A-F])")
_WIDE = re.compile(r"%[Uu]([0-9A-Fa-f]{4})")


class Readings(NamedTuple):
    """``paths``: the canonical one first. ``complete``: whether these are all."""

    paths: tuple[str, ...]
    complete: bool = True


def readings(path: str) -> Readings:
    """What servers may take the path for."""
    canonical = canonical_path(path)
    if _SEVERAL.search(path) is None:
        return Readings((canonical,))
    sent = _reached([path], _ON_WHAT_WAS_SENT)
    return _reached([canonical, *(made for each in sent.paths for made in _unescaped(each))], _ON_WHAT_WAS_DECODED)


def _reached(waiting: list[str], steps: tuple[Callable[[str], str], ...]) -> Readings:
    """What the steps lead to, in whatever order they are taken."""
    found: dict[str, None] = {}
    size = 0
    while waiting:
        reading = waiting.pop(0)
        if reading in found:
            continue
        size += len(reading)
        if found and (len(found) == MOST_READINGS or size > MOST_CHARACTERS):
            return Readings(tuple(found), complete=False)
        found[reading] = None
        waiting += [made for step in steps if (made := step(reading)) != reading]
    return Readings(tuple(found))


def _unescaped(path: str) -> tuple[str, str]:
    """All escapes decoded, and all but those of slashes."""
    return decoded(path), decoded(_SLASH_ESCAPE.sub("%25", path))


def _followed_to_the_letter(path: str) -> str:
    """Dot segments followed, empty segments kept."""
    if "/." not in path:
        return path
    _, *segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept if segments[-1] not in (".", "..") else [*kept, ""])


def _without_parameters(path: str) -> str:
    return _PARAMETERS.sub("", path)


def _without_host(path: str) -> str:
    return _HOST.sub("", path) or "/"


def _without_controls(path: str) -> str:
    return _CONTROL.sub("", path)


def _up_to_a_control(path: str) -> str:
    return _FROM_CONTROL.sub("", path)


def _with_slashes_only(path: str) -> str:
    return path.replace("\\", "/")


def _without_odd_escapes(path: str) -> str:
    path = _OVERLONG.sub(lambda escape: chr((int(escape[1]) << 6) | (int(escape[2], 16) & 0x3F)), path)
    return _WIDE.sub(lambda escape: chr(int(escape[1], 16)), path)


_ON_WHAT_WAS_SENT = (_without_host, _without_parameters, _without_controls, _with_slashes_only)
_ON_WHAT_WAS_DECODED = (followed, _followed_to_the_letter, decoded, *_ON_WHAT_WAS_SENT, _up_to_a_control, _without_odd_escapes)
"""Each makes a path shorter, or has fewer backslashes: however they follow each other, it comes to an end."""
