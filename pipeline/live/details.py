"""All that is known of an event, in words, for views: everything here can be written as JSON and shown.

Heads are shown as ``format = "raw"`` shows them: without the values of credentials.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.api import Event, Exchange
from pipeline.codecs.flat import flat
from pipeline.codecs.heads import fields_of, lines_of, start_of
from pipeline.codecs.text import visible
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


def who(name: str | None, address: str | None, port: int | None = None) -> str:
    """The program where it is known, with its socket's address."""
    where = f"[{address}]" if address and ":" in address and port else address or ""
    where = f"{where}:{port}" if where and port else where
    return f"{visible(name)} {where}".rstrip() if name else where or "?"


def host(event: Exchange) -> str:
    """Host with port, unless that is the usual one."""
    name = visible(event.server_address or "")
    name = f"[{name}]" if ":" in name else name
    usual = 443 if event.url_scheme == "https" else 80
    return name if event.server_port in (None, usual) else f"{name}:{event.server_port}"


def target(event: Exchange) -> str:
    """Path and query, or what else was asked for."""
    path = event.url_path if event.url_path is not None else event.httpipe_request_target or ""
    return visible(path if event.url_query is None else f"{path}?{event.url_query}") or "-"


def details(number: int, event: Event) -> dict[str, Any]:
    """All that is known of an event, under the names that filters have for it."""
    fields = flat(event)
    marks = [(name, MARKS.get(name, "")) for name in getattr(event, "httpipe_marks", ())]
    if not isinstance(event, Exchange):
        return {"id": number, "title": visible(name_of(event)), "url": "", "event": fields, "marks": marks, "ends": []}
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


def _ends(event: Exchange) -> list[tuple[str, str]]:
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
        ("Protocol", f"HTTP/{event.network_protocol_version}" if event.network_protocol_version else None),
        ("TLS", event.tls_protocol_version),
        ("Connection", event.httpipe_connection),
        ("Place in it", event.httpipe_sequence),
        ("Stream", event.httpipe_stream_id),
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
