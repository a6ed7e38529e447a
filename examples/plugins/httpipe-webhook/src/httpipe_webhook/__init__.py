"""The sink `webhook`: each batch as one signed POST."""

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Annotated

import httpx
from pydantic import Field, HttpUrl, SecretStr, field_validator

from httpipe_webhook.signature import key_of, signature
from pipeline.api import BackOff, Config, Context, Event, Finished, NotConnected, Reject, Sink
from pipeline.codecs.options import EncodingOptions
from pipeline.codecs.registry import codec

NOT_NOW = {408, 425, 429}
"""Request Timeout, Too Early, Too Many Requests: the same request may be taken later (RFC 9110, 8470, 6585)."""
NO_MORE = 410
"""Gone: the receiver wants no more, as the Standard Webhooks specification reads it."""


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

    Config = WebhookConfig

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
            response = await self.client.post(str(self.config.url), content=body, headers=fields)
        except httpx.TransportError as error:
            raise NotConnected(f"{self.config.url.host}: {str(error) or type(error).__name__}") from error
        self.judge(response)

    def judge(self, response: httpx.Response) -> None:
        """What the answer means to the engine."""
        status = response.status_code
        said = f"{self.config.url.host} answered {status} {response.reason_phrase}"
        if response.is_success:
            return
        if status in NOT_NOW or response.is_server_error:
            raise BackOff(retry_after(response.headers.get("retry-after", ""), self.now_ns()), said)
        raise Finished(said) if status == NO_MORE else Reject(said)

    async def aclose(self) -> None:
        """Close; safe twice, and safe unopened."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()


def retry_after(value: str, now_ns: int) -> float | None:
    """The pause that a Retry-After field asks for, in seconds or as a date (RFC 9110, section 10.2.3).

    None where it asks for nothing that can be understood, or for no pause at all: then the engine's own backoff does.
    """
    if value.isascii() and value.isdigit():
        return float(value) or None
    try:
        pause = parsedate_to_datetime(value).timestamp() - now_ns / 1e9
    except (ValueError, OverflowError):
        return None
    return pause if pause > 0 else None
