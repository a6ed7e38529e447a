"""What the answer to a request means for the events that it carried. Pure."""

from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pipeline.errors import BackOff, Reject, SinkSignal

TOO_LARGE = 413
RETRY_STATUSES = (401, 403, 404, 407, 408, 425, 429)
"""After these the same request may be taken later: Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585), and what
somebody has to put right at one of the ends, for which no event should be lost meanwhile."""
LONGEST_QUOTE = 200
"""Characters of an answer that a message shows: enough for the sentence in which a server says what it dislikes."""


class Answer(NamedTuple):
    """``retry_after`` is the field of this name, or empty; ``said`` the beginning of the body, as text."""

    status: int
    retry_after: str = ""
    said: str = ""


def judge(who: str, answer: Answer, again: Collection[int], now_ns: int) -> SinkSignal | None:
    """None where the events are delivered, else what the engine is to do with them.

    Rejected is what got a 4xx that is not among ``again``: everything else may become another answer. ``who`` is named in the
    message; ``now_ns`` is in nanoseconds since 1970.
    """
    status, retry_after, said = answer
    if 200 <= status < 300:
        return None
    quote = " ".join("".join(char if char.isprintable() else " " for char in said).split())[:LONGEST_QUOTE]
    sentence = f"{who} answered {status}" + (f": {quote}" if quote else "")
    if 400 <= status < 500 and status not in again:
        return Reject(sentence)
    return BackOff(pause_of(retry_after, now_ns), sentence)


def pause_of(value: str, now_ns: int) -> float | None:
    """The pause in seconds that a Retry-After field asks for, in seconds or as a date (RFC 9110, section 10.2.3).

    None where it asks for nothing that can be understood, or for no pause at all: then the engine's own backoff does.
    """
    if value.isascii() and value.isdigit():
        return float(value) or None
    try:
        pause = parsedate_to_datetime(value).timestamp() - now_ns / 1e9
    except (ValueError, OverflowError):
        return None
    return pause if pause > 0 else None
