"""The sink `loki` against VictoriaLogs, which takes Loki's push API, and the sink `elasticsearch` against its bulk API."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sink_servers import VictoriaLogs

from pipeline.api import Context, Sink
from pipeline.codecs.registry import codec
from pipeline.sinks.elasticsearch.sink import ElasticsearchSink
from pipeline.sinks.loki.sink import LokiSink
from pipeline.testing.contract import odd_events, ordinary_events
from tests.sending import COUNT, all_sent, sending
from tests.server_process import available

PUSH = "/insert/loki/api/v1/push"
pytestmark = pytest.mark.all_sinks


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaLogs]:
    """One for the module."""
    with available(VictoriaLogs(tmp_path_factory.mktemp("victoria-logs"))) as running:
        yield running


async def sent(kind: type[Sink], events: Any, **options: Any) -> None:
    """Open, write, close."""
    sink = kind(kind.Config.model_validate(options), Context("logs"))
    try:
        await sink.open()
        await sink.healthcheck()
        await sink.write(events)
    finally:
        await sink.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_streams_lines_and_metadata_arrive(server: VictoriaLogs, compression: str) -> None:
    """Labels make the stream, the line is the encoded event, the time has its nanoseconds."""
    await sent(
        LokiSink,
        ordinary_events(0, 20),
        url=f"{server.base}{PUSH}",
        labels={"job": f"whole-{compression}", "status": "{{http.response.status_code}}"},
        structured_metadata={"path": "{{url.path}}"},
        compression=compression,
    )
    found = server.entries(f'job:="whole-{compression}"')
    assert [each["path"] for each in found] == [f"/items/{number}" for number in range(20)]
    assert found[3]["_time"] == "2023-11-14T22:13:20.003Z"
    assert {each["_stream"] for each in found} == {
        f'{{job="whole-{compression}",status="{status}"}}' for status in ("200", "500")
    }
    # it takes JSON in lines apart, into texts
    for each, line in zip(found, codec("json").encode_each(ordinary_events(0, 20)), strict=True):
        assert {
            name: str(value) for name, value in json.loads(line).items() if not isinstance(value, float)
        }.items() <= each.items()


@pytest.mark.anyio
async def test_it_takes_whatever_the_wire_can_hold(server: VictoriaLogs) -> None:
    """Of each odd event that has a time of this century one entry, but for those that are larger than it takes."""
    events = [event for event in odd_events() if 0 < event.timestamp_ns < 1 << 61 and event.memory_bytes < 100_000]
    await sent(LokiSink, events, url=f"{server.base}{PUSH}", labels={"job": "odd", "host": "{{server.address}}"})
    assert server.count('job:="odd"') == len(events) == 7


@pytest.mark.anyio
async def test_the_bulk_api_of_others_takes_documents(server: VictoriaLogs) -> None:
    """With the path in front of it."""
    await sent(ElasticsearchSink, ordinary_events(0, 30), url=f"{server.base}/insert/elasticsearch", index="bulk")
    assert server.count('ecs.version:* url.path:"/items/"') == 30


def test_twenty_thousand_exchanges_pass_a_server_that_is_ended_and_started(tmp_path: Path, server: VictoriaLogs) -> None:
    """All are there, twice at most what was on its way. It is ended by SIGTERM: killed, it loses what it had said yes to."""
    table = (
        f'type = "loki"\nurl = "{server.base}{PUSH}"\nlabels.job = "many"\n'
        'structured_metadata.path = "{{url.path}}"\nbatch.max_events = 100'
    )
    with sending(tmp_path, table) as run:
        while server.count('job:="many"') < COUNT // 10:
            assert run.poll() is None
            time.sleep(0.02)
        server.stop()
        assert run.poll() is None
        server.start()
        all_sent(run)
    assert len({each["path"] for each in server.entries('job:="many"')}) == COUNT
    assert COUNT <= server.count('job:="many"') <= COUNT + 100
