"""Why the other end of a connection did not do what it was asked, fit for a message: what it said, or what the system did."""

import os
import ssl
from socket import gaierror

LONGEST_QUOTE = 200
"""Characters of what a server says that a message shows: enough for the sentence in which it says what it dislikes."""


def readable(text: str) -> str:
    """The beginning of what a server says, fit for a message: one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:LONGEST_QUOTE]


def reason_of(error: BaseException) -> str:
    """What the system said, where it did: httpx and anyio wrap it several times, and say "All connection attempts failed"."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, gaierror):  # its numbers are its own
            return str(inner.strerror)
        if isinstance(inner, OSError) and not isinstance(inner, ssl.SSLError) and inner.errno:
            return os.strerror(inner.errno)
        inner = (
            next(iter(inner.exceptions), None) if isinstance(inner, BaseExceptionGroup) else inner.__cause__ or inner.__context__
        )
    return str(error) or type(error).__name__
