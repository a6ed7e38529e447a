"""Request and response → exchange: the one place where OpenTelemetry's names meet what was decoded."""

from pipeline.decode.body import Content
from pipeline.decode.marks import NAMES, TRUNCATED
from pipeline.decode.message import NO_FIELDS, Message, Request, Response, Shared
from pipeline.model.connection import Connection
from pipeline.model.exchange import NO_ATTRIBUTES, Exchange

_EXCHANGE_BYTES = 900
"""What an exchange weighs in memory beside its own texts: the struct, its integers, floats and times."""


def build(
    request: Request | None, response: Response | None, connection: Connection, sequence: int, marks: int, shared: Shared
) -> Exchange:
    """The exchange; either half may be missing. By position, because forty keywords cost seven times as much."""
    method = original = scheme = path = query = target = version = address = error = status = ttfb = duration = None
    port = request_size = request_body = response_size = response_body = start_ns = None
    asked = answered = NO_FIELDS
    request_head = response_head = None
    weight = _EXCHANGE_BYTES
    protocol = "http"
    contents = False
    if request is not None:
        line, asked = request.line, request.fields
        method, original, target = line.method, line.method_original, line.target
        scheme, path, query, version = line.scheme, line.path, line.query, line.version
        address = line.address
        port = line.port
        if address is None:
            address, port = asked.address, asked.port
        start_ns = request.start_ns
        request_size, request_body, request_head = request.size, request.body_size, request.head
        weight += line.weight + asked.weight
        marks |= request.marks
        error = request.error
        contents = request.body is not None
    if response is not None:
        answered, status = response.fields, response.line.status
        response_size, response_body, response_head = response.size, response.body_size, response.head
        version = version or response.line.version
        weight += answered.weight
        marks |= response.marks
        error = response.error or error
        if status is not None and status >= 500:
            error = str(status)
        elif status == 101:
            protocol = answered.upgrade or asked.upgrade or protocol
        if start_ns is None:
            start_ns = response.start_ns
        else:
            ttfb = (response.start_ns - start_ns) / 1e6
            duration = (response.end_ns - start_ns) / 1e6
        contents = contents or response.body is not None
    if request_head or response_head:
        weight += len(request_head or b"") + len(response_head or b"")
    exchange = Exchange(
        start_ns or 0, NO_ATTRIBUTES, weight, method, original, scheme or "http", path, query,
        address or connection.server_address, port or connection.server_port, connection.client_address, connection.client_port,
        connection.server_address, connection.server_port, connection.network_type, protocol, version, status,
        request_body, response_body, request_size, response_size, asked.user_agent, asked.reported, answered.reported,
        error, duration, ttfb, target, shared.source, shared.capture, connection.id, sequence, NAMES[marks],
        request_head, response_head,
    )  # fmt: skip
    return with_contents(exchange, request, response, marks, shared) if contents else exchange


def with_contents(exchange: Exchange, request: Request | None, response: Response | None, marks: int, shared: Shared) -> Exchange:
    """The exchange with the bodies that were asked for."""
    asked, answered = content(request, shared), content(response, shared)
    if (asked is not None and asked.cut) or (answered is not None and answered.cut):
        marks |= TRUNCATED
    return exchange.replace(
        weight=exchange.weight + sum(len(side.text) + 80 for side in (asked, answered) if side is not None),
        httpipe_marks=NAMES[marks],
        http_request_body_content=asked and asked.text,
        http_response_body_content=answered and answered.text,
        httpipe_request_body_encoding=asked and asked.encoding,
        httpipe_response_body_encoding=answered and answered.encoding,
        httpipe_request_body_decoded_size=asked and asked.size,
        httpipe_response_body_decoded_size=answered and answered.size,
    )


def content(message: Message | None, shared: Shared) -> Content | None:
    """What to report of a message's body; None where it has none, or where nobody asked for it."""
    body = message.body if message is not None else None
    if message is None or body is None:
        return None
    shared.memory -= body.kept
    message.body = None
    fields = message.fields
    return body.content(fields.content_encoding, fields.content_type)
