"""The ``elasticsearch`` sink: batches to the bulk API of Elasticsearch, OpenSearch and servers that understand it.

In: batches of the engine. Out: one request for a batch, with an id for each event. The engine owns retry: an event that the
server cannot take now is written again alone, one that it never will is rejected with its words, and one that it has already,
since the answer to an earlier request was lost, is delivered.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal
from urllib.parse import quote

import anyio.to_thread
from pydantic import Field, SecretStr

from pipeline.api import BackOff, Context, Event, NotConnected, Reject, Sink, SinkDefaults
from pipeline.codecs.json import dump
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.errors import SinkSignal
from pipeline.sinks.compression import ENCODINGS, compressed
from pipeline.sinks.elasticsearch.bulk import (
    ANSWERED,
    CONFLICT,
    LONGEST_ANSWER,
    Action,
    Item,
    body_of,
    is_of_settings,
    items_of,
    words_of,
)
from pipeline.sinks.elasticsearch.index_name import IndexName
from pipeline.sinks.elasticsearch.index_template import index_template
from pipeline.sinks.http.address import ServerUrl
from pipeline.sinks.http.answer import CONTENT_TOO_LARGE, RETRY_STATUSES, Answer, judge, sentence_of
from pipeline.sinks.http.client import Client, RequestOptions
from pipeline.sinks.http.credentials import AuthOptions, encoded
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves
from pipeline.sinks.overflow import overflows_counted


class ElasticsearchAuthOptions(AuthOptions):
    """`auth`, with the keys that these servers have."""

    api_key: SecretStr | None = None
    """API key of Elasticsearch: `id:api_key`, or both encoded as Kibana shows it."""

    def ways(self) -> dict[str, str]:
        """As for every server, and the key."""
        ways = dict(super().ways())
        if self.api_key is not None:
            key = self.api_key.get_secret_value()
            ways["api_key"] = f"ApiKey {encoded(key) if ':' in key else key}"
        return ways


class DocumentOptions(EncodingOptions):
    """How events become documents."""

    codec: Literal["ecs", "json"] = "ecs"
    """`ecs`: as the Elastic Common Schema has it; `json`: OpenTelemetry's names, for plain indices, since a data stream wants `@timestamp`."""  # noqa: E501  one line of the generated page


class ElasticsearchConfig(RequestOptions):
    """Options of the `elasticsearch` sink."""

    url: ServerUrl
    """Address of the server, such as `https://search.example:9200`; with the path in front of its API, if it has one."""
    index: Annotated[str, Field(min_length=1, max_length=1000)] = "logs-httpipe-default"
    """Data stream, index or alias. May have time tokens (`%Y %m %d %H`…) and values of the event: `"httpipe-{{server.address}}-%F"`."""  # noqa: E501
    action: Action = "create"
    """`create`: add documents, which is all that data streams allow; `index`: replace one that has the same id."""
    deduplicate: bool = True
    """Give each event an id that is made of its document, so that one that is sent twice is there once. `false`: the server gives ids, which costs it less."""  # noqa: E501
    pipeline: str | None = None
    """Ingest pipeline that documents pass through in the server."""
    index_template: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")] | None = None
    """Make an index template of this name with the types of all fields, where there is none. OpenSearch needs one for data streams."""  # noqa: E501
    auth: ElasticsearchAuthOptions = ElasticsearchAuthOptions()
    """Credentials."""
    encoding: DocumentOptions = DocumentOptions()
    """How events are written."""
    compression: Literal["none", "gzip"] = "gzip"
    """Of requests."""


class ElasticsearchSink(Sink):
    """Sends events to Elasticsearch, OpenSearch and what understands their bulk API."""

    api_version = 1
    Config = ElasticsearchConfig
    requires = ("httpx",)
    # about a megabyte: the servers' documentation has 5 to 15 as the most that is useful, and hosted ones take 10
    defaults = SinkDefaults(batch_max_events=1000, batch_max_bytes=4 << 20, batch_timeout_secs=1.0)

    def __init__(self, config: ElasticsearchConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._codec = codec(config.encoding)
        self._index = IndexName(config.index, context.attributes)
        self._client = Client(config)
        self._fields = {"content-type": "application/json", "user-agent": "httpipe", **config.auth.fields()}
        self._bulk_fields = {**self._fields, "content-type": "application/x-ndjson", **ENCODINGS[config.compression]}
        self._who = f"POST {config.url}/_bulk"
        self._url = f"{config.url}/_bulk?filter_path={ANSWERED}"
        if config.pipeline is not None:
            self._url += f"&pipeline={quote(config.pipeline, safe='')}"

    async def open(self) -> None:
        """Read certificates; make the index template where one is asked for and none is there; look for the ingest pipeline.

        Without the latter the server would refuse every event for good.
        """
        await self._client.open()
        if (pipeline := self._config.pipeline) is not None and pipeline != "_none":
            # a key that may only write is refused this look, which says nothing about writing; some servers have no such page
            await self._ask("GET", f"/_ingest/pipeline/{quote(pipeline, safe='')}", (403, 405))
        if name := self._config.index_template:
            path = f"/_index_template/{name}"
            if await self._ask("GET", path, (404,)) == 404:
                body = index_template(self._index.pattern, data_stream=self._config.action == "create")
                await self._ask("PUT", path, body=dump(body))
                self._context.log.info("index template made", extra={"template": name})

    async def healthcheck(self) -> None:
        """Raises ``NotConnected`` where the server does not know us."""
        await self._ask("GET", "/", (403, 404, 405))

    async def write(self, batch: Sequence[Event]) -> None:
        """Send the batch. Raises what is to become of the events that the server has not taken."""
        indices: Sequence[str] = [self._index.of(event) for event in batch]
        with overflows_counted(self._context, "index_overflow_events", self._index.overflows, batch):
            await deliver([Part(indices, range(len(batch)))], partial(self._sent, batch), len(batch))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _sent(self, batch: Sequence[Event], part: Part[Sequence[str]]) -> Outcome[Sequence[str]]:
        """What is to become of these events; ``part.what`` is the index of each event of the batch."""
        events = [batch[place] for place in part.places]
        body = await anyio.to_thread.run_sync(self._body, events, [part.what[place] for place in part.places])
        try:
            answer = await self._client.send("POST", self._url, body, self._bulk_fields, keep=LONGEST_ANSWER)
        except NotConnected as error:
            return error
        if answer.status == CONTENT_TOO_LARGE and len(events) > 1:
            return halves(part)
        said = answer if answer.status == 200 else answer._replace(body=words_of(answer.body))
        failure = judge(self._who, said, RETRY_STATUSES, self._context.now_ns())
        if failure is not None:
            return failure
        items = items_of(answer.body, len(events))
        if items is None:
            return BackOff(None, f"{sentence_of(self._who, answer.status, answer.said)}, which is no answer of a bulk API")
        return self._failures(items, part.places) if items else None

    def _body(self, events: Sequence[Event], indices: Sequence[str]) -> bytes:
        config = self._config
        body = body_of(config.action, events, self._codec.encode_each(events), indices, ids=config.deduplicate)
        return compressed(body, config.compression)

    def _failures(self, items: Sequence[Item], places: Sequence[int]) -> dict[int, SinkSignal]:
        """What is to become of each event that was not taken; events with the same fate share it."""
        fates: dict[Item, SinkSignal | None] = {}
        failures: dict[int, SinkSignal] = {}
        there = 0
        for place, item in zip(places, items, strict=True):
            if item.status == CONFLICT and self._config.deduplicate:
                there += 1
                continue
            if item not in fates:
                fates[item] = self._fate(item)
            if (fate := fates[item]) is not None:
                failures[place] = fate
        if there:
            self._context.count("already_there_events", there)
        return failures

    def _fate(self, item: Item) -> SinkSignal | None:
        """What is to become of an event that the server says this of."""
        answer = Answer(item.status, body=item.said.encode(errors="replace"))
        fate = judge(f"{self._who}, for an event,", answer, RETRY_STATUSES, self._context.now_ns())
        return BackOff(None, str(fate)) if isinstance(fate, Reject) and is_of_settings(item.said) else fate

    async def _ask(self, method: str, path: str, good: Sequence[int] = (), body: bytes = b"") -> int:
        """The status of an answer that is a success or among ``good``. Raises ``NotConnected`` with the server's words."""
        answer = await self._client.send(method, f"{self._config.url}{path}", body, self._fields)
        if not (200 <= answer.status < 300 or answer.status in good):
            said = answer._replace(body=words_of(answer.body)).said
            raise NotConnected(sentence_of(f"{method} {self._config.url}{path}", answer.status, said))
        return answer.status
