"""The options that belong to the engine, not to a component: what may stand in every source's, transform's or sink's table.

A component's own options are its ``Config`` model; the two sets of names never overlap.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field

from pipeline.api import Config, PathOption, SinkDefaults
from pipeline.model.events.fields import EVENT_NAME
from pipeline.model.events.kinds import is_held

ID_PATTERN = r"^[a-z0-9_]+$"

WhenFull = Literal["block", "drop_oldest", "drop_newest"]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", max_length=256)]
ContentType = Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+$", max_length=256)]
MAX_BODY_BYTES = 256 * 1024 * 1024


def _host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError('is not host:port, such as "127.0.0.1:9598"')
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,255}", text) or (":" in text and text.count(":") < 2):
        raise ValueError('is not an address or a name of this host, such as "127.0.0.1" or "::1"')
    return text


def _attribute(name: str) -> str:
    if not name or name != name.strip():
        raise ValueError("is not the name of an attribute")
    if name in (EVENT_NAME, "timestamp") or is_held(name):
        raise ValueError("is a field of events; choose the name of an attribute")
    return name


AttributeName = Annotated[str, AfterValidator(_attribute), Field(max_length=256)]


class BatchOptions(Config):
    """How many events one write takes. A sink that is idle gets what is there at once; batches grow under load."""

    max_events: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Most events in one write."""
    max_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 4 << 20
    """Most bytes (approximate memory size of the events) in one write."""
    timeout_secs: Seconds = 0.0
    """How long to wait for a fuller batch, while less than half of the queue is taken; 0 writes what is there."""


class BufferOptions(Config):
    """The queue in front of one sink. No other sink ever waits for it, unless `when_full` is `block`."""

    type: Literal["memory", "disk"] = "memory"
    """`memory`, or `disk` to survive a crash of the process or the host."""
    max_events: Annotated[int, Field(ge=1, le=100_000_000)] = 20_000
    """Most events that wait."""
    max_bytes: Annotated[int, Field(ge=4096, le=1 << 40)] = 32 << 20
    """Most bytes that wait: approximate memory size, or size on disk."""
    when_full: WhenFull | None = None
    """What gives way when the queue is full. Default: `block` behind sources that can wait (files, Kafka), else `drop_oldest`."""
    block_timeout_secs: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """With `block`: drop the newest after waiting this long. Default: wait for ever."""
    path: PathOption | None = None
    """Folder of a disk queue. Default: `<data_dir>/<sink id>`."""


class RetryOptions(Config):
    """What happens after a failed write. The wait is random between 0 and the backoff (full jitter), which doubles each time."""

    max_attempts: Annotated[int, Field(ge=1)] | None = None
    """Attempts for one batch before it is dead-lettered or discarded. Default: no limit, so the queue's `when_full` decides."""
    initial_backoff_secs: Annotated[float, Field(gt=0, le=3600)] = 0.5
    """Upper bound of the first wait."""
    max_backoff_secs: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    """Upper bound of every wait."""


class HealthcheckOptions(Config):
    """Whether a sink's other end is checked at the start."""

    enabled: bool = True
    """Check at the start and warn; with `--require-healthy` a failed check ends the run."""


class SinkOptions(Config):
    """What every sink's table may hold beside the sink's own options."""

    batch: BatchOptions = BatchOptions()
    buffer: BufferOptions = BufferOptions()
    retry: RetryOptions = RetryOptions()
    healthcheck: HealthcheckOptions = HealthcheckOptions()
    required: bool = True
    """Ready (`/ready`, `--ready-file`, systemd) means that this sink has been opened; `false` where the pipeline may count as ready without it."""  # noqa: E501
    dead_letter: str | None = None
    """Id of the sink that takes what this one rejected or could not deliver within its attempts."""
    write_timeout_secs: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """A write that takes longer is cancelled and counts as failed."""
    isolation: Literal["none", "process"] = "none"
    """`process` runs the sink in a process of its own: it may block, exit or crash there, and is restarted."""
    max_in_flight: Annotated[int, Field(ge=1, le=64)] = 1
    """Writes under way at once. More than 1 gives up the order of batches."""

    def with_defaults(self, given: SinkDefaults) -> Self:
        """What the file does not set is as the sink's class declares it. Raises ``ValidationError`` for what may not be."""
        table = defaults_table(given)
        stated = {name: getattr(self, name) for name in self.model_fields_set - {"batch"}}
        own = {name: getattr(self.batch, name) for name in self.batch.model_fields_set}
        return self.model_validate({**table, **stated, "batch": {**table["batch"], **own}})


def defaults_table(given: SinkDefaults) -> dict[str, Any]:
    """What a sink's class declares, as a sink's table in the pipeline file has it."""
    declared = {name: value for name, value in given._asdict().items() if value is not None}
    batch = {name.removeprefix("batch_"): declared.pop(name) for name in list(declared) if name.startswith("batch_")}
    return {**declared, "batch": batch}


class RecordOptions(Config):
    """Write down what the decoder is given, to play it back later with a `replay` source."""

    path: PathOption
    """File to write. One that is there already is kept: the next recording is named `PATH.02`, and so on up to 99."""
    max_bytes: Annotated[int, Field(ge=1 << 16)] = 256 << 20
    """Stop recording at this size."""


class BodyOptions(Config):
    """Which message bodies to report. Without this table none is kept."""

    max_bytes: int = Field(default=64 * 1024, ge=1, le=MAX_BODY_BYTES)
    """How much of each body is kept and reported, before decompression and after it; what is longer is marked `truncated`."""
    content_types: tuple[ContentType, ...] = ()
    """Only bodies of these types, such as `application/json` or `text/*`; empty: of every type."""


class DecodeOptions(Config):
    """How the bytes of connections become exchanges, and within which bounds."""

    request_headers: tuple[HeaderName, ...] = ()
    """Request headers to report, by name. A header that carries a secret is reported only if it is named here."""
    response_headers: tuple[HeaderName, ...] = ()
    """Response headers to report, by name. A header that carries a secret is reported only if it is named here."""
    bodies: BodyOptions | None = None
    """Report message bodies: `bodies = { max_bytes = 65536, content_types = ["application/json"] }`."""
    tls_handshakes: bool = False
    """Report TLS and QUIC handshakes as events of the kind `tls.handshake`: docs/tls-handshakes.md."""
    websocket_messages: bool = False
    """Report the messages of WebSocket connections as events of the kind `websocket.message`: docs/websocket.md."""
    in_progress: bool = False
    """Report each request when its head has come, too, as an event of the kind `http.request`; and the Content-Type of responses:
    docs/in-progress.md."""
    max_connections: int = Field(default=200_000, ge=1)
    """Connections followed at a time (about 2 KB each); beyond it the one that was idle longest is let go, and counted."""
    max_memory_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """Bytes held for incomplete heads, segments out of order, bodies and what waits; who holds most is let go beyond it."""
    max_head_bytes: int = Field(default=64 * 1024, ge=1024, le=16 * 1024 * 1024)
    """Longest head that is understood whole; common servers refuse heads beyond 8 to 32 KiB."""
    max_pipelined_requests: int = Field(default=256, ge=1)
    """Requests of one connection that may wait for their responses; beyond it the oldest is reported without one."""
    response_timeout_secs: float = Field(default=300.0, gt=0)
    """A request on whose connection nothing was seen for so long is reported without its response; long polls take minutes."""
    idle_timeout_secs: float = Field(default=900.0, gt=0)
    """A connection on which nothing was seen for so long is forgotten."""
    reorder_timeout_secs: float = Field(default=2.0, gt=0)
    """How long a missing segment is waited for before it counts as lost."""

    @property
    def asked_of_responses(self) -> tuple[str, ...]:
        """Names of the response headers to report. Whoever looks at what hangs wants to know what is a stream of events."""
        return (*self.response_headers, "Content-Type") if self.in_progress else self.response_headers

    @property
    def more_kinds(self) -> bool:
        """Whether other events than exchanges were asked for."""
        return self.tls_handshakes or self.websocket_messages or self.in_progress


class SourceOptions(Config):
    """What every source's table may hold beside the source's own options."""

    resource: bool | None = None
    """Give its events the attributes of `[resource]`. Default: `true` for what is captured on this host, `false` for files and
    Kafka, which tell of any host."""

    record: RecordOptions | None = None
    """Write down what is captured, for a `replay` source: `record = { path = "/tmp/odd.rec" }`."""
    dead_letter: str | None = None
    """Id of the sink that takes what the source brings and cannot decode (Kafka). Default: it is counted as lost."""


class TransformOptions(Config):
    """What every transform's table may hold beside the transform's own options."""


class ProcessOptions(Config):
    """`[process]`: what belongs to the whole run."""

    user: str | None = None
    """Give up all privileges and become this user once the capture is set up. Before Linux 5.19 `cap_bpf` may stay: see
    docs/capture.md."""
    data_dir: PathOption = "/var/lib/httpipe"
    """Where disk queues live."""
    shutdown_timeout_secs: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long queues may drain after SIGTERM or Ctrl-C. At the end of all inputs there is no limit but the retry options."""
    control_socket: PathOption | None = None
    """Local socket for `httpipe top`, `tap` and `reload`. Default: `httpipe.sock` in the run-time folder of the user, or
    `httpipe-2.sock` and so on where other pipelines run already."""


class TelemetryOptions(Config):
    """`[telemetry]`: logs, metrics and health."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log lines that are written."""
    log_format: Literal["text", "json"] = "text"
    """Sentences with fields, or one JSON object a line: then all that `run` says on standard error, errors at the start and the
    summary too."""
    metrics_address: Annotated[str, AfterValidator(_host_and_port)] | None = None
    """`host:port` of the Prometheus endpoint with `/metrics`, `/health` and `/ready`; such as `127.0.0.1:9598`. Default: none."""


class ResourceOptions(Config):
    """`[resource]`: attributes of every event that is captured here. The empty table asks for `host.name` and `host.id`."""

    host: bool = True
    """Add `host.name`, the kernel's host name, and `host.id`, the machine id (machine-id(5)), where there is one."""
    host_root: PathOption = "/"
    """Where the host's file system stands, such as `/host` in a container that has it mounted there: name and id are then those
    in its `etc/hostname` and `etc/machine-id`."""
    attributes: Mapping[AttributeName, str] = Field(default={}, max_length=128)
    """Further ones, such as `attributes."service.name" = "shop"`. Also `host.name` and `host.id`, instead of what is found."""


class UiOptions(Config):
    """`[ui]`: the page on which a browser shows what the sinks of this pipeline get: docs/ui.md. Needs `httpipe[ui]`."""

    listen: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """Address to listen on. Whoever can reach it and has the token sees the traffic, over HTTP without encryption."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port to listen on; 0: one that is free, which the link names."""
    keep: Annotated[int, Field(ge=100, le=1_000_000)] = 100_000
    """How many of the newest events are kept to look at; 256 MiB of memory at most."""
    heads: bool = False
    """Show heads whole, not only the headers that are reported. Only the Python decoder keeps them, and it costs several times as
    much as the lane."""
    packets_bytes: Annotated[int, Field(ge=0, le=1 << 34)] = 0
    """How much of the newest packets is kept, so that the connections of exchanges can be saved as pcapng; 0: none."""
    token: Annotated[str, Field(min_length=16, max_length=256, pattern=r"^[A-Za-z0-9._~-]+$")] | None = None
    """What the page must know to see anything, such as `${UI_TOKEN}`. Default: a new one at each start, printed with the link."""


ENGINE_OPTIONS: Mapping[str, tuple[type[Config], ...]] = {
    "sources": (SourceOptions, DecodeOptions),
    "transforms": (TransformOptions,),
    "sinks": (SinkOptions,),
}
"""By the kind of table: the models whose options stand beside a component's own."""
