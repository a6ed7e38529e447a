"""``http.exchange``: one HTTP request with its response, the commonest kind of event."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pipeline.model.events.event import NO_HEADERS, Event
from pipeline.model.events.fields import Family, Field, FieldType
from pipeline.model.events.kind import Kind


class Mark(StrEnum):
    """What is not whole about an exchange."""

    TRUNCATED = "truncated"  # a head or an asked-for body is longer than what was kept
    GAP = "gap"  # bytes of this exchange were lost by the capture
    MID_STREAM = "mid_stream"  # the connection was joined after its beginning
    UNMATCHED_REQUEST = "unmatched_request"  # no response was seen
    UNMATCHED_RESPONSE = "unmatched_response"  # no request was seen
    SIZE_ESTIMATED = "size_estimated"  # body size is not exact: chunk framing was not copied
    AMBIGUOUS_FRAMING = "ambiguous_framing"  # two readers may disagree where the message ends (RFC 9112, section 11.2)
    PROTOCOL_ERROR = "protocol_error"  # what was sent breaks RFC 9112 or RFC 9113; decoded the way most servers do
    HPACK_PARTIAL = (
        "hpack_partial"  # some fields stand in a table of HTTP/2 whose beginning was not seen: what they say is absent
    )


class Exchange(Event, frozen=True, gc=False):
    """One HTTP request with its response; either may be missing (see ``httpipe_marks``).

    Field names are the OpenTelemetry names with ``_`` for ``.``; units and meaning stand in ``FIELDS`` below.
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
    process_pid: int | None = None
    process_executable_name: str | None = None
    process_executable_path: str | None = None
    process_command_line: str | None = None
    container_id: str | None = None
    httpipe_client_process_pid: int | None = None
    httpipe_client_process_executable_name: str | None = None
    httpipe_client_process_executable_path: str | None = None
    httpipe_client_process_command_line: str | None = None
    httpipe_client_container_id: str | None = None
    httpipe_process_end: str | None = None
    tls_protocol_version: str | None = None
    httpipe_tls_library: str | None = None
    http_request_body_content: str | None = None
    http_response_body_content: str | None = None
    httpipe_request_body_encoding: str | None = None
    httpipe_response_body_encoding: str | None = None
    httpipe_request_body_decoded_size: int | None = None
    httpipe_response_body_decoded_size: int | None = None
    httpipe_stream_id: int | None = None
    httpipe_http2_error: str | None = None
    rpc_system: str | None = None
    rpc_service: str | None = None
    rpc_method: str | None = None
    rpc_grpc_status_code: int | None = None
    httpipe_rpc_request_messages: int | None = None
    httpipe_rpc_response_messages: int | None = None
    httpipe_rpc_request_message_bytes: int | None = None
    httpipe_rpc_response_message_bytes: int | None = None
    httpipe_rpc_streaming: str | None = None
    httpipe_request_id: str | None = None


STRING, INT, FLOAT, TIMESTAMP, STRINGS = FieldType.STRING, FieldType.INT, FieldType.FLOAT, FieldType.TIMESTAMP, FieldType.STRINGS

# fmt: off
FIELDS: tuple[Field, ...] = (
    Field("timestamp", TIMESTAMP, "Capture time of the first byte of the request (of the response where no request was seen).", attribute="timestamp_ns"),
    Field("http.request.method", STRING, "Method; `_OTHER` where it is none that RFC 9110, PATCH, QUERY or WebDAV define.", alias="method", number=4, ecs=("http.request.method",)),
    Field("http.request.method_original", STRING, "Method as sent, where it differs from `http.request.method`.", number=5, ecs=("httpipe.request.method_original",)),
    Field("url.scheme", STRING, "`http`, or `https` where the connection was protected; the target's own scheme where it is in absolute form.", number=6, ecs=("url.scheme",)),
    Field("url.path", STRING, "Path of the request target, as sent.", alias="path", number=7, ecs=("url.path",)),
    Field("url.query", STRING, "Query of the request target without `?`; secret parameters read `REDACTED`.", alias="query", number=8, ecs=("url.query",)),
    Field("server.address", STRING, "Host from the target or the Host field, without port; else the server's socket address.", alias="host", number=9, ecs=("server.address", "destination.address", "url.domain")),
    Field("server.port", INT, "Port from the target or the Host field, else the server's socket port.", alias="port", number=10, ecs=("url.port",)),
    Field("client.address", STRING, "Address of the client's socket.", alias="client", number=11, ecs=("client.address", "source.address", "client.ip", "source.ip")),
    Field("client.port", INT, "Port of the client's socket.", number=12, ecs=("client.port", "source.port")),
    Field("network.peer.address", STRING, "Address of the client's socket, as `client.address`.", same_as="client.address", attribute="client_address"),
    Field("network.peer.port", INT, "Port of the client's socket, as `client.port`.", same_as="client.port", attribute="client_port"),
    Field("network.local.address", STRING, "Address of the server's socket.", alias="server", number=13, ecs=("server.ip", "destination.ip")),
    Field("network.local.port", INT, "Port of the server's socket.", number=14, ecs=("server.port", "destination.port")),
    Field("network.type", STRING, "`ipv4` or `ipv6`.", number=16, ecs=("network.type",)),
    Field("network.protocol.name", STRING, "`http`; what the connection became after an upgrade, such as `websocket`.", number=17, ecs=("network.protocol",)),
    Field("network.protocol.version", STRING, "`0.9`, `1.0`, `1.1`, `2`: of the request, else of the response.", number=18, ecs=("http.version",)),
    Field("http.response.status_code", INT, "Status code of the final response.", alias="status", number=15, ecs=("http.response.status_code",)),
    Field("http.request.body.size", INT, "Request body after dechunking, before decompression.", "bytes", number=19, ecs=("http.request.body.bytes",)),
    Field("http.response.body.size", INT, "Response body after dechunking, before decompression.", "bytes", number=20, ecs=("http.response.body.bytes",)),
    Field("http.request.size", INT, "Whole request as transferred: head, framing, body, trailers.", "bytes", number=21, ecs=("http.request.bytes",)),
    Field("http.response.size", INT, "Whole response as transferred, informational responses (1xx) not included.", "bytes", number=22, ecs=("http.response.bytes",)),
    Field("user_agent.original", STRING, "The User-Agent field.", number=23, ecs=("user_agent.original",)),
    Field("http.request.body.content", STRING, "Decoded request body, where asked for.", number=24, ecs=("http.request.body.content",)),
    Field("http.response.body.content", STRING, "Decoded response body, where asked for.", number=25, ecs=("http.response.body.content",)),
    Field("httpipe.request.body.encoding", STRING, "`base64` where the content is not text.", number=26),
    Field("httpipe.response.body.encoding", STRING, "`base64` where the content is not text.", number=27),
    Field("httpipe.request.body.decoded_size", INT, "Request body after decompression, where bodies are asked for.", "bytes", number=28),
    Field("httpipe.response.body.decoded_size", INT, "Response body after decompression, where bodies are asked for.", "bytes", number=29),
    Field("error.type", STRING, "Status code as text for 5xx answers (OpenTelemetry, HTTP server spans); `reset`, `closed` or `timeout` where no whole answer came.", number=30, ecs=("error.type",)),
    Field("process.pid", INT, "Process that serves, else the one that asks, where it is on this host; of probes the one that was observed. Numbered as the host does.", number=31, ecs=("process.pid",)),
    Field("process.executable.name", STRING, "Executable of that process, without its path.", number=32, ecs=("process.name",)),
    Field("process.executable.path", STRING, "Path of that executable, as the process sees it.", number=120, ecs=("process.executable",)),
    Field("process.command_line", STRING, "Arguments of that process, up to 256 bytes, where asked for; known secrets read `REDACTED`.", number=121, ecs=("process.command_line",)),
    Field("container.id", STRING, "Container of that process.", number=33, ecs=("container.id",)),
    Field("httpipe.process.end", STRING, "At which end of the connection that process sits: `server` or `client`.", number=127),
    Field("httpipe.client.process.pid", INT, "Process that asks, where the one that serves is on this host, too.", number=122),
    Field("httpipe.client.process.executable.name", STRING, "Executable of the process that asks, without its path.", number=123),
    Field("httpipe.client.process.executable.path", STRING, "Path of that executable.", number=124),
    Field("httpipe.client.process.command_line", STRING, "Arguments of the process that asks, where asked for.", number=125),
    Field("httpipe.client.container.id", STRING, "Container of the process that asks.", number=126),
    Field("httpipe.duration_ms", FLOAT, "First byte of the request to last byte of the response.", "ms", alias="duration_ms", number=34, ecs=("event.duration",)),
    Field("httpipe.ttfb_ms", FLOAT, "First byte of the request to first byte of the final response.", "ms", alias="ttfb_ms", number=35),
    Field("httpipe.request.target", STRING, "Request target as sent; secret parameters read `REDACTED`.", alias="target", number=36, ecs=("url.original",)),
    Field("httpipe.request.id", STRING, "Names the request, in its `http.request` event and in its exchange; only where `in_progress` asks for both.", number=152),
    Field("httpipe.source", STRING, "Id of the source in the pipeline file.", number=37),
    Field("httpipe.capture", STRING, "How the bytes were seen: `packet`, or `probe` on a TLS library; `firewall` of its decisions.", number=38),
    Field("httpipe.connection", STRING, "Names the connection within one capture.", number=39),
    Field("httpipe.sequence", INT, "Place of the exchange in its connection, from 0.", number=40, ecs=("event.sequence",)),
    Field("httpipe.marks", STRINGS, "What is not whole about the exchange.", alias="marks", number=41),
    Field("httpipe.stream_id", INT, "Stream of an HTTP/2 connection.", number=80),
    Field("httpipe.http2.error", STRING, "Error code that ended an HTTP/2 stream early, such as `CANCEL` or `REFUSED_STREAM` (RFC 9113, section 7).", number=131),
    Field("rpc.system", STRING, "`grpc`, or `grpc_web`, by the content type.", number=132, ecs=("httpipe.rpc.system",)),
    Field("rpc.service", STRING, "Service of a gRPC call, with its package: the path up to its last `/`.", number=133, ecs=("httpipe.rpc.service",)),
    Field("rpc.method", STRING, "Method of a gRPC call: the path behind its last `/`.", number=134, ecs=("httpipe.rpc.method",)),
    Field("rpc.grpc.status_code", INT, "Status of a gRPC call, 0 for OK: of the trailers, or of the head where there is nothing else.", number=135, ecs=("httpipe.rpc.grpc.status_code",)),
    Field("httpipe.rpc.request.messages", INT, "Messages that the client of a gRPC call sent.", number=136),
    Field("httpipe.rpc.response.messages", INT, "Messages that the server of a gRPC call sent.", number=137),
    Field("httpipe.rpc.request.message_bytes", INT, "Size of those messages as sent, without the five bytes in front of each.", "bytes", number=138),
    Field("httpipe.rpc.response.message_bytes", INT, "Size of those messages as sent, without the five bytes in front of each.", "bytes", number=139),
    Field("httpipe.rpc.streaming", STRING, "`client`, `server` or `bidi`: who sent more than one message. Absent for one message each way: a stream of one looks the same.", number=140),
)

FAMILIES: tuple[Family, ...] = (
    Family("http.request.header.", "http_request_headers", STRINGS, "Values of a request header that was asked for, in order; the name in lower case.", number=42),
    Family("http.response.header.", "http_response_headers", STRINGS, "Values of a response header that was asked for, in order; the name in lower case.", number=43),
)
# fmt: on

EXCHANGE = Kind(Exchange, "One HTTP request with its response.", FIELDS, FAMILIES)

BY_NAME: Mapping[str, Field] = EXCHANGE.by_name
BY_ALIAS: Mapping[str, Field] = EXCHANGE.by_alias
