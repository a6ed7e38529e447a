"""The ids of a distributed trace in the headers of a request: W3C traceparent, B3, X-Request-ID. Pure; never raises.

References: W3C Trace Context, sections 3.2 and 4.3; openzipkin/b3-propagation, single and multiple headers.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

Headers = Mapping[str, tuple[str, ...]]


class Ids(NamedTuple):
    """What one header says. ``span_id`` is that of the caller's span, 16 digits; ``trace_id`` has 32, but of a request id."""

    trace_id: str
    span_id: str | None = None
    sampled: bool | None = None


LONGEST_HEADER = 256
"""A traceparent has 55 characters, of later versions perhaps more; what is longer is not an id."""

NO_TRACE, NO_SPAN = "0" * 32, "0" * 16
"""Both specifications: an id of zeros is invalid."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_HEX_TRACE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{16}")
_HEX_SPAN = re.compile(r"[0-9a-f]{16}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")
_SAMPLED = {"1": True, "d": True, "true": True, "0": False, "false": False}


def _one(headers: Headers, name: str) -> str:
    values = headers.get(name)
    return values[0].strip() if values and len(values[0]) <= LONGEST_HEADER else ""


def traceparent(headers: Headers) -> Ids | None:
    """W3C: version ff is invalid, so are ids of zeros; later versions may go on after a dash, version 00 may not."""
    match = _TRACEPARENT.fullmatch(_one(headers, "traceparent"))
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]) or match[2] == NO_TRACE or match[3] == NO_SPAN:
        return None
    return Ids(match[2], match[3], bool(int(match[4], 16) & 1))


def b3(headers: Headers) -> Ids | None:
    """B3: ``trace-span[-sampled[-parent]]`` in one header, else one header for each."""
    parts = _one(headers, "b3").lower().split("-")
    if len(parts) < 2:
        parts = [_one(headers, name).lower() for name in HEADERS["b3"][1:]]
    trace_id, span_id = parts[0], parts[1]
    if (
        not _HEX_TRACE.fullmatch(trace_id)
        or not _HEX_SPAN.fullmatch(span_id)
        or trace_id in (NO_TRACE, NO_SPAN)
        or span_id == NO_SPAN
    ):
        return None
    # A trace id of 64 bits is one of 128 bits with zeros before it: then both kinds of header give the same id.
    return Ids(trace_id.rjust(32, "0"), span_id, _SAMPLED.get(parts[2]) if len(parts) > 2 else None)


def request_id(headers: Headers) -> Ids | None:
    """X-Request-ID: whatever a proxy made up; a UUID is written as a trace id."""
    text = _one(headers, "x-request-id")
    if not _REQUEST_ID.fullmatch(text):
        return None
    digits = text.replace("-", "").lower()
    return Ids(digits if len(text) in (32, 36) and _HEX_TRACE.fullmatch(digits) else text)


READERS: Mapping[str, tuple[Callable[[Headers], Ids | None], tuple[str, ...]]] = {
    "traceparent": (traceparent, ("traceparent",)),
    "b3": (b3, ("b3", "x-b3-traceid")),
    "x-request-id": (request_id, ("x-request-id",)),
}

HEADERS: Mapping[str, tuple[str, ...]] = {
    "traceparent": ("traceparent",),
    "b3": ("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"),
    "x-request-id": ("x-request-id",),
}
"""All the headers that a format may use."""
