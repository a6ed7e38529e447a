"""Request and response → exchange: the one place where OpenTelemetry's names meet what was decoded."""

from typing import Any

from pipeline.decode.about import tell
from pipeline.decode.begun import request_id
from pipeline.decode.content import Content
from pipeline.decode.grpc_web import call
from pipeline.decode.marks import NAMES, TRUNCATED
from pipeline.decode.message import NO_REQUEST, NO_RESPONSE, Message, Request, Response
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.exchange import Exchange

_EXCHANGE_BYTES = 900
"""What an exchange costs in memory beside its own texts: the struct, its integers, floats and times."""


def build(request: Request | None, response: Response | None, connection: Connection, marks: int, shared: Shared) -> Exchange:
    """The exchange; either half may be missing. By position, because forty keywords cost seven times as much."""
    ttfb = duration = None
    if response is None:
        response = NO_RESPONSE
    if request is None:
        request, start_ns = NO_REQUEST, response.start_ns
    else:
        start_ns = request.start_ns
        if response is not NO_RESPONSE:
            ttfb, duration = (response.start_ns - start_ns) / 1e6, (response.end_ns - start_ns) / 1e6
            if ttfb < 0:  # the response was captured before its request: the clocks or queues of two interfaces
                ttfb, duration = 0.0, max(duration, 0.0)
    line, asked, reply, answered = request.line, request.fields, response.line, response.fields
    status, protocol = reply.status, "http"
    error = request.error if response is NO_RESPONSE else response.error
    if status is not None:
        if status >= 500:
            error = str(status)
        elif status == 101:
            protocol = answered.upgrade or asked.upgrade or protocol
    names = connection.names or connection.name()
    address, port = line.address, line.port
    if address is None:
        address, port = asked.address, asked.port
    scheme = "https" if connection.security and line.address is None else line.scheme
    told = connection.told or tell(connection) if connection.known else ()
    marks |= request.marks | response.marks
    exchange = Exchange(
        start_ns, NO_ATTRIBUTES, _EXCHANGE_BYTES + line.size + asked.size + answered.size,
        line.method, line.method_original, scheme, line.path, line.query,
        address or names.server_address, port or names.server_port, names.client_address, names.client_port,
        names.server_address, names.server_port, names.network_type, protocol, line.version or reply.version,
        status, request.body_size, response.body_size, request.size, response.size, asked.user_agent, asked.reported,
        answered.reported, error, duration, ttfb, line.target, shared.source, shared.capture, names.id, connection.exchanges,
        NAMES[marks], request.head, response.head, *told,
    )  # fmt: skip
    if shared.keep_heads or shared.in_progress or request.content is not None or response.content is not None:
        name = request_id(request, connection) if shared.in_progress and request is not NO_REQUEST else None
        more = {"httpipe_request_id": name, **call(line.path, request.content, response.content)}
        return with_more(exchange, content(request, shared), content(response, shared), marks, more)
    return exchange


def with_more(exchange: Exchange, asked: Content | None, answered: Content | None, marks: int, more: dict[str, Any]) -> Exchange:
    """The exchange with the bodies that were asked for, what they and the heads cost, and ``more``."""
    if (asked is not None and asked.cut) or (answered is not None and answered.cut):
        marks |= TRUNCATED
    return exchange.replace(
        memory_bytes=exchange.memory_bytes
        + len(exchange.request_head or b"")
        + len(exchange.response_head or b"")
        + sum(len(side.text) + 80 for side in (asked, answered) if side is not None),
        httpipe_marks=NAMES[marks],
        http_request_body_content=asked and asked.text,
        http_response_body_content=answered and answered.text,
        httpipe_request_body_encoding=asked and asked.encoding,
        httpipe_response_body_encoding=answered and answered.encoding,
        httpipe_request_body_decoded_size=asked and asked.size,
        httpipe_response_body_decoded_size=answered and answered.size,
        **more,
    )


def content(message: Message, shared: Shared) -> Content | None:
    """What to report of a message's body; None where it has none, or where nobody asked for it."""
    kept = message.content
    if kept is None:
        return None
    shared.memory -= kept.kept
    message.content = None
    fields = message.fields
    return kept.content(fields.content_encoding, fields.content_type)
