"""Events: what transforms and sinks see. The first and commonest is the exchange, one HTTP request with its response.

Events are frozen and shared between sinks: nobody changes one, a transform makes a new one (``event.replace(...)``).
The outside names of the fields, their types and their meaning are declared once, in ``pipeline.model.fields``.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Self

import msgspec

AttributeValue = str | int | float | bool | tuple[str, ...]
"""What an attribute may hold: OpenTelemetry's attribute types."""

NO_ATTRIBUTES: Mapping[str, AttributeValue] = MappingProxyType({})
NO_HEADERS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Mark(StrEnum):
    """What is not whole about an exchange."""

    TRUNCATED = "truncated"  # a head or an asked-for body is longer than what was kept
    GAP = "gap"  # bytes of this exchange were lost by the capture
    MID_STREAM = "mid_stream"  # the connection was joined after its beginning
    UNMATCHED_REQUEST = "unmatched_request"  # no response was seen
    UNMATCHED_RESPONSE = "unmatched_response"  # no request was seen
    SIZE_ESTIMATED = "size_estimated"  # body size is not exact: chunk framing was not copied
    AMBIGUOUS_FRAMING = "ambiguous_framing"  # two readers may disagree where the message ends (RFC 9112, section 11.2)
    PROTOCOL_ERROR = "protocol_error"  # what was sent breaks RFC 9112; decoded the way most servers do


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of all events.

    ``timestamp_ns`` nanoseconds since 1970-01-01 UTC. ``attributes`` is open and flat: what transforms and plugins add; its
    names must not be those of declared fields. ``weight`` is the approximate memory cost in bytes, for bounded queues.
    """

    event_name: ClassVar[str] = "event"

    timestamp_ns: int
    attributes: Mapping[str, AttributeValue] = NO_ATTRIBUTES
    weight: int = 1024

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401  as msgspec.structs.replace
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)

    def with_attributes(self, **changes: AttributeValue) -> Self:
        """A copy with attributes added or changed."""
        return msgspec.structs.replace(self, attributes={**self.attributes, **changes})


class Exchange(Event, frozen=True, gc=False):
    """One HTTP request with its response; either may be missing (see ``httpipe_marks``).

    Field names are the OpenTelemetry names with ``_`` for ``.``; units and meaning stand in ``pipeline.model.fields``.
    ``None`` means not seen or not known, never zero. ``request_head`` and ``response_head`` are the raw bytes of the heads,
    kept only where a sink asks for them (``Sink.needs_heads``); they are not fields and no codec writes them.

    Decode builds exchanges by position (0.8 µs against 5.6 µs by keyword for so many fields), so what is seldom set stands
    last. Everybody else names the fields.
    """

    event_name: ClassVar[str] = "http.exchange"

    http_request_method: str | None = None
    http_request_method_original: str | None = None
    url_scheme: str | None = None
    url_path: str | None = None
    url_query: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    client_address: str | None = None
    client_port: int | None = None
    network_local_address: str | None = None
    network_local_port: int | None = None
    network_type: str | None = None
    network_protocol_name: str | None = None
    network_protocol_version: str | None = None
    http_response_status_code: int | None = None
    http_request_body_size: int | None = None
    http_response_body_size: int | None = None
    http_request_size: int | None = None
    http_response_size: int | None = None
    user_agent_original: str | None = None
    http_request_headers: Mapping[str, tuple[str, ...]] = NO_HEADERS
    http_response_headers: Mapping[str, tuple[str, ...]] = NO_HEADERS
    error_type: str | None = None
    httpipe_duration_ms: float | None = None
    httpipe_ttfb_ms: float | None = None
    httpipe_request_target: str | None = None
    httpipe_source: str | None = None
    httpipe_capture: str | None = None
    httpipe_connection: str | None = None
    httpipe_sequence: int | None = None
    httpipe_marks: tuple[str, ...] = ()
    request_head: bytes | None = None
    response_head: bytes | None = None
    http_request_body_content: str | None = None
    http_response_body_content: str | None = None
    httpipe_request_body_encoding: str | None = None
    httpipe_response_body_encoding: str | None = None
    httpipe_request_body_decoded_size: int | None = None
    httpipe_response_body_decoded_size: int | None = None
    process_pid: int | None = None
    process_executable_name: str | None = None
    container_id: str | None = None
