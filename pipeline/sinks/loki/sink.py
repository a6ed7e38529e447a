"""The ``loki`` sink: batches to the push API of Grafana Loki and servers that understand it.

In: batches of the engine. Out: a request for each stream of a batch. The engine owns retry; the sink says of each event whether
Loki has it, will never take it, or may take it later.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlsplit

import anyio.to_thread
from pydantic import Field

from pipeline.api import BackOff, ConfigError, Context, Event, NotConnected, Reject, Sink, SinkDefaults
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.errors import SinkSignal
from pipeline.sinks.compression import ENCODINGS, compressed
from pipeline.sinks.http.address import ServerUrl
from pipeline.sinks.http.answer import CONTENT_TOO_LARGE, RETRY_STATUSES, Answer, judge, sentence_of
from pipeline.sinks.http.client import Client, RequestOptions
from pipeline.sinks.http.credentials import AuthOptions
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves
from pipeline.sinks.loki.labels import Labels, LabelSet, compiled, grouped
from pipeline.sinks.loki.push import body_of
from pipeline.sinks.loki.refusal import apart, is_of_events, is_of_settings

PATH = "/loki/api/v1/push"
BLOCKED = 260
"""While somebody has blocked ingestion (``block_ingestion_until``), Loki takes nothing and answers with this status, which looks
like a success (``block_ingestion_status_code``, Loki 3)."""
TOO_MUCH = 429
TOO_LARGE_WITHIN = b"received message larger than max"
"""Loki's parts speak gRPC with each other, and what is too large there comes back as 500 with these words of its library."""


class LineOptions(EncodingOptions):
    """How events become lines."""

    codec: Literal["json", "ecs"] = "json"
    """`json`: OpenTelemetry's names, which `| json` of LogQL takes apart; `ecs`: as the Elastic Common Schema has it."""


class LokiConfig(RequestOptions):
    """Options of the `loki` sink."""

    url: ServerUrl
    """Address of the server, such as `https://loki.example:3100`. Without a path, `/loki/api/v1/push` is meant."""
    # 15: as many as Loki takes of a stream (max_label_names_per_series)
    labels: Annotated[Mapping[str, str], Field(min_length=1, max_length=15)] = Field(default_factory=lambda: {"job": "httpipe"})
    """Labels of the streams, by their names; templates. Choose what has few values: each set of values is a stream."""
    max_streams: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Different sets of values; in those that come later `other` stands for what templates insert."""
    structured_metadata: Annotated[Mapping[str, str], Field(max_length=50)] = Field(default_factory=dict)
    """What Loki keeps beside the line, by names; templates. It may have many values; Loki 3 takes it."""
    tenant: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")] | None = None
    """Tenant, sent as `X-Scope-OrgID`."""
    auth: AuthOptions = AuthOptions()
    """Credentials."""
    encoding: LineOptions = LineOptions()
    """How events are written."""
    compression: Literal["none", "gzip"] = "gzip"
    """Of requests."""


class LokiSink(Sink):
    """Sends events to Grafana Loki and what understands its push API."""

    api_version = 1
    Config = LokiConfig
    requires = ("httpx",)
    # what Promtail and Vector send: a megabyte, within the 4 MB that Loki's parts take of each other
    defaults = SinkDefaults(batch_max_events=1000, batch_max_bytes=2 << 20, batch_timeout_secs=1.0)

    def __init__(self, config: LokiConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._codec = codec(config.encoding)
        labels, problems = compiled("labels", config.labels, context.attributes)
        self._metadata, others = compiled("structured_metadata", config.structured_metadata, context.attributes)
        if problems or others:
            raise ConfigError([*problems, *others])
        self._labels = Labels(labels, config.max_streams)
        self._url = config.url if urlsplit(config.url).path else config.url + PATH
        self._fields = {"content-type": "application/json", "user-agent": "httpipe", **config.auth.fields()}
        self._fields |= ENCODINGS[config.compression]
        if config.tenant:
            self._fields["x-scope-orgid"] = config.tenant
        self._client = Client(config)
        self._most = sys.maxsize
        """Events in a request: half as many after each that was too much, twice as many after each that was taken. Loki refuses
        what is larger than its bursts may be however long one waits, and does not say how large that is."""

    async def open(self) -> None:
        """Read certificates; connections are made as they are needed."""
        await self._client.open()

    async def write(self, batch: Sequence[Event]) -> None:
        """Send the batch. Raises what is to become of the events that Loki has not taken."""
        sets: Sequence[LabelSet] = [self._labels.of(event) for event in batch]
        await deliver([Part(sets, places) for places in grouped(sets).values()], partial(self._sent, batch), len(batch))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _sent(self, batch: Sequence[Event], part: Part[Sequence[LabelSet]]) -> Outcome[Sequence[LabelSet]]:
        """What is to become of these events of one stream; ``part.what`` is the label set of each event of the batch."""
        if len(part.places) > self._most:
            return [part._replace(places=places) for places in (part.places[: self._most], part.places[self._most :])]
        events = [batch[place] for place in part.places]
        sets = [part.what[place] for place in part.places]
        body = await anyio.to_thread.run_sync(self._body, events, sets[0])
        try:
            answer = await self._client.send("POST", self._url, body, self._fields)
        except NotConnected as error:
            return error
        if len(events) > 1 and _is_too_large(answer):
            return halves(part)
        failure = self._failure(answer)
        if isinstance(failure, Reject) and (smaller := apart(events, answer.body)):
            return [part._replace(places=[part.places[place] for place in places]) for places in smaller]
        if answer.status == TOO_MUCH:
            self._most = max(1, len(events) // 2)
        if failure is None:
            self._most = max(self._most, 2 * len(events))
            if overflows := self._labels.overflows(sets):
                self._context.count("stream_overflow_events", overflows)
        return failure

    def _failure(self, answer: Answer) -> SinkSignal | None:
        who = f"POST {self._url}"
        if answer.status == BLOCKED:
            return BackOff(None, sentence_of(who, answer.status, answer.said))
        failure = judge(who, answer, RETRY_STATUSES, self._context.now_ns())
        if failure is not None and is_of_events(answer.body):
            return Reject(str(failure))
        if isinstance(failure, Reject) and is_of_settings(answer.body):
            return BackOff(None, str(failure))
        return failure

    def _body(self, events: Sequence[Event], values: LabelSet) -> bytes:
        lines = self._codec.encode_each(events)
        return compressed(body_of(events, lines, self._labels.named(values), self._metadata), self._config.compression)


def _is_too_large(answer: Answer) -> bool:
    return answer.status == CONTENT_TOO_LARGE or (answer.status >= 500 and TOO_LARGE_WITHIN in answer.body)
