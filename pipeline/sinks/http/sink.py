"""The ``http`` sink: batches as requests to any web server, signed where a secret is given.

In: batches of the engine. Out: POST or PUT requests, one for all events that go to one address with the same header fields. The
engine owns retry; the sink says of each event whether the server took it, will never take it, or may take it later.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Literal, Self

import anyio.to_thread
from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.api import Context, Event, NotConnected, Sink, SinkDefaults
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec
from pipeline.sinks.compression import ENCODINGS, Compression
from pipeline.sinks.http.answer import CONTENT_TOO_LARGE, RETRY_STATUSES, judge
from pipeline.sinks.http.client import Client, RequestOptions
from pipeline.sinks.http.requests import Addressing, Body, Target, body_of
from pipeline.sinks.http.rounds import Outcome, Part, deliver, halves
from pipeline.sinks.http.signature import key_of, signature
from pipeline.sinks.overflow import overflows_counted

Status = Annotated[int, Field(ge=400, le=499)]


class HttpSinkConfig(RequestOptions):
    """Options of the `http` sink."""

    url: Annotated[str, Field(min_length=1, max_length=4000)]
    """Where to send, `http://` or `https://`. A template such as `https://hooks.example/in/{{server.address}}` makes the path or the query depend on the event; what it inserts is made harmless."""  # noqa: E501  one line of the generated page
    method: Literal["POST", "PUT"] = "POST"
    """Method of the requests."""
    headers: Annotated[Mapping[str, SecretStr], Field(max_length=64)] = Field(default_factory=dict)
    """Header fields of every request, such as `authorization`; templates, too. Write `"${NAME}"` to take a secret from the environment."""  # noqa: E501
    encoding: EncodingOptions = EncodingOptions()
    """How events are written."""
    body: Body = "lines"
    """What a request carries: `lines`, events one after the other as in a file; `array`, a JSON array of them; `event`, one event."""  # noqa: E501
    compression: Compression = "none"
    """Of bodies."""
    secret: SecretStr | None = None
    """Sign each request as the Standard Webhooks specification says, with this key: 24 to 64 bytes in base64, also after `whsec_`."""  # noqa: E501
    retry_statuses: Annotated[tuple[Status, ...], Field(max_length=100)] = RETRY_STATUSES
    """Client errors (4xx) after which the same events are sent again; after any other 4xx they are rejected. Always sent again after 3xx and 5xx."""  # noqa: E501

    @field_validator("secret")
    @classmethod
    def _makes_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key_of(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _arrays_are_json(self) -> Self:
        if self.body == "array" and self.encoding.codec == "protobuf":
            raise ValueError('body = "array" is JSON and stands against encoding.codec = "protobuf"; write body = "lines"')
        return self


class HttpSink(Sink):
    """Sends events to a web server."""

    api_version = 1
    Config = HttpSinkConfig
    requires = ("httpx",)
    # a body of about 400 KB: most servers take a megabyte (nginx: client_max_body_size), and a request a second disturbs none
    defaults = SinkDefaults(batch_max_events=500, batch_max_bytes=1 << 20, batch_timeout_secs=1.0)

    def __init__(self, config: HttpSinkConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._codec = codec(config.encoding)
        fields = {name: value.get_secret_value() for name, value in config.headers.items()}
        self._addressing = Addressing(config.url, fields, context.attributes)
        self._key = None if config.secret is None else key_of(config.secret.get_secret_value())
        self._about = {"content-type": self._content_type(), "user-agent": "httpipe"}
        self._about |= ENCODINGS[config.compression]
        self._client = Client(config)

    async def open(self) -> None:
        """Read certificates; connections are made as they are needed."""
        await self._client.open()

    async def write(self, batch: Sequence[Event]) -> None:
        """Send the batch. Raises what is to become of the events that the server has not taken."""
        requests = self._addressing.requests(batch, apart=self._config.body == "event")
        with overflows_counted(self._context, "url_overflow_events", self._addressing.overflows, batch):
            await deliver(requests, partial(self._sent, batch), len(batch))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _sent(self, batch: Sequence[Event], request: Part[Target]) -> Outcome[Target]:
        """What is to become of the events of this request; None where the server has taken them."""
        config, now_ns, (url, fields) = self._config, self._context.now_ns(), request.what
        events = [batch[place] for place in request.places]
        body = await anyio.to_thread.run_sync(body_of, events, self._codec, config.body, config.compression)
        signed = {} if self._key is None else signature(self._key, body, now_ns)
        try:
            answer = await self._client.send(config.method, url, body, {**self._about, **fields, **signed})
        except NotConnected as error:
            return error
        if answer.status == CONTENT_TOO_LARGE and len(request.places) > 1:
            return halves(request)
        return judge(f"{config.method} {url.split('?')[0]}", answer, config.retry_statuses, now_ns)

    def _content_type(self) -> str:
        if self._config.body == "lines" or not self._codec.text:
            return self._codec.content_type
        return "application/json"
