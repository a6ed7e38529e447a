"""A request whose head is complete → an event, where those in progress are asked for; and the id that its exchange has, too."""

from pipeline.decode.about import about, called
from pipeline.decode.message import Request
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.events.http_request import HttpRequest

_EVENT_BYTES = 900
"""What an event costs in memory beside its own texts."""


def begun(request: Request, connection: Connection, shared: Shared) -> HttpRequest:
    """The event."""
    line, fields = request.line, request.fields
    return HttpRequest(
        request.start_ns, NO_ATTRIBUTES, _EVENT_BYTES + line.size + fields.size,
        *about(connection, shared, connection.marks | request.marks, *called(line, fields)),
        line.method, line.method_original, connection.scheme if line.address is None else line.scheme, line.path, line.query,
        line.version, fields.user_agent, fields.reported, line.target, request_id(request, connection), request.stream_id,
    )  # fmt: skip


def request_id(request: Request, connection: Connection) -> str:
    """The connection, and the request's stream (RFC 9113, section 5.1.1: never used again) or where it begins in the bytes."""
    names = connection.names or connection.name()
    return f"{names.id}/{request.seq if request.stream_id is None else request.stream_id}"
