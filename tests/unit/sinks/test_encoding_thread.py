"""Sinks of large batches encode beside the event loop, which other sinks, sources and the control socket share."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Context, Sink
from pipeline.model.events.exchange import Exchange
from pipeline.sinks.elasticsearch.sink import ElasticsearchConfig, ElasticsearchSink
from pipeline.sinks.http.sink import HttpSink, HttpSinkConfig
from pipeline.sinks.loki.sink import LokiConfig, LokiSink
from pipeline.sinks.otlp.sink import OtlpSink, OtlpSinkConfig
from tests.web_receiver import Receiver


class Telling(dict[str, Any]):
    """Attributes that say which threads read them."""

    def __init__(self) -> None:
        super().__init__(flag=True)
        self.threads: set[int] = set()

    def items(self) -> Any:
        """The pairs."""
        self.threads.add(threading.get_ident())
        return super().items()

    def keys(self) -> Any:
        """The names."""
        self.threads.add(threading.get_ident())
        return super().keys()

    def __iter__(self) -> Iterator[str]:
        self.threads.add(threading.get_ident())
        return super().__iter__()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "made",
    [
        lambda url: ElasticsearchSink(ElasticsearchConfig(url=url), Context("e")),
        lambda url: LokiSink(LokiConfig(url=url), Context("l")),
        lambda url: OtlpSink(OtlpSinkConfig(endpoint=url), Context("o")),
        lambda url: HttpSink(HttpSinkConfig(url=url), Context("h")),
    ],
    ids=["elasticsearch", "loki", "otlp", "http"],
)
async def test_events_are_encoded_in_a_thread(tmp_path: Path, made: Callable[[str], Sink]) -> None:
    """Ten milliseconds a batch that nobody else waits for."""
    attributes = Telling()
    with Receiver(tmp_path) as receiver:
        receiver.answer((200, {}, '{"errors":false,"items":[]}'))
        sink = made(receiver.base)
        await sink.open()
        await sink.write([Exchange(timestamp_ns=0, attributes=attributes)])
        await sink.aclose()
    assert attributes.threads
    assert threading.get_ident() not in attributes.threads
