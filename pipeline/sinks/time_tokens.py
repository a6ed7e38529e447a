"""Time tokens in names: those of strftime(3) that Vector's users write, filled in with the event's own time. Pure.

In UTC, so that a name means the same on every host.
"""

import re
import time
from functools import lru_cache

TOKENS = {"Y": "dddd", "m": "dd", "d": "dd", "H": "dd", "M": "dd", "S": "dd", "j": "ddd", "F": "dddd-dd-dd"}
"""Each with what it becomes: ``d`` is a digit."""
TOKEN = re.compile(r"%(.?)")
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


def has_tokens(text: str) -> bool:
    """Whether something is to be filled in, be it only a percent sign."""
    return "%" in text


def is_timeless(text: str) -> bool:
    """Whether the text is the same at all times."""
    return all(match[1] == "%" for match in TOKEN.finditer(text))


def filled(text: str, timestamp_ns: int) -> str:
    """The text for a time in nanoseconds since 1970. A capture file may claim any time: it is brought into 1970 to 9999."""
    return _at(text, min(max(timestamp_ns // 1_000_000_000, 0), _LAST_SECOND))


def problem(text: str) -> str | None:
    """What is wrong with the tokens of a text; or None."""
    for match in TOKEN.finditer(text):
        if match[1] not in {*TOKENS, "%"}:
            known = " ".join(f"%{token}" for token in TOKENS)
            return f"unknown time token %{match[1]}; known are {known}, and %% for a percent sign"
    return None


@lru_cache(maxsize=256)
def _at(text: str, seconds: int) -> str:
    return time.strftime(text, time.gmtime(seconds))
