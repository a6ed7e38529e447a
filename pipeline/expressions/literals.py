"""Sizes, durations and times as people write them: ``10KiB``, ``250ms``, ``2026-01-31T12:00:00Z``. Text in, numbers out."""

import re

from pipeline.codecs.timestamp import from_rfc3339

SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
"""Bytes per unit, names in upper case: people write kB and KB. K is 1000 and Ki 1024 (IEC 80000-13)."""

DURATIONS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}
"""Nanoseconds per unit. Case matters: ``m`` is minutes, and nothing else is."""

NS_PER_UNIT = {"ns": 1, "ms": 10**6, "secs": 10**9}
"""Nanoseconds per unit of a field."""

_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-zµ]{1,3})")


def parse_size(text: str) -> int | None:
    """Bytes, or None where the text is not a size."""
    match = _QUANTITY.fullmatch(text)
    factor = SIZES.get(match[2].upper()) if match else None
    return round(float(match[1]) * factor) if match and factor else None


def parse_duration(text: str) -> int | None:
    """Nanoseconds, or None where the text is not a duration."""
    match = _QUANTITY.fullmatch(text)
    factor = DURATIONS_NS.get(match[2]) if match else None
    return round(float(match[1]) * factor) if match and factor else None


def parse_quantity(text: str, unit: str) -> int | float | None:
    """The text as a number of ``unit`` (``bytes``, ``ms``, ``secs``, ``ns``), or None where it is none."""
    if unit == "bytes":
        return parse_size(text)
    nanoseconds = parse_duration(text)
    if nanoseconds is None or unit not in NS_PER_UNIT:
        return None
    return nanoseconds / NS_PER_UNIT[unit]


def parse_time(text: str) -> int | None:
    """RFC 3339 text as nanoseconds since 1970-01-01 UTC, or None where it is none. A date alone is its midnight in UTC."""
    try:
        return from_rfc3339(f"{text}T00:00:00Z" if len(text) == len("2026-01-31") else text)
    except ValueError:
        return None
