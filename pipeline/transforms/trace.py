"""``trace``: the ids of a distributed trace from the request's headers: W3C traceparent, B3, X-Request-ID."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Exchange, FieldType, Outputs, Transform
from pipeline.model.trace_context import HEADERS, READERS

Format = Literal["traceparent", "b3", "x-request-id"]


class TraceConfig(Config):
    """Find trace and span ids in request headers."""

    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = ("traceparent", "b3", "x-request-id")
    """Which headers to look at, in order: the first that holds a valid id decides."""


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
