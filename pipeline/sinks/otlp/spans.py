"""Exchanges → ``Span`` (opentelemetry/proto/trace/v1/trace.proto), by the semantic conventions for HTTP and RPC. Pure.

An exchange is seen from outside: what it says of its server's end makes a SERVER span, what was seen at its client's a CLIENT
span, and these two name sockets and errors in different ways ("HTTP spans", "gRPC").
"""

from enum import IntEnum
from functools import lru_cache
from struct import Struct
from typing import Literal

from pipeline.codecs.layout import as_registered
from pipeline.codecs.protobuf_wire import delimited
from pipeline.codecs.selection import Selection
from pipeline.codecs.text import whole
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.sinks.otlp.anyvalue import key_value
from pipeline.sinks.otlp.attributes import Wording, writer_of
from pipeline.sinks.otlp.context import REMOTE, SAMPLED, SpanContext, span_context
from pipeline.sinks.severity import is_server_error

ATTRIBUTES = 9
"""Of Span."""
LONGEST_NAME = 255
"""Characters of a span's name: a path may be a megabyte."""
LONGEST_MS = 1e12
"""Of a duration: thirty years."""
LAST_NS = (1 << 63) - 1

ERROR = b"\x7a\x02\x18\x02"
"""The field ``status`` with STATUS_CODE_ERROR."""
KIND_AND_TIMES = Struct("<cBcqcq")
"""The fields ``kind``, ``start_time_unix_nano`` and ``end_time_unix_nano``, each behind its tag."""
FLAGS = {each: b"\x85\x01" + each.to_bytes(4, "little") for each in range(REMOTE + SAMPLED + 1)}
"""The field ``flags``."""
DEFAULT_PORTS = {"http": 80, "https": 443}

_SWAPPED = (
    ("network.local.address", "network.peer.address"),
    ("network.local.port", "network.peer.port"),
    ("network.peer.address", "network.local.address"),
    ("network.peer.port", "network.local.port"),
)
"""Fields name the ends as a server does; a client's peer is the server."""

KindOption = Literal["auto", "server", "client"]


class SpanKind(IntEnum):
    """Numbers of Span.SpanKind."""

    SERVER = 2
    CLIENT = 3


def kind_of_span(event: Exchange, option: KindOption) -> SpanKind:
    """Which end the span is of: as the option says, else the one whose process is known; SERVER where none is."""
    if option == "auto":
        return SpanKind.CLIENT if event.httpipe_process_end == "client" else SpanKind.SERVER
    return SpanKind.CLIENT if option == "client" else SpanKind.SERVER


def program_of(event: Exchange, kind: SpanKind) -> str | None:
    """The executable at that end, where it is known."""
    at_client = event.httpipe_process_end == "client"
    if kind is SpanKind.CLIENT:
        return event.process_executable_name if at_client else event.httpipe_client_process_executable_name
    return None if at_client else event.process_executable_name


def is_error(event: Exchange, kind: SpanKind) -> bool:
    """Whether the span's status is an error: of a server its own faults only, of a client every answer that is one."""
    if kind is SpanKind.CLIENT and ((event.http_response_status_code or 0) >= 400 or event.rpc_grpc_status_code):
        return True
    return is_server_error(event)


class SpanWriter:
    """Writes the spans of exchanges."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        omitted = frozenset({"httpipe.duration_ms"})
        self._wordings = {
            SpanKind.SERVER: Wording(ATTRIBUTES, selection, omitted),
            SpanKind.CLIENT: Wording(ATTRIBUTES, selection, omitted, _SWAPPED),
        }
        self._writers = {kind: writer_of(EXCHANGE, wording) for kind, wording in self._wordings.items()}

    def write(self, event: Exchange, kind: SpanKind) -> bytes:
        """The fields of one Span. Raises ``UnicodeEncodeError`` for text that UTF-8 cannot carry."""
        if type(event) is Exchange:
            attributes = self._writers[kind](event)
        else:
            table, shown = as_registered(event)
            attributes = writer_of(table, self._wordings[kind])(shown)
        if event.attributes or kind is SpanKind.CLIENT:
            self._add_more(attributes, event, kind)
        begin = max(0, event.timestamp_ns)
        took, said = event.httpipe_duration_ms, span_context(event)
        end = begin if took is None else min(begin + _ns(took), LAST_NS)
        times = KIND_AND_TIMES.pack(b"\x30", kind, b"\x39", begin, b"\x41", end)
        status = ERROR if is_error(event, kind) else b""
        return b"".join((_ids(said), _name_field(name_of(event)), times, attributes, status, FLAGS[said.flags]))

    def _add_more(self, out: bytearray, event: Exchange, kind: SpanKind) -> None:
        """What the conventions ask for and an event says in another way."""
        takes, attributes = self._selection.takes, event.attributes
        if kind is SpanKind.SERVER:
            if (
                attributes
                and (route := attributes.get("url.template"))
                and "http.route" not in attributes
                and takes("http.route")
            ):
                out += key_value(ATTRIBUTES, "http.route", route)
            return
        if takes("url.full") and "url.full" not in attributes and (url := _full_url(event)):
            out += key_value(ATTRIBUTES, "url.full", url)
        status = event.http_response_status_code
        if status is not None and 400 <= status < 500 and event.error_type is None and takes("error.type"):
            out += key_value(ATTRIBUTES, "error.type", str(status))


def name_of(event: Exchange) -> str:
    """``GET /items/{id}`` where a transform has found the route, else ``GET``: a span's name has few values ("Name")."""
    if event.rpc_system is not None and event.rpc_service is not None:
        return f"{event.rpc_service}/{event.rpc_method}"[:LONGEST_NAME]
    method = event.http_request_method
    if method is None or method == "_OTHER":
        method = "HTTP"
    if event.attributes:
        route = event.attributes.get("http.route") or event.attributes.get("url.template")
        if route:
            return whole(f"{method} {route}")[:LONGEST_NAME]
    return method


def _ids(said: SpanContext) -> bytes:
    ids = b"\x0a\x10%b\x12\x08%b" % (said.trace_id, said.span_id)
    if said.state:
        ids += delimited(3, said.state.encode())
    return ids + b"\x22\x08" + said.parent if said.parent else ids


def _full_url(event: Exchange) -> str | None:
    host, port, scheme = event.server_address, event.server_port, event.url_scheme or "http"
    if host is None or event.url_path is None:
        return None
    at = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS.get(scheme):
        at = f"{at}:{port}"
    return f"{scheme}://{at}{event.url_path}" + (f"?{event.url_query}" if event.url_query is not None else "")


def _ns(duration_ms: float) -> int:
    """A duration that can be added to a time: one that is negative or not a number is none."""
    return round(min(duration_ms, LONGEST_MS) * 1e6) if duration_ms > 0 else 0


@lru_cache(maxsize=1024)
def _name_field(name: str) -> bytes:
    return delimited(5, name.encode())
