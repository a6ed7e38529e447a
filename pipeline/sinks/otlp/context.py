"""Which trace an exchange belongs to: what its request says, else ids of its own. Pure.

Ids that are made are a hash of what the event says: an event that is sent again, or read again from the same capture, has the
same ones, so that a backend can tell.
"""

import re
from hashlib import blake2b
from typing import NamedTuple

from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.trace_context import NO_SPAN, NO_TRACE, Ids, b3, traceparent

SAMPLED = 1
REMOTE = 0x300
"""Bits of SpanFlags: it is known where the parent is, and that is elsewhere."""
NOT_REMOTE = 0x100
LONGEST_STATE = 512
"""Characters of a tracestate that have to be passed on (W3C Trace Context, section 3.3.1.5)."""

_TRACE = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")
_STATE = re.compile(r"[\x20-\x7e]+")


class SpanContext(NamedTuple):
    """Ids of a span: 16 and 8 bytes, ``parent`` 8 or none; ``state`` as W3C's tracestate has it; ``flags`` as SpanFlags."""

    trace_id: bytes
    span_id: bytes
    parent: bytes = b""
    state: str = ""
    flags: int = SAMPLED | NOT_REMOTE


def caller_of(event: Event) -> Ids | None:
    """The ids that the request carries: as the transform ``trace`` has found them, else from its headers."""
    if event.attributes and (trace_id := event.attributes.get("trace_id")) is not None:
        span_id, sampled = event.attributes.get("span_id"), event.attributes.get("trace_sampled")
        if isinstance(trace_id, str) and _TRACE.fullmatch(trace_id) and trace_id != NO_TRACE:
            known = isinstance(span_id, str) and _SPAN.fullmatch(span_id) and span_id != NO_SPAN
            return Ids(trace_id, str(span_id) if known else None, None if sampled is None else bool(sampled))
    headers = getattr(event, "http_request_headers", None)
    return traceparent(headers) or b3(headers) if headers else None


def span_context(event: Exchange) -> SpanContext:
    """The ids of an exchange's span."""
    made = _digest(event)
    caller = caller_of(event) if event.http_request_headers or event.attributes else None
    if caller is None:
        return SpanContext(made[:16], made[16:])
    flags = (0 if caller.sampled is False else SAMPLED) | (REMOTE if caller.span_id else NOT_REMOTE)
    return SpanContext(bytes.fromhex(caller.trace_id), made[16:], bytes.fromhex(caller.span_id or ""), _state(event), flags)


def _digest(event: Exchange) -> bytes:
    said = (
        f"{event.timestamp_ns} {event.httpipe_connection} {event.httpipe_stream_id} {event.httpipe_sequence} {event.client_port}"
    )
    return blake2b(said.encode("utf-8", "replace"), digest_size=24).digest()


def _state(event: Exchange) -> str:
    values = event.http_request_headers.get("tracestate")
    text = ",".join(values) if values else ""
    return text if len(text) <= LONGEST_STATE and _STATE.fullmatch(text) else ""
