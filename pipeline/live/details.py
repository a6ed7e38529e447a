"""All that is known of an event, in words, for views: everything here can be written as JSON and shown.

Heads are shown as ``format = "raw"`` shows them: without the values of credentials.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.api import Event, Exchange
from pipeline.codecs.flat import flat
from pipeline.codecs.heads import fields_of, lines_of, start_of
from pipeline.codecs.text import visible
from pipeline.live.kinds import cells_of
from pipeline.live.names import host, target, who
from pipeline.model.events.connection_event import ConnectionEvent
from pipeline.model.events.http_request import HttpRequest
from pipeline.model.events.kinds import name_of

MARKS: Mapping[str, str] = {
    "truncated": "A head, or a body that was asked for, is longer than what was kept.",
    "gap": "Bytes of this exchange were lost by the capture.",
    "mid_stream": "The connection was joined after its beginning.",
    "unmatched_request": "No response was seen.",
    "unmatched_response": "No request was seen.",
    "size_estimated": "The body size is not exact: its chunk framing was not copied.",
    "ambiguous_framing": "Two readers may disagree where the message ends (RFC 9112, section 11.2).",
    "protocol_error": "What was sent breaks RFC 9112 or RFC 9113; it was decoded the way most servers do.",
    "hpack_partial": "Fields of HTTP/2 stood in a table whose beginning was not seen: what they say is absent.",
}


def details(number: int, event: Event) -> dict[str, Any]:
    """All that is known of an event, under the names that filters have for it."""
    fields = flat(event)
    marks = [(name, MARKS.get(name, "")) for name in getattr(event, "httpipe_marks", ())]
    if not isinstance(event, Exchange):
        return {"id": number, **_titles(event), "event": fields, "marks": marks, "ends": _ends(event)}
    method = event.http_request_method_original or event.http_request_method or "-"
    return {
        "id": number,
        "title": f"{visible(method)} {event.http_response_status_code or event.error_type or '-'}",
        "url": f"{event.url_scheme or 'http'}://{host(event)}{target(event)}",
        "event": fields,
        "marks": marks,
        "ends": _ends(event),
        "request_head": _head(event.request_head, event.http_request_headers),
        "response_head": _head(event.response_head, event.http_response_headers),
        "request_body": _body(event, "request"),
        "response_body": _body(event, "response"),
    }


def _titles(event: Event) -> dict[str, str]:
    """What an event is that is no exchange, and where it belongs."""
    name = visible(name_of(event))
    if isinstance(event, HttpRequest):
        method = event.http_request_method_original or event.http_request_method or "-"
        return {"title": f"{visible(method)} in progress", "url": f"{event.url_scheme or 'http'}://{host(event)}{target(event)}"}
    cells = cells_of(event)
    return {"title": name, "url": "" if cells is None else " ".join(filter(None, (visible(cells.host), cells.detail)))}


def _ends(event: Event) -> list[tuple[str, str]]:
    if not isinstance(event, Exchange | ConnectionEvent):
        return []
    version = getattr(event, "network_protocol_version", None)
    pairs: list[tuple[str, object]] = [
        ("Client", who(None, event.client_address, event.client_port)),
        ("Client program", event.httpipe_client_process_executable_path or event.httpipe_client_process_executable_name),
        ("Client PID", event.httpipe_client_process_pid),
        ("Client command", event.httpipe_client_process_command_line),
        ("Client container", event.httpipe_client_container_id),
        ("Server", who(None, event.network_local_address, event.network_local_port)),
        ("Server program", event.process_executable_path or event.process_executable_name),
        ("Server PID", event.process_pid),
        ("Server command", event.process_command_line),
        ("Server container", event.container_id),
        ("Protocol", f"HTTP/{version}" if version else None),
        ("TLS", getattr(event, "tls_protocol_version", None)),
        ("Connection", event.httpipe_connection),
        ("Place in it", getattr(event, "httpipe_sequence", None)),
        ("Stream", getattr(event, "httpipe_stream_id", None)),
    ]
    return [(name, visible(str(value))) for name, value in pairs if value is not None]


def _head(head: bytes | None, reported: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The first line and the fields, as they crossed the wire; else those that were asked for."""
    if head is None:
        return {"start": "", "fields": [(name, visible(value)) for name, values in reported.items() for value in values]}
    lines = lines_of(head, show_secrets=False)
    fields = [(visible(name), visible(value)) for name, value in fields_of(lines)]
    return {"start": visible(start_of(lines)), "fields": fields}


def _body(event: Exchange, side: str) -> dict[str, Any]:
    content = getattr(event, f"http_{side}_body_content")
    encoding = getattr(event, f"httpipe_{side}_body_encoding")
    return {
        "size": getattr(event, f"http_{side}_body_size"),
        "text": None if content is None else content.encode("utf-8", "replace").decode(),
        "note": "base64, for it is not text" if encoding else "",
    }
