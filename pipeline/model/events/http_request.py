"""``http.request``: a request whose head has come and whose answer has not (yet). Its exchange follows when it is over."""

from collections.abc import Mapping
from typing import ClassVar

from pipeline.model.events.connection_event import ConnectionEvent, as_in_exchanges, connection_fields
from pipeline.model.events.event import NO_HEADERS
from pipeline.model.events.exchange import FAMILIES
from pipeline.model.events.kind import TIMESTAMP, Kind


class HttpRequest(ConnectionEvent, frozen=True, gc=False):
    """A request that has begun. ``httpipe_request_id`` is that of its exchange, too."""

    event_name: ClassVar[str] = "http.request"

    http_request_method: str | None = None
    http_request_method_original: str | None = None
    url_scheme: str | None = None
    url_path: str | None = None
    url_query: str | None = None
    network_protocol_version: str | None = None
    user_agent_original: str | None = None
    http_request_headers: Mapping[str, tuple[str, ...]] = NO_HEADERS
    httpipe_request_target: str | None = None
    httpipe_request_id: str | None = None
    httpipe_stream_id: int | None = None


# fmt: off
HTTP_REQUEST = Kind(
    HttpRequest,
    "One HTTP request, reported when its head is complete: `in_progress = true` asks for it.",
    (
        as_in_exchanges(TIMESTAMP.name, "Capture time of the first byte of the request."),
        as_in_exchanges("httpipe.request.id"),
        as_in_exchanges("http.request.method"),
        as_in_exchanges("http.request.method_original"),
        as_in_exchanges("url.scheme"),
        as_in_exchanges("url.path"),
        as_in_exchanges("url.query"),
        as_in_exchanges("network.protocol.version", "`0.9`, `1.0`, `1.1` or `2`."),
        as_in_exchanges("user_agent.original"),
        as_in_exchanges("httpipe.request.target"),
        as_in_exchanges("httpipe.stream_id"),
        *connection_fields({"server.address": "Host from the target or the Host field, without port; else the server's socket address.", "server.port": "Port from the target or the Host field, else the server's socket port."}),
    ),
    FAMILIES[:1],
)
# fmt: on
