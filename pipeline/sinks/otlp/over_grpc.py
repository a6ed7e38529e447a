"""OTLP over gRPC: the home of grpcio, which is imported when a sink is opened.

Requests and responses pass as the bytes that they are. One channel reconnects by itself; a call fails at once where there is no
connection, since the engine owns retry.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from pipeline.api import NotConnected
from pipeline.errors import SinkSignal
from pipeline.reasons import readable
from pipeline.sinks.compression import Compression
from pipeline.sinks.http.client import RequestOptions, TlsOptions
from pipeline.sinks.otlp.answer import OK, judge_call
from pipeline.sinks.otlp.signals import Signal

if TYPE_CHECKING:
    import grpc

INSTALL = 'protocol = "grpc" needs the package grpcio; type: pip install "httpipe[otlp]"'
"""Shown where the optional dependency is missing."""

METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
STATUS = "grpc-status-details-bin"
"""The trailer that carries a ``google.rpc.Status``."""
NOBODY = ("failed to connect", "DNS resolution failed")
"""What gRPC itself says where there is no server that could."""
OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # what the environment says is not read, as with every sink
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),  # the engine waits between attempts, and closes the channel after NotConnected
    ("grpc.primary_user_agent", "httpipe"),
)


class OverGrpc:
    """Calls ``Export`` of the service of each signal."""

    def __init__(
        self, options: RequestOptions, target: str, *, secure: bool, fields: Mapping[str, str], compression: Compression
    ) -> None:
        self._options = options
        self._target = target
        self._secure = secure
        self._metadata = tuple((name.lower(), value) for name, value in fields.items())
        self._compression = compression
        self._channel: grpc.Channel | None = None

    async def open(self) -> None:
        """Read the certificates; the connection is made with the first call. Raises ``NotConnected``."""
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it would write to standard error what the engine logs
        try:
            import grpc  # noqa: PLC0415  100 ms and an optional dependency: only who uses it pays
        except ImportError as error:
            raise NotConnected(INSTALL) from error
        compression = grpc.Compression.Gzip if self._compression == "gzip" else grpc.Compression.NoCompression
        if not self._secure:
            self._channel = grpc.insecure_channel(self._target, OPTIONS, compression)
            return
        try:
            root, key, chain = await anyio.to_thread.run_sync(_read, self._options.tls)
        except OSError as error:
            raise NotConnected(f"cannot read what tls names: {error}") from error
        credentials = grpc.ssl_channel_credentials(root, key, chain)
        self._channel = grpc.secure_channel(self._target, credentials, OPTIONS, compression)

    async def export(self, signal: Signal, body: bytes, _now_ns: int) -> SinkSignal | bytes:
        """The response where the server has taken the request, else what is to become of its events."""
        if self._channel is None:
            return NotConnected("not open")
        export = self._channel.unary_unary(METHODS[signal])
        call = export.future(body, timeout=self._options.timeout_secs, metadata=self._metadata)
        await _ended(call)
        (code, *_), name, said = call.code().value, call.code().name, call.details() or ""
        if code == OK:
            response: bytes = call.result()
            return response
        if said.startswith(NOBODY):
            return NotConnected(f"{self._target}: {_reason(said)}")
        status = dict(call.trailing_metadata() or ()).get(STATUS)
        return judge_call(f"{self._target} ({signal})", code, name, said, status if isinstance(status, bytes) else b"")

    async def aclose(self) -> None:
        """Close the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


async def _ended(call: "grpc.Future") -> None:
    """Until the call has ended in a thread of gRPC's; it is cancelled with whoever waits.

    grpc.aio would do without the thread, but it binds itself to the first event loop of the process and fails in a second one.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop may be closed by then
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(tell)
    try:
        await ended.wait()
    finally:
        call.cancel()


def _read(tls: TlsOptions) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Authorities, private key and certificate, as far as they are named. Raises ``OSError``."""
    root, key, chain = (_pem(path) for path in (tls.ca_file, tls.key_file, tls.crt_file))
    return root, key, chain


def _pem(path: str | None) -> bytes | None:
    """What a file holds. Raises ``OSError`` where that is no PEM: gRPC ends the process at a key or a chain that is empty."""
    if path is None:
        return None
    held = Path(path).read_bytes()
    if b"-----BEGIN " not in held:
        raise OSError(f"{path} is not PEM" if held else f"{path} is empty")
    return held


def _reason(said: str) -> str:
    """What gRPC says, without its wrapping: ``failed to connect to all addresses; last error: UNKNOWN: ADDRESS: …: OK``."""
    return readable(re.sub(r"^\w+: (ipv[46]:\S+: )?|: OK$", "", said.rpartition("last error: ")[2]))
