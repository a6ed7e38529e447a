"""Nanoseconds since 1970 ⇄ RFC 3339 text in UTC with nine digits. Pure; only bad text raises (``ValueError``).

Python's ``datetime`` knows microseconds only, so the fraction is carried beside it.
"""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS = 1_000_000_000
_FIRST = -62_135_596_800  # 0001-01-01T00:00:00Z: RFC 3339 has four digits for the year
_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z
_TEXT = r"(?a)(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:\d\d)"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """Text up to the decimal point. Traffic of one moment shares its second, so 64 of them serve several sources."""
    year, month, day, hour, minute, second = time.gmtime(seconds)[:6]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}."


def rfc3339(timestamp_ns: int) -> str:
    """``2026-01-02T03:04:05.000000006Z``; a time outside the years 1 to 9999 becomes the nearest that can be written."""
    digits = str(timestamp_ns)
    if len(digits) == 19 and digits[0] != "-":  # 2001 to 2286, nearly always: slicing is cheaper than dividing
        return f"{_second(int(digits[:10]))}{digits[10:]}Z"
    seconds, fraction = divmod(timestamp_ns, _SECOND_NS)
    if not _FIRST <= seconds <= _LAST:
        seconds, fraction = (_FIRST, 0) if seconds < _FIRST else (_LAST, _SECOND_NS - 1)
    return f"{_second(seconds)}{fraction:09d}Z"


@lru_cache(maxsize=64)
def _seconds(date: str, clock: str, offset: str) -> int:
    zone = "+00:00" if offset in "Zz" else offset
    since = datetime.fromisoformat(f"{date}T{clock}{zone}") - _EPOCH
    return since.days * 86_400 + since.seconds


@lru_cache(maxsize=64)
def _whole_second(text: str) -> int:
    """Nanoseconds of ``2026-01-02T03:04:05.``, checked."""
    return from_rfc3339(f"{text[:-1]}Z")


def from_rfc3339(text: str) -> int:
    """Nanoseconds since 1970. Accepts any offset from UTC and 0 to 9 digits of fraction; further digits are cut."""
    if text[29:] == "Z" and text[19] == "." and (fraction := text[20:29]).isdecimal() and fraction.isascii():  # as we write it
        return _whole_second(text[:20]) + int(fraction)
    match = re.fullmatch(_TEXT, text)
    if match is None:
        raise ValueError(f"{text!r:.60} is not an RFC 3339 timestamp")
    date, clock, digits, offset = match.groups()
    return _seconds(date, clock, offset) * _SECOND_NS + int((digits or "").ljust(9, "0"))
