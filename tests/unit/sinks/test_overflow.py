"""Events that go to ``other`` are counted when they are delivered, however often the engine hands them in before."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline.api import BackOff, BatchError, Context, Exchange, NotConnected, Sink
from pipeline.sinks.file.sink import FileConfig, FileSink
from pipeline.sinks.http.sink import HttpSink, HttpSinkConfig
from tests.web_receiver import Receiver

pytestmark = pytest.mark.anyio

MOST = 1000
EVENTS = [Exchange(timestamp_ns=1, httpipe_sequence=number, server_address=f"h{number}") for number in range(MOST + 5)]


def counting(counts: Counter[str]) -> Context:
    """A context that counts there."""
    return Context("it", count=lambda name, by: counts.update({name: by}))


async def fill(sink: Sink, counts: Counter[str]) -> None:
    """Names of its own for as many values as have one."""
    await sink.write(EVENTS[:MOST])
    assert not counts


async def test_what_was_not_delivered_is_counted_when_it_is(tmp_path: Path) -> None:
    """A server that is away for two attempts."""
    counts: Counter[str] = Counter()
    with Receiver(tmp_path) as receiver:
        sink = HttpSink(HttpSinkConfig(url=f"{receiver.base}/{{{{server.address}}}}"), counting(counts))
        await sink.open()
        await fill(sink, counts)
        receiver.kill()
        for _ in range(2):
            with pytest.raises(NotConnected):
                await sink.write(EVENTS[MOST:])
        assert not counts
        receiver.start()
        await sink.write(EVENTS[MOST:])
        await sink.aclose()
    assert counts == {"url_overflow_events": 5}


async def test_of_a_batch_that_is_delivered_in_part_the_rest_is_counted_later(tmp_path: Path) -> None:
    """The engine hands in what is left as another batch."""
    counts: Counter[str] = Counter()
    sink = FileSink(FileConfig(path=str(tmp_path / "%S" / "{{server.address}}")), counting(counts))
    await fill(sink, counts)
    (tmp_path / "02").write_text("in the way of a folder")
    late = [event.replace(timestamp_ns=2_000_000_000) for event in EVENTS[MOST:]]
    with pytest.raises(BatchError) as raised:
        await sink.write([*EVENTS[MOST:], *late])
    assert sorted(raised.value.failures) == list(range(5, 10))
    assert counts == {"path_overflow_events": 5}
    with pytest.raises((BatchError, BackOff)):
        await sink.write(late)
    assert counts == {"path_overflow_events": 5}
    (tmp_path / "02").unlink()
    await sink.write(late)
    await sink.aclose()
    assert counts == {"path_overflow_events": 10}
