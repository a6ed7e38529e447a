"""The ``otlp`` sink: spans, log records and metrics to an OpenTelemetry Collector or any backend that speaks OTLP.

In: batches of the engine. Out: a request for each signal that is in a batch, over HTTP or gRPC. The engine owns retry; the sink
says of each event whether the server took it, will never take it, or may take it later.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import anyio.to_thread
from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.api import ConfigError, Context, Event, Problem, Sink, SinkDefaults
from pipeline.codecs.options import SelectionOptions
from pipeline.codecs.selection import Selection
from pipeline.model.effects import Needs, effective
from pipeline.sinks.compression import Compression
from pipeline.sinks.http.address import ServerUrl
from pipeline.sinks.http.client import RequestOptions
from pipeline.sinks.http.credentials import AuthOptions
from pipeline.sinks.http.requests import wrong_field
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves
from pipeline.sinks.otlp.answer import TooLarge, refused_in
from pipeline.sinks.otlp.over_grpc import OverGrpc
from pipeline.sinks.otlp.over_http import OverHttp
from pipeline.sinks.otlp.signals import Exchanges, Export, Signal
from pipeline.sinks.otlp.spans import KindOption

PORTS = {"http": 80, "https": 443}
METADATA = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)", re.IGNORECASE)
"""Names of text that the caller may set (gRPC over HTTP/2, "Requests"); what ends in ``-bin`` is binary."""


class OtlpSinkConfig(SelectionOptions, RequestOptions):
    """Options of the `otlp` sink."""

    server_option = "endpoint"

    endpoint: ServerUrl
    """Where to send, such as `http://localhost:4318`; `https://` for TLS. With `protocol = "http"` the paths `/v1/traces`, `/v1/logs` and `/v1/metrics` follow."""  # noqa: E501  one line of the generated page
    protocol: Literal["http", "grpc"] = "http"
    """`http`: Protobuf over HTTP, usually port 4318; `grpc`: usually port 4317."""
    exchanges: Exchanges = "spans"
    """As what exchanges go: `spans` of traces, or `logs`. Measurements of `aggregate` are metrics, other events always log records."""  # noqa: E501
    span_kind: KindOption = "auto"
    """Which end spans are of: `server`, `client`, or `auto`: the end whose process is known, and `server` where none is."""
    resource: Annotated[Mapping[str, str], Field(max_length=64)] = Field(default_factory=dict)
    """Attributes of the resource of all events, such as `"service.name"`; what an event says itself is worth more."""
    auth: AuthOptions = AuthOptions()
    """Who httpipe is."""
    headers: Annotated[Mapping[str, SecretStr], Field(max_length=64)] = Field(default_factory=dict)
    """Header fields (metadata of gRPC) of every request, such as `x-tenant`. Write `"${NAME}"` to take a secret from the environment."""  # noqa: E501
    compression: Compression = "none"
    """Of requests."""

    @field_validator("endpoint")
    @classmethod
    def _without_the_path_of_a_signal(cls, endpoint: str) -> str:
        if endpoint.endswith(tuple(f"/v1/{signal}" for signal in ("traces", "logs", "metrics"))):
            raise ValueError("has the path of one signal; write what stands before /v1/")
        return endpoint

    @model_validator(mode="after")
    def _as_grpc_can(self) -> Self:
        if self.protocol == "grpc":
            for told, name in (
                (self.proxy is not None, "proxy"),
                (not self.tls.verify_certificate, "tls.verify_certificate = false"),
                (self.tls.key_pass is not None, "tls.key_pass"),
                (self.compression == "zstd", 'compression = "zstd"'),
                (bool(urlsplit(self.endpoint).path), "a path in endpoint"),
            ):
                if told:
                    raise ValueError(f'{name} is not possible with protocol = "grpc"')
            if self.tls.crt_file and not self.tls.key_file:
                raise ValueError('protocol = "grpc" wants tls.key_file with tls.crt_file, also where one file holds both')
        return effective(self, Needs(["span_kind"], 'exchanges = "spans"', self.exchanges == "spans"))


class OtlpSink(Sink):
    """Sends events to an OpenTelemetry Collector or backend."""

    api_version = 1
    Config = OtlpSinkConfig
    requires = ("httpx",)
    # spans of about 700 bytes: gRPC servers take 4 MiB unless they are told otherwise
    defaults = SinkDefaults(batch_max_events=1000, batch_max_bytes=2 << 20, batch_timeout_secs=1.0)

    def __init__(self, config: OtlpSinkConfig, context: Context) -> None:
        self._context = context
        fields = {name: value.get_secret_value() for name, value in config.headers.items()}
        wrong = [Problem(f"headers.{name}", problem) for name, text in fields.items() if (problem := wrong_field(name, text))]
        if config.protocol == "grpc":
            wrong += [
                Problem(f"headers.{name}", "is not a name of gRPC metadata") for name in fields if not METADATA.fullmatch(name)
            ]
        if wrong:
            raise ConfigError(wrong)
        selection = Selection(config.only_fields, config.except_fields)
        self._export = Export(config.exchanges, config.span_kind, config.resource, selection, version("httpipe"))
        self._carrier = _carrier(config, {**config.auth.fields(), **fields})
        self._told = ""

    async def open(self) -> None:
        """Read certificates; connections are made as they are needed."""
        await self._carrier.open()

    async def write(self, batch: Sequence[Event]) -> None:
        """Send the batch. Raises what is to become of the events that the server has not taken."""
        places: dict[Signal, list[int]] = {}
        for place, event in enumerate(batch):
            places.setdefault(self._export.signal_of(event), []).append(place)
        await deliver([Part(signal, each) for signal, each in places.items()], partial(self._sent, batch), len(batch))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._carrier.aclose()

    async def _sent(self, batch: Sequence[Event], part: Part[Signal]) -> Outcome[Signal]:
        body = await anyio.to_thread.run_sync(self._export.body, part.what, [batch[place] for place in part.places])
        answer = await self._carrier.export(part.what, body, self._context.now_ns())
        if isinstance(answer, bytes):
            self._partly(part.what, answer)
            return None
        return halves(part) if isinstance(answer, TooLarge) and len(part.places) > 1 else answer

    def _partly(self, signal: Signal, response: bytes) -> None:
        """Count and tell what the server dropped of a request that it took: it says how many, and it wants none of them again."""
        refused = refused_in(response)
        if refused is None:
            return
        if refused.items:
            self._context.count("refused_by_server", refused.items)
        sentence = f"the server took {signal} but " + (
            f"not {refused.items} of them" if refused.items else "has something to say"
        )
        if refused.message != self._told:  # the same words for every batch are no news
            self._told = refused.message
            self._context.log.warning("%s: %s", sentence, refused.message or "it gives no reason")


def _carrier(config: OtlpSinkConfig, fields: Mapping[str, str]) -> OverHttp | OverGrpc:
    if config.protocol == "http":
        return OverHttp(config, config.endpoint, fields, config.compression)
    parts = urlsplit(config.endpoint)
    target = parts.netloc if parts.port else f"{parts.netloc}:{PORTS[parts.scheme]}"
    return OverGrpc(config, target, secure=parts.scheme == "https", fields=fields, compression=config.compression)
