"""Exchanges as HAR 1.2 (the HTTP Archive of browsers): a JSON document that Chrome's and Firefox's network tabs open. Pure.

HAR was made by browsers, which see more of themselves and less of the wire. What is not known is said as HAR has it:
``-1`` for a size, ``0`` for the status of an answer that never came. Times are milliseconds; ``wait`` is from the request's first
byte to the answer's, ``receive`` from there to its last; the request's own sending is in ``wait``, and a connection's making is
nobody's. What HAR has no place for stands under ``_httpipe`` (custom fields begin with an underscore), marks in words under
``comment``.

Fields come from the heads as they were captured, where the event has them, else from the headers that the source was asked to
report. Those of HTTP/2 have pseudo fields among them (``:path``), as browsers write them.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from pipeline.codecs.heads import fields_of, lines_of
from pipeline.codecs.json import dump
from pipeline.codecs.timestamp import rfc3339
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange

Json = dict[str, Any]

END = b"\n]}}\n"
"""What ends a document that ``beginning`` began."""

OURS = b'{"log":{"version":"1.2","creator":{"name":"httpipe"'
"""How every document of httpipe begins."""

ENTRIES = b'"entries":['
"""What stands in front of the first entry."""

VERSIONS = {"2": "HTTP/2.0", "3": "HTTP/3.0"}
PORTS = {"http": 80, "https": 443}
UNKNOWN_SIZE = -1


def beginning(version: str) -> bytes:
    """A document up to its entries, made by this version of httpipe."""
    creator = {"name": "httpipe", "version": version}
    return b'{"log":{"version":"1.2","creator":' + dump(creator) + b',"pages":[],' + ENTRIES


def entries(events: Sequence[Event], *, first: bool, show_secrets: bool = False) -> bytes:
    """Entries as they stand in a document, one a line; ``first``: nothing stands before them. Only exchanges have any."""
    texts = [dump(entry(event, show_secrets=show_secrets)) for event in events if isinstance(event, Exchange)]
    return b"".join((b"\n" if first and not place else b",\n") + text for place, text in enumerate(texts))


def document(events: Sequence[Event], version: str, *, show_secrets: bool = False) -> bytes:
    """A whole document."""
    return beginning(version) + entries(events, first=True, show_secrets=show_secrets) + END


def entry(exchange: Exchange, *, show_secrets: bool = False) -> Json:
    """One exchange."""
    whole, wait = exchange.httpipe_duration_ms or 0.0, exchange.httpipe_ttfb_ms
    wait = whole if wait is None else wait
    return _known(
        {
            "startedDateTime": rfc3339(exchange.timestamp_ns)[:23] + "Z",
            "time": whole,
            "request": _request(exchange, show_secrets=show_secrets),
            "response": _response(exchange, show_secrets=show_secrets),
            "cache": {},
            "timings": {
                "blocked": -1,
                "dns": -1,
                "connect": -1,
                "ssl": -1,
                "send": 0,
                "wait": wait,
                "receive": max(0.0, whole - wait),
            },
            "serverIPAddress": exchange.network_local_address,
            "connection": exchange.httpipe_connection,
            "comment": ", ".join(exchange.httpipe_marks) or None,
            "_error": exchange.error_type,
            "_httpipe": _more(exchange),
        }
    )


def url(exchange: Exchange) -> str:
    """The absolute URL: scheme, host, port where it is not the scheme's, target. Empty where no request was seen."""
    target = exchange.httpipe_request_target or exchange.url_path
    if target is None:
        return ""
    scheme = exchange.url_scheme or "http"
    if "://" in target:
        return target
    host = exchange.server_address or exchange.network_local_address or ""
    port = exchange.server_port
    host = f"[{host}]" if ":" in host else host
    authority = host if port in (None, PORTS.get(scheme)) else f"{host}:{port}"
    if exchange.http_request_method == "CONNECT":
        return f"{scheme}://{target}"
    path = target if target.startswith("/") else f"/{target}"
    return f"{scheme}://{authority}{path}"


def _request(exchange: Exchange, *, show_secrets: bool) -> Json:
    fields = _fields(exchange.request_head, exchange.http_request_headers, show_secrets=show_secrets)
    body, kind = exchange.http_request_body_content, _first(fields, "content-type")
    posted = (
        None
        if body is None
        else _known({"mimeType": kind or "", "text": body, "comment": exchange.httpipe_request_body_encoding})
    )
    return _known(
        {
            "method": exchange.http_request_method_original or exchange.http_request_method or "",
            "url": url(exchange),
            "httpVersion": _version(exchange),
            "cookies": _cookies(fields, "cookie"),
            "headers": _named(fields),
            "queryString": _query(exchange.url_query or ""),
            "postData": posted,
            "headersSize": _size(exchange.request_head),
            "bodySize": UNKNOWN_SIZE if exchange.http_request_body_size is None else exchange.http_request_body_size,
        }
    )


def _response(exchange: Exchange, *, show_secrets: bool) -> Json:
    fields = _fields(exchange.response_head, exchange.http_response_headers, show_secrets=show_secrets)
    size, decoded = exchange.http_response_body_size, exchange.httpipe_response_body_decoded_size
    content = {
        "size": next((each for each in (decoded, size) if each is not None), UNKNOWN_SIZE),
        "compression": None if decoded is None or size is None or decoded <= size else decoded - size,
        "mimeType": _first(fields, "content-type") or "",
        "text": exchange.http_response_body_content,
        "encoding": exchange.httpipe_response_body_encoding,
    }
    return {
        "status": exchange.http_response_status_code or 0,
        "statusText": _reason(exchange),
        "httpVersion": _version(exchange),
        "cookies": _cookies(fields, "set-cookie"),
        "headers": _named(fields),
        "content": _known(content),
        "redirectURL": _first(fields, "location") or "",
        "headersSize": _size(exchange.response_head),
        "bodySize": UNKNOWN_SIZE if size is None else size,
    }


def _more(exchange: Exchange) -> Json | None:
    more = {
        "marks": list(exchange.httpipe_marks) or None,
        "client": _end(exchange.client_address, exchange.client_port),
        "server": _end(exchange.network_local_address, exchange.network_local_port),
        "process": exchange.process_executable_name,
        "pid": exchange.process_pid,
        "container": exchange.container_id,
        "clientProcess": exchange.httpipe_client_process_executable_name,
        "stream": exchange.httpipe_stream_id,
        "grpcStatus": exchange.rpc_grpc_status_code,
    }
    return _known(more) or None


def _end(address: str | None, port: int | None) -> str | None:
    if address is None or port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _fields(head: bytes | None, reported: Mapping[str, tuple[str, ...]], *, show_secrets: bool) -> list[tuple[str, str]]:
    if head is None:
        return [(name, value) for name, values in reported.items() for value in values]
    return fields_of(lines_of(head, show_secrets=show_secrets))


def _named(fields: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in fields]


def _first(fields: Sequence[tuple[str, str]], wanted: str) -> str | None:
    return next((value for name, value in fields if name.strip().lower() == wanted), None)


def _query(query: str) -> list[Json]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [{"name": unquote_plus(name), "value": unquote_plus(value)} for name, _, value in pairs]


def _cookies(fields: Sequence[tuple[str, str]], field: str) -> list[Json]:
    """Cookie has pairs (RFC 6265, section 4.2), Set-Cookie one pair and attributes (section 4.1)."""
    cookies: list[Json] = []
    for value in (value for name, value in fields if name.strip().lower() == field):
        pairs = [
            (name.strip(), "" if not equals else it.strip())
            for name, equals, it in (part.partition("=") for part in value.split(";"))
        ]
        if field == "cookie":
            cookies += [{"name": name, "value": it} for name, it in pairs if it]
        elif pairs[0][1]:
            attributes = {name.lower(): it for name, it in pairs[1:]}
            cookies.append(
                _known({"name": pairs[0][0], "value": pairs[0][1], **{each: attributes.get(each) for each in ("path", "domain")}})
            )
    return cookies


def _reason(exchange: Exchange) -> str:
    """As the server said it; HTTP/2 has none."""
    first = (exchange.response_head or b"").split(b"\n", 1)[0].rstrip(b"\r")
    return first.decode("latin-1").partition(" ")[2].partition(" ")[2]


def _version(exchange: Exchange) -> str:
    known = exchange.network_protocol_version
    return "" if known is None else VERSIONS.get(known, f"HTTP/{known}")


def _size(head: bytes | None) -> int:
    """Those of HTTP/2 were compressed, by a table that had grown with the connection."""
    return UNKNOWN_SIZE if head is None or head.startswith(b":") else len(head)


def _known(values: Json) -> Json:
    """Without what is None."""
    return {name: value for name, value in values.items() if value is not None}
