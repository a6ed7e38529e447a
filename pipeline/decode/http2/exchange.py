"""A stream that is over → exchange: what its messages say, and what it says beside those of HTTP/1."""

import msgspec

from pipeline.decode.grpc import fields_of_call
from pipeline.decode.grpc_web import WEB, CallBody
from pipeline.decode.http2.stream import Stream
from pipeline.decode.marks import SIZE_ESTIMATED, UNMATCHED_REQUEST, UNMATCHED_RESPONSE
from pipeline.decode.pairing.build import build
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection
from pipeline.model.events.exchange import Exchange


def exchange_of(stream: Stream, connection: Connection, marks: int, shared: Shared) -> Exchange:
    """The exchange; either half may be missing, not both. ``marks`` are those that neither message has."""
    request, response = stream.request, stream.response
    for message in (request, response):
        if message is not None and message.body_size == 0:  # as of a message of HTTP/1 without a body
            if isinstance(message.content, CallBody):
                message.content.inner = None
            else:
                message.content = None
    if request is None:
        marks |= UNMATCHED_RESPONSE | (response.why if response is not None else 0)
    elif response is None:
        marks |= UNMATCHED_REQUEST
        if not request.complete and not stream.error_code:
            marks |= SIZE_ESTIMATED
    exchange = build(request, response, connection, marks, shared)
    told = _told(stream)
    if request is None and not connection.security:
        told["url_scheme"] = None  # a proxy in front may have taken TLS off
    for name, value in told.items():
        msgspec.structs.force_setattr(exchange, name, value)  # nobody has it yet, and a copy costs twenty times as much
    return exchange


def _told(stream: Stream) -> dict[str, object]:
    """What the exchange says beside what those of HTTP/1 do, by the names of its attributes."""
    told: dict[str, object] = {"httpipe_stream_id": stream.id}
    if stream.call == WEB:
        told["rpc_system"] = WEB
        if stream.grpc_status is not None:
            told["rpc_grpc_status_code"] = stream.grpc_status
    elif stream.call is not None:
        path = stream.request.line.path if stream.request is not None else None
        told |= fields_of_call(stream.call, path, stream.grpc_status, stream.asked, stream.answered)
    if stream.error_code is not None:
        told["httpipe_http2_error"] = stream.error_code
    response = stream.response
    if stream.protocol is not None and response is not None and (response.line.status or 0) < 300:
        told["network_protocol_name"] = stream.protocol
    if stream.partial_host:
        told["server_address"] = told["server_port"] = None
    return told
