"""What the answer to a request means for the events that it carried. Pure."""

from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pipeline.errors import BackOff, Reject, SinkSignal
from pipeline.reasons import readable

CONTENT_TOO_LARGE = 413
RETRY_STATUSES = (401, 403, 404, 407, 408, 425, 429)
"""After these the same request may be taken later: Request Timeout, Too Early, Too Many Requests (RFC 9110, 8470, 6585), and what
somebody has to put right at one of the ends, for which no event should be lost meanwhile."""
QUOTED = 4096
"""Bytes of an answer that are kept for a message."""


class Answer(NamedTuple):
    """``retry_after`` is the field of this name, or empty; ``body`` as much of the answer as was to be kept."""

    status: int
    retry_after: str = ""
    body: bytes = b""

    @property
    def said(self) -> str:
        """What it says to people, in one line of printable characters; empty where it says nothing."""
        return readable(self.body[:QUOTED].decode(errors="replace"))


def sentence_of(who: str, status: int, said: str) -> str:
    """What a message says of an answer that is no success."""
    return f"{who} answered {status}" + (f": {said}" if said else "")


def judge(who: str, answer: Answer, again: Collection[int], now_ns: int) -> SinkSignal | None:
    """None where the events are delivered, else what the engine is to do with them.

    Rejected is what got a 4xx that is not among ``again``: everything else may become another answer. ``who`` is named in the
    message; ``now_ns`` is in nanoseconds since 1970.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    sentence = sentence_of(who, status, answer.said)
    if 400 <= status < 500 and status not in again:
        return Reject(sentence)
    return BackOff(pause_of(answer.retry_after, now_ns), sentence)


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
