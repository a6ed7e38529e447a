"""``trace``: the ids of a distributed trace from the request's headers: W3C traceparent, B3, X-Request-ID.

References: W3C Trace Context, sections 3.2 and 4.3; openzipkin/b3-propagation, single and multiple headers.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Exchange, FieldType, Outputs, Transform

Format = Literal["traceparent", "b3", "x-request-id"]
Headers = Mapping[str, tuple[str, ...]]


class TraceConfig(Config):
    """Find trace and span ids in request headers."""

    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = ("traceparent", "b3", "x-request-id")
    """Which headers to look at, in order: the first that holds a valid id decides."""


class Ids(NamedTuple):
    """What one header says."""

    trace_id: str
    span_id: str | None = None
    sampled: bool | None = None


class Trace(Transform):
    """Adds the ids of a distributed trace from request headers.

    Adds `trace_id`, `span_id` (of the caller) and `trace_sampled`, where the headers say them.

    The source must report the headers: `request_headers = ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled",
    "x-request-id"]`. Counter: `malformed`, headers that hold no valid id.
    """

    api_version = 1
    takes = (Exchange.event_name,)
    Config = TraceConfig

    def __init__(self, config: TraceConfig, context: Context) -> None:
        self.count = context.count
        self.readers = [READERS[name] for name in config.formats]
        headers = [header for name in config.formats for header in HEADERS[name]]
        self.reads = [[f"http.request.header.{header}" for header in headers]]
        self.adds = {"trace_id": FieldType.STRING, "span_id": FieldType.STRING, "trace_sampled": FieldType.BOOL}

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that carries ids."""
        return {DEFAULT: [self._traced(event) for event in batch]}

    def _traced(self, event: Event) -> Event:
        if not isinstance(event, Exchange) or not event.http_request_headers:
            return event
        for reader, names in self.readers:
            found = reader(event.http_request_headers)
            if found is not None:
                attributes = {**event.attributes, "trace_id": found.trace_id}
                if found.span_id is not None:
                    attributes["span_id"] = found.span_id
                if found.sampled is not None:
                    attributes["trace_sampled"] = found.sampled
                return event.with_all_attributes(attributes)
            if any(name in event.http_request_headers for name in names):
                self.count("malformed", 1)
        return event


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
