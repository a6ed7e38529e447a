"""The sink `elasticsearch` against OpenSearch, and by `make test-sinks` against Elasticsearch."""

import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sink_servers import Elasticsearch, OpenSearch, Server

from pipeline.api import BackOff, BatchError, NotConnected, Reject
from pipeline.model.events.exchange import Exchange
from pipeline.sinks.elasticsearch.sink import ElasticsearchConfig, ElasticsearchSink
from pipeline.testing.contract import ordinary_events
from pipeline.testing.sink_contract import sink_contract
from tests.sending import COUNT, all_sent, counting, sending
from tests.server_process import available

ANYTHING = {"index_patterns": ["anything-*"], "template": {"mappings": {"enabled": False}}}
"""Of indices that keep documents and look into none: what odd events have in them is no matter of the server."""


RUNNING: list[Server] = []
"""The module's server, for contracts, which ask for no fixture."""


@pytest.fixture(scope="module", autouse=True, params=[OpenSearch, pytest.param(Elasticsearch, marks=pytest.mark.all_sinks)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the module."""
    server: Server = request.param(tmp_path_factory.mktemp("server"))
    with available(server):
        server.ask("PUT", "/_index_template/anything", ANYTHING)
        RUNNING[:] = [server]
        yield server


def make(url: str, **options: Any) -> tuple[ElasticsearchSink, dict[str, int]]:
    """The sink, and what it counts."""
    context, counted = counting()
    return ElasticsearchSink(ElasticsearchConfig.model_validate({"url": url, **options}), context), counted


def index_of(folder: Path) -> str:
    """An index of this folder's own."""
    return f"anything-{folder.name.lower().strip('_')}"


def numbers(index: str) -> list[int]:
    """What is in it, in the order in which it came."""
    server = RUNNING[0]
    server.ask("POST", f"/{index}/_refresh")
    found = server.ask("POST", f"/{index}/_search", {"size": 10_000, "sort": [{"_seq_no": "asc"}]})
    return [hit["_source"]["event"]["sequence"] for hit in found["hits"]["hits"]]


@asynccontextmanager
async def stopped(_folder: Path) -> AsyncIterator[None]:
    """It does not answer meanwhile."""
    server = RUNNING[0]
    server.send(signal.SIGSTOP)
    yield
    server.send(signal.SIGCONT)


TestContract = sink_contract(
    lambda folder: make(RUNNING[0].base, index=index_of(folder), timeout_secs=5.0)[0],
    received=lambda folder: numbers(index_of(folder)),
    down=stopped,
)


@pytest.mark.anyio
async def test_a_data_stream_takes_each_event_once(server: Server) -> None:
    """The sink makes the index template; what it sends again is there already, and counts as delivered."""
    sink, counted = make(server.base, index="logs-once-default", index_template="once")
    await sink.open()
    await sink.healthcheck()
    await sink.write(ordinary_events(0, 100))
    await sink.write(ordinary_events(50, 150))
    await sink.aclose()
    await sink.open()  # the template is there now
    await sink.aclose()
    server.ask("POST", "/logs-once-default/_refresh")
    assert server.ask("GET", "/logs-once-default/_count")["count"] == 150
    assert counted == {"already_there_events": 50}
    [stream] = server.ask("GET", "/_resolve/index/logs-once-default")["data_streams"]
    assert stream["name"] == "logs-once-default"
    if isinstance(server, OpenSearch):  # Maven Central lacks the part of Elasticsearch that answers this
        assert server.ask("GET", "/_data_stream/logs-once-default")["data_streams"][0]["template"] == "once"


@pytest.mark.anyio
async def test_fields_have_the_types_that_questions_need(server: Server) -> None:
    """Addresses are addresses, numbers are numbers, texts are found whole; by the sink's own template."""
    sink, _ = make(server.base, index="logs-typed-default", index_template="typed")
    await sink.open()
    await sink.write(ordinary_events(0, 50))
    await sink.aclose()
    server.ask("POST", "/logs-typed-default/_refresh")

    def count(query: str) -> int:
        return int(server.ask("GET", "/logs-typed-default/_count", q=query)["count"])

    assert count('client.ip:"192.0.2.0/24"') == 50
    assert count("http.response.status_code:>=500") == 8
    assert count('url.path:"/items/7"') == 1
    assert count("event.duration:[1000000 TO 2000000]") == 11  # 1 to 2 ms, in steps of 0.1
    asked = {"size": 1, "sort": [{"@timestamp": "desc"}]}
    newest = server.ask("POST", "/logs-typed-default/_search", asked)["hits"]["hits"][0]
    assert newest["_source"]["event"]["sequence"] == 49


@pytest.mark.anyio
async def test_places_can_be_searched_as_places(server: Server) -> None:
    """What the transform `geoip` adds; who it was is found whole, too."""
    place = {"client.geo.location.lat": 52.5, "client.geo.location.lon": 13.4, "client.autonomous_system.number": 64512}
    sink, _ = make(server.base, index="logs-places-default", index_template="places")
    await sink.open()
    await sink.write([Exchange(timestamp_ns=1, attributes={**place, "k8s.pod.name": "shop-7d9f", "host.name": "node-1"})])
    await sink.aclose()
    server.ask("POST", "/logs-places-default/_refresh")
    near = {"geo_distance": {"distance": "50km", "client.geo.location": {"lat": 52.4, "lon": 13.5}}}
    whole = [
        {"term": {"kubernetes.pod.name": "shop-7d9f"}},
        {"term": {"host.name": "node-1"}},
        {"term": {"client.as.number": 64512}},
    ]
    asked = {"query": {"bool": {"filter": [near, *whole]}}}
    assert server.ask("POST", "/logs-places-default/_count", asked)["count"] == 1


@pytest.mark.anyio
async def test_what_the_mapping_refuses_is_rejected_alone(server: Server) -> None:
    """With the server's words; the others are delivered."""
    server.ask("PUT", "/strict", {"mappings": {"properties": {"labels": {"properties": {"n": {"type": "long"}}}}}})
    events = [Exchange(timestamp_ns=number, attributes={"n": value}) for number, value in enumerate((1, "no number", 3))]
    sink, _ = make(server.base, index="strict")
    await sink.open()
    with pytest.raises(BatchError) as raised:
        await sink.write(events)
    await sink.aclose()
    assert raised.value.failures.keys() == {1}
    failure = raised.value.failures[1]
    assert isinstance(failure, Reject)
    kind = r"(mapper_parsing_exception: |document_parsing_exception: \[\d+:\d+\] )"
    assert re.search(rf"400: {kind}failed to parse field \[labels\.n\] of type \[long\]", str(failure))


@pytest.mark.anyio
async def test_events_wait_for_a_pipeline_that_is_not_there(server: Server) -> None:
    """The server would refuse every single event for good: before the first one, and where it goes away later."""
    sink, _ = make(server.base, index="piped", pipeline="a pipe")
    with pytest.raises(NotConnected, match=r"_ingest/pipeline/a%20pipe answered 404"):
        await sink.open()
    server.ask("PUT", "/_ingest/pipeline/a%20pipe", {"processors": []})
    await sink.open()
    await sink.write(ordinary_events(0, 3))
    server.ask("DELETE", "/_ingest/pipeline/a%20pipe")
    with pytest.raises(BackOff, match=r"400: illegal_argument_exception: pipeline with id \[a pipe\] does not exist"):
        await sink.write(ordinary_events(3, 6))
    await sink.aclose()


@pytest.mark.anyio
async def test_events_wait_for_settings_of_the_server_that_refuse_them_all(server: Server) -> None:
    """400 in the server's own words: an index's pipeline, an alias without an index to write to, a cluster that is full."""
    server.ask("PUT", "/defaulted", {"settings": {"index.default_pipeline": "nightly"}})
    for name in ("one", "two"):
        server.ask("PUT", f"/{name}", {"aliases": {"both": {}}})
    limit = "cluster.max_shards_per_node"
    for index, words in (
        ("defaulted", r"pipeline with id \[nightly\]"),
        ("both", "no write index"),
        ("full", "this action would add"),
    ):
        server.ask("PUT", "/_cluster/settings", {"transient": {limit: 1 if index == "full" else None}})
        sink, _ = make(server.base, index=index)
        await sink.open()
        try:
            with pytest.raises(BackOff, match=f"400: .*{words}"):
                await sink.write(ordinary_events(0, 3))
        finally:
            await sink.aclose()
            server.ask("PUT", "/_cluster/settings", {"transient": {limit: None}})


@pytest.mark.anyio
async def test_a_template_that_cannot_be_made_is_told_in_the_servers_words(server: Server) -> None:
    """Without the JSON around them."""
    taken = {"index_patterns": ["logs-taken-*"], "priority": 500}
    server.ask("PUT", "/_index_template/taken", taken)
    sink, _ = make(server.base, index="logs-taken-{{server.address}}", index_template="other")
    with pytest.raises(
        NotConnected, match=r"PUT .*/_index_template/other answered 400: illegal_argument_exception: index template"
    ):
        await sink.open()
    await sink.aclose()


@pytest.mark.anyio
async def test_an_index_a_day_and_a_host(server: Server) -> None:
    """By templates and time tokens of the event."""
    sink, _ = make(server.base, index="daily-{{server.address}}-%Y.%m.%d", action="index")
    await sink.open()
    await sink.write([Exchange(timestamp_ns=0, server_address="A.Example"), *ordinary_events(0, 2)])
    await sink.aclose()
    found = server.ask("GET", "/_cat/indices/daily-*", format="json")
    assert {each["index"] for each in found} == {"daily-a.example-1970.01.01", "daily-example.com-2023.11.14"}


def test_twenty_thousand_exchanges_pass_a_server_that_is_killed(tmp_path: Path, server: Server) -> None:
    """Killed in the middle of its work: every exchange is there, and none of them twice."""
    table = f'type = "elasticsearch"\nurl = "{server.base}"\nindex_template = "httpipe"\nbatch.max_events = 500'
    with sending(tmp_path, table) as run:
        while written(server) < COUNT // 10:
            assert run.poll() is None
            time.sleep(0.05)
        server.kill()
        assert run.poll() is None
        server.start()
        all_sent(run)
    server.ask("POST", "/logs-httpipe-default/_refresh")
    assert server.ask("GET", "/logs-httpipe-default/_count")["count"] == COUNT


def written(server: Server) -> int:
    """How many the data stream has; 0 before there is one."""
    try:
        return int(server.ask("GET", "/logs-httpipe-default/_stats/indexing")["_all"]["primaries"]["indexing"]["index_total"])
    except (AssertionError, KeyError):
        return 0
