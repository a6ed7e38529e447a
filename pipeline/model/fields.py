"""The one field table: every outside name of an exchange, with its type, unit, meaning and origin.

From it come the JSON encoder, the type check of expressions, the JSON Schema, the DDL and the documentation page.
Names are OpenTelemetry's (semantic conventions, HTTP and general attributes) where it has one, else ``httpipe.*``.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec


class FieldType(StrEnum):
    """The type of a field or attribute, in JSON's and OpenTelemetry's sense. A timestamp is RFC 3339 text in UTC, nanoseconds."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STRINGS = "string[]"
    TIMESTAMP = "timestamp"


class Field(msgspec.Struct, frozen=True):
    """One outside name. ``attribute`` is where an ``Exchange`` holds it; ``alias`` a short name for expressions."""

    name: str
    attribute: str
    type: FieldType
    description: str
    unit: str = ""
    alias: str = ""


class Family(msgspec.Struct, frozen=True):
    """Names with an open end, ``prefix + key``: the headers. ``attribute`` holds a mapping from key to values."""

    prefix: str
    attribute: str
    type: FieldType
    description: str


STRING, INT, FLOAT, TIMESTAMP, STRINGS = FieldType.STRING, FieldType.INT, FieldType.FLOAT, FieldType.TIMESTAMP, FieldType.STRINGS

# fmt: off
FIELDS: tuple[Field, ...] = (
    Field("timestamp", "timestamp_ns", TIMESTAMP, "Capture time of the first byte of the request (of the response where no request was seen)."),
    Field("http.request.method", "http_request_method", STRING, "Method; `_OTHER` where it is none that RFC 9110, PATCH, QUERY or WebDAV define.", alias="method"),
    Field("http.request.method_original", "http_request_method_original", STRING, "Method as sent, where it differs from `http.request.method`."),
    Field("url.scheme", "url_scheme", STRING, "`http`; the target's own scheme where it is in absolute form."),
    Field("url.path", "url_path", STRING, "Path of the request target, as sent.", alias="path"),
    Field("url.query", "url_query", STRING, "Query of the request target without `?`; secret parameters read `REDACTED`.", alias="query"),
    Field("server.address", "server_address", STRING, "Host from the target or the Host field, without port; else the server's socket address.", alias="host"),
    Field("server.port", "server_port", INT, "Port from the target or the Host field, else the server's socket port.", alias="port"),
    Field("client.address", "client_address", STRING, "Address of the client's socket.", alias="client"),
    Field("client.port", "client_port", INT, "Port of the client's socket."),
    Field("network.peer.address", "client_address", STRING, "Address of the client's socket, as `client.address`."),
    Field("network.peer.port", "client_port", INT, "Port of the client's socket, as `client.port`."),
    Field("network.local.address", "network_local_address", STRING, "Address of the server's socket.", alias="server"),
    Field("network.local.port", "network_local_port", INT, "Port of the server's socket."),
    Field("network.type", "network_type", STRING, "`ipv4` or `ipv6`."),
    Field("network.protocol.name", "network_protocol_name", STRING, "`http`; what the connection became after an upgrade, such as `websocket`."),
    Field("network.protocol.version", "network_protocol_version", STRING, "`0.9`, `1.0`, `1.1`, `2`: of the request, else of the response."),
    Field("http.response.status_code", "http_response_status_code", INT, "Status code of the final response.", alias="status"),
    Field("http.request.body.size", "http_request_body_size", INT, "Request body after dechunking, before decompression.", "bytes"),
    Field("http.response.body.size", "http_response_body_size", INT, "Response body after dechunking, before decompression.", "bytes"),
    Field("http.request.size", "http_request_size", INT, "Whole request as transferred: head, framing, body, trailers.", "bytes"),
    Field("http.response.size", "http_response_size", INT, "Whole response as transferred, interim responses not included.", "bytes"),
    Field("user_agent.original", "user_agent_original", STRING, "The User-Agent field."),
    Field("http.request.body.content", "http_request_body_content", STRING, "Decoded request body, where asked for."),
    Field("http.response.body.content", "http_response_body_content", STRING, "Decoded response body, where asked for."),
    Field("httpipe.request.body.encoding", "httpipe_request_body_encoding", STRING, "`base64` where the content is not text."),
    Field("httpipe.response.body.encoding", "httpipe_response_body_encoding", STRING, "`base64` where the content is not text."),
    Field("httpipe.request.body.decoded_size", "httpipe_request_body_decoded_size", INT, "Request body after decompression, where bodies are asked for.", "bytes"),
    Field("httpipe.response.body.decoded_size", "httpipe_response_body_decoded_size", INT, "Response body after decompression, where bodies are asked for.", "bytes"),
    Field("error.type", "error_type", STRING, "Status code as text for 5xx answers (OpenTelemetry, HTTP server spans); `reset`, `closed` or `timeout` where no whole answer came."),
    Field("process.pid", "process_pid", INT, "Reserved: a packet source does not know it."),
    Field("process.executable.name", "process_executable_name", STRING, "Reserved: a packet source does not know it."),
    Field("container.id", "container_id", STRING, "Reserved: a packet source does not know it."),
    Field("httpipe.duration_ms", "httpipe_duration_ms", FLOAT, "First byte of the request to last byte of the response.", "ms", "duration_ms"),
    Field("httpipe.ttfb_ms", "httpipe_ttfb_ms", FLOAT, "First byte of the request to first byte of the final response.", "ms", "ttfb_ms"),
    Field("httpipe.request.target", "httpipe_request_target", STRING, "Request target as sent; secret parameters read `REDACTED`.", alias="target"),
    Field("httpipe.source", "httpipe_source", STRING, "Id of the source in the pipeline file."),
    Field("httpipe.capture", "httpipe_capture", STRING, "How the bytes were seen: `packet`."),
    Field("httpipe.connection", "httpipe_connection", STRING, "Names the connection within one capture."),
    Field("httpipe.sequence", "httpipe_sequence", INT, "Place of the exchange in its connection, from 0."),
    Field("httpipe.marks", "httpipe_marks", STRINGS, "What is not whole about the exchange.", alias="marks"),
)

FAMILIES: tuple[Family, ...] = (
    Family("http.request.header.", "http_request_headers", STRINGS, "Values of a request header that was asked for, in order; the name in lower case."),
    Family("http.response.header.", "http_response_headers", STRINGS, "Values of a response header that was asked for, in order; the name in lower case."),
)
# fmt: on

EVENT_NAME = "event.name"
"""The tag: which kind of event a JSON object is."""

BY_NAME: Mapping[str, Field] = MappingProxyType({field.name: field for field in FIELDS})
BY_ALIAS: Mapping[str, Field] = MappingProxyType({field.alias: field for field in FIELDS if field.alias})
