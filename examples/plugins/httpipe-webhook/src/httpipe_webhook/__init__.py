"""The sink `webhook`: each batch as one signed POST."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import httpx
from pydantic import Field, HttpUrl, SecretStr, field_validator

from httpipe import Config, Context, EncodingOptions, Event, NotConnected, Sink, SinkDefaults, codec
from httpipe_webhook.answer import judge, skim
from httpipe_webhook.signature import key_of, signature


class WebhookConfig(Config):
    """Options of the `webhook` sink."""

    url: HttpUrl
    """Where to send."""
    secret: SecretStr
    """The key: 24 to 64 bytes in base64, also after `whsec_`. Write `"${NAME}"` to take it from the environment."""
    headers: Mapping[str, SecretStr] = {}
    """More header fields, such as `authorization`."""
    encoding: EncodingOptions = EncodingOptions()
    """How the events of a batch are written."""
    timeout_secs: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long to wait for the connection, and then for every piece of the answer."""

    @field_validator("secret")
    @classmethod
    def _makes_a_key(cls, value: SecretStr) -> SecretStr:
        key_of(value.get_secret_value())
        return value


class Webhook(Sink):
    """Each batch as one signed POST."""

    api_version = 1
    Config = WebhookConfig
    defaults = SinkDefaults(batch_max_events=100, batch_timeout_secs=1.0)  # a request each second, of a size that servers take

    def __init__(self, config: WebhookConfig, context: Context) -> None:
        """Keep what requests are made of; nothing is connected yet."""
        self.config = config
        self.now_ns = context.now_ns
        self.codec = codec(config.encoding)
        self.key = key_of(config.secret.get_secret_value())
        self.fields = {name.lower(): value.get_secret_value() for name, value in config.headers.items()}
        self.fields["content-type"] = self.codec.content_type
        self.client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        """Make a pool of connections; they are opened as they are needed."""
        self.client = httpx.AsyncClient(timeout=self.config.timeout_secs)

    async def write(self, batch: Sequence[Event]) -> None:
        """Post the batch; any answer of the 2xx class means delivered."""
        if self.client is None:
            raise NotConnected("not open")
        body = bytes(self.codec.encode_batch(batch))
        fields = self.fields | signature(self.key, body, self.now_ns())
        try:
            async with self.client.stream("POST", str(self.config.url), content=body, headers=fields) as response:
                await skim(response)
        except httpx.TransportError as error:
            raise NotConnected(f"{self.config.url.host}: {str(error) or type(error).__name__}") from error
        judge(response, self.now_ns())

    async def aclose(self) -> None:
        """Close; safe twice, and safe unopened."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()
