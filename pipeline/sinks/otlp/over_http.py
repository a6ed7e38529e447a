"""OTLP over HTTP: one POST with a Protobuf body for each request."""

from collections.abc import Mapping

import anyio.to_thread

from pipeline.api import NotConnected
from pipeline.errors import SinkSignal
from pipeline.sinks.compression import ENCODINGS, Compression, compressed
from pipeline.sinks.http.client import Client, RequestOptions
from pipeline.sinks.otlp.answer import PROTOBUF, judge_answer
from pipeline.sinks.otlp.signals import Signal


class OverHttp:
    """Sends to ``endpoint/v1/traces`` and the like."""

    def __init__(self, options: RequestOptions, endpoint: str, fields: Mapping[str, str], compression: Compression) -> None:
        self._endpoint = endpoint
        self._client = Client(options)
        self._compression = compression
        self._fields = {**fields, "content-type": PROTOBUF, "user-agent": "httpipe", **ENCODINGS[compression]}

    async def open(self) -> None:
        """As the client's."""
        await self._client.open()

    async def export(self, signal: Signal, body: bytes, now_ns: int) -> SinkSignal | bytes:
        """The response where the server has taken the request, else what is to become of its events."""
        url = f"{self._endpoint}/v1/{signal}"
        if self._compression != "none":
            body = await anyio.to_thread.run_sync(compressed, body, self._compression)
        try:
            answer = await self._client.send("POST", url, body, self._fields)
        except NotConnected as error:
            return error
        return judge_answer(f"POST {url}", answer, now_ns) or answer.body

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
