"""The wording of problems: how a value is shown, how alternatives are listed.

Pure text functions; nothing here knows pydantic, components or files.
"""

import json
import re
from collections.abc import Iterable

from pipeline.errors import nearest

SHOWN_CHARS = 80
"""A value is shown up to this many characters: enough to find it in the file, too few to flood the terminal."""

_HIDDEN = r"(?i)passw|secret|token|credential|api_?key"
"""Options whose values are never shown: messages end up in logs and issue reports."""
_CREDENTIALS = r"(?<=://)[^/?#\s\"]*@"
"""Of a URL."""
_QUERY = r"(://[^?\s\"]*\?)[^\s\"]+"
"""Of a URL: keys and tokens stand there, too."""


def shown(value: object, name: str = "") -> str:
    """The value as it stands in the file, near enough to find it; hidden where its option's name says secret, and in URLs."""
    if re.search(_HIDDEN, name):
        return "the value"
    text = re.sub(_CREDENTIALS, "…@", json.dumps(value, ensure_ascii=False, default=str))
    text = re.sub(_QUERY, r"\1…", text)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def unknown(word: str, what: str, known: Iterable[str]) -> str:
    """A whole sentence about a name that nobody knows: the nearest right one, and all there are."""
    names = sorted(known)
    listed = f"known: {', '.join(names)}" if names else "there are none"
    near = nearest(word, names)
    return f'"{word}" is not a known {what}; ' + (f'did you mean "{near}"? ({listed})' if near else listed)
