"""What sending costs: each sink against its server's own client, or a plain one that gets its bodies made, in one run.

``python -m benchmarks.sinks NAME…``, all where none is named. Servers are processes of their own, so ``events/CPU s`` is the
client's. The aim: encoding and the sink cost no more than sending does.
"""

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from logging import INFO, LogRecord
from logging.handlers import SysLogHandler
from pathlib import Path
from socket import SOCK_STREAM
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import obstore
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from pipeline.api import Context, Event, Exchange, Sink
from pipeline.codecs.flat import EVERYTHING, to_object_of
from pipeline.codecs.registry import codec
from pipeline.model.events.exchange import EXCHANGE
from pipeline.sinks.clickhouse.sink import ClickHouseSink
from pipeline.sinks.elasticsearch.sink import ElasticsearchSink
from pipeline.sinks.http.sink import HttpSink
from pipeline.sinks.loki.sink import LokiSink
from pipeline.sinks.otlp.context import span_context
from pipeline.sinks.otlp.sink import OtlpSink
from pipeline.sinks.s3.sink import S3Sink
from pipeline.sinks.stdout.lines import in_words
from pipeline.sinks.syslog.sink import SyslogSink
from pipeline.testing.contract import ordinary_events
from tests.sinks.clickhouse_servers import Engine
from tests.sinks.s3_servers import Seaweed

REQUESTS = 400
ROUNDS = 3
SIZES = (1, 100, 500)
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"

Send = Callable[[], Awaitable[object]]


async def serve() -> None:
    """Say yes to every request; the port is the first line of standard output."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def yes_server() -> Iterator[str]:
    """The address of one that says yes to everything."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.sinks", "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


async def per_cpu_second(send: Send, size: int, requests: int = REQUESTS) -> float:
    """Events a second of this process's CPU time, the best of some rounds of requests with ``size`` events."""
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(requests):
            await send()
        best = max(best, requests * size / (time.process_time() - began))
    return best


@contextlib.asynccontextmanager
async def opened(kind: type[Sink], **options: Any) -> AsyncIterator[Sink]:  # noqa: ANN401  each has its own
    """A sink as the engine makes it."""
    sink = kind(kind.Config.model_validate(options), Context("bench"))
    await sink.open()
    try:
        yield sink
    finally:
        await sink.aclose()


def table(name: str, rows: Mapping[int, Mapping[str, float]]) -> None:
    """Rows by the number of events a request."""
    columns = list(next(iter(rows.values())))
    print(f"\n{name:<18}" + "".join(f"{column:>22}" for column in columns) + "   (events/CPU s)")
    for size, rates in rows.items():
        print(f"{size:>18,}" + "".join(f"{rates[column]:>22,.0f}" for column in columns))


async def http() -> None:
    """The sink ``http``."""
    rows = {}
    with yes_server() as url:
        for size in SIZES:
            events = ordinary_events(0, size)
            body = bytes(codec("json").encode_batch(events))
            async with (
                httpx.AsyncClient() as client,
                opened(HttpSink, url=f"{url}/") as plain,
                opened(HttpSink, url=f"{url}/", compression="gzip") as packed,
            ):
                rows[size] = {
                    "httpx alone": await per_cpu_second(partial(client.post, f"{url}/", content=body), size),
                    "http": await per_cpu_second(partial(plain.write, events), size),
                    "gzip": await per_cpu_second(partial(packed.write, events), size),
                }
    table("http", rows)


async def otlp() -> None:
    """The sink ``otlp``, and the same spans made with OpenTelemetry's own Protobuf classes, sent by httpx alone."""
    rows = {}
    with yes_server() as url:
        for size in SIZES:
            events = ordinary_events(0, size)
            async with (
                httpx.AsyncClient() as client,
                opened(OtlpSink, endpoint=url) as plain,
                opened(OtlpSink, endpoint=url, compression="gzip") as packed,
                opened(OtlpSink, endpoint=url, exchanges="logs") as logs,
            ):
                rows[size] = {
                    "own classes + httpx": await per_cpu_second(lambda: client.post(url, content=_spans(events)), size, 100),  # noqa: B023
                    "otlp": await per_cpu_second(partial(plain.write, events), size, 100),
                    "gzip": await per_cpu_second(partial(packed.write, events), size, 100),
                    "as logs": await per_cpu_second(partial(logs.write, events), size, 100),
                }
    table("otlp", rows)


def _spans(events: Sequence[Event]) -> bytes:
    """A request with a span of each event, with the attributes that the sink writes."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for event in events:
        assert isinstance(event, Exchange)
        ids, end = span_context(event), event.timestamp_ns + round((event.httpipe_duration_ms or 0) * 1e6)
        span = spans.add(trace_id=ids.trace_id, span_id=ids.span_id, name=event.http_request_method, kind=2, flags=ids.flags)
        span.start_time_unix_nano, span.end_time_unix_nano = event.timestamp_ns, end
        for name, value in to_object_of(EXCHANGE, EVERYTHING)(event).items():
            if name in ("event.name", "timestamp", "httpipe.duration_ms"):
                continue
            held = span.attributes.add(key=name).value
            if isinstance(value, str):
                held.string_value = value
            elif isinstance(value, int):
                held.int_value = value
            else:
                held.array_value.values.extend(AnyValue(string_value=each) for each in value)
    return request.SerializeToString()


async def loki() -> None:
    """The sink ``loki``: what its server's clients do is make this body, and send it."""
    rows = {}
    with yes_server() as url:
        for size in SIZES:
            events = ordinary_events(0, size)
            lines = codec("json").encode_each(events)
            values = [[str(event.timestamp_ns), line.decode()] for event, line in zip(events, lines, strict=True)]
            body = json.dumps({"streams": [{"stream": {"job": "httpipe"}, "values": values}]}).encode()
            labels = {"job": "httpipe", "status": "{{http.response.status_code}}"}
            async with (
                httpx.AsyncClient() as client,
                opened(LokiSink, url=url, compression="none") as plain,
                opened(LokiSink, url=url, compression="none", labels=labels) as labelled,
                opened(LokiSink, url=url) as packed,
            ):
                rows[size] = {
                    "httpx alone": await per_cpu_second(partial(client.post, url, content=body), size),
                    "loki": await per_cpu_second(partial(plain.write, events), size),
                    "two streams": await per_cpu_second(partial(labelled.write, events), size),
                    "gzip": await per_cpu_second(partial(packed.write, events), size),
                }
    table("loki", rows)


async def elasticsearch() -> None:
    """The sink ``elasticsearch`` against OpenSearch and its own client, which gets its documents made, as objects."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "sinks"))
    from opensearchpy import OpenSearch as TheirClient  # noqa: PLC0415  the server's parts stand with its tests
    from opensearchpy.helpers import bulk  # noqa: PLC0415
    from sink_servers import OpenSearch  # noqa: PLC0415

    rows = {}
    with TemporaryDirectory() as folder, OpenSearch(Path(folder)) as server:
        client = TheirClient(server.base)
        for size in SIZES[1:]:
            events = ordinary_events(0, size)
            made = [json.loads(document) for document in codec("ecs").encode_each(events)]

            async def theirs(made: list[Any] = made) -> None:
                bulk(client, ({"_op_type": "create", "_index": "theirs", "_source": each} for each in made), chunk_size=1000)

            options = {"url": server.base, "compression": "none"}
            async with (
                opened(ElasticsearchSink, **options, index="ours", deduplicate=False) as plain,
                opened(ElasticsearchSink, **options, index="ids", action="index") as ids,
                opened(ElasticsearchSink, url=server.base, index="packed", deduplicate=False) as packed,
            ):
                rows[size] = {
                    "opensearch-py": await per_cpu_second(theirs, size, 40),
                    "elasticsearch": await per_cpu_second(partial(plain.write, events), size, 40),
                    "deduplicate": await per_cpu_second(partial(ids.write, events), size, 40),
                    "gzip": await per_cpu_second(partial(packed.write, events), size, 40),
                }
    table("elasticsearch", rows)


async def syslog() -> None:
    """The sink ``syslog`` over TCP, and the handler of Python's library with text that is made already, in the same framing."""
    rows = {}
    with drain() as port:
        for size in SIZES:
            events = ordinary_events(0, size)
            handler = SysLogHandler(("127.0.0.1", port), socktype=SOCK_STREAM)
            handler.append_nul = False
            records = [LogRecord("bench", INFO, "", 0, in_words(event) + "\n", None, None) for event in events]
            address = f"tcp://127.0.0.1:{port}"
            async with (
                opened(SyslogSink, address=address) as lines,
                opened(SyslogSink, address=address, message="json") as objects,
                opened(SyslogSink, address=address, structured_data=True) as fields,
            ):
                rows[size] = {
                    "SysLogHandler": await per_cpu_second(partial(_handled, handler, records), size, 100),
                    "syslog": await per_cpu_second(partial(lines.write, events), size, 100),
                    "json": await per_cpu_second(partial(objects.write, events), size, 100),
                    "structured data": await per_cpu_second(partial(fields.write, events), size, 100),
                }
            handler.close()
    table("syslog", rows)


async def _handled(handler: SysLogHandler, records: Sequence[LogRecord]) -> None:
    for record in records:
        handler.emit(record)


@contextlib.contextmanager
def drain() -> Iterator[int]:
    """The port of a server that reads and forgets."""
    program = (
        "import socket, threading\n"
        "s = socket.create_server(('127.0.0.1', 0))\n"
        "print(s.getsockname()[1], flush=True)\n"
        "def read(c):\n while c.recv(1 << 20): pass\n"
        "while True: threading.Thread(target=read, args=(s.accept()[0],), daemon=True).start()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


async def clickhouse() -> None:
    """The sink ``clickhouse``, into a table that it makes."""
    rows = {}
    with TemporaryDirectory() as folder, Engine(Path(folder)) as engine:
        query = {"query": "INSERT INTO plain FORMAT JSONEachRow", "input_format_skip_unknown_fields": "1"}
        for size in (100, 1000, 10_000):
            events = ordinary_events(0, size)
            body = bytes(codec("json").encode_batch(events))
            options = {"url": engine.url, "create_table": True, "deduplicate": False}
            async with (
                httpx.AsyncClient(timeout=60) as client,
                opened(ClickHouseSink, table="plain", compression="none", **options) as plain,
                opened(ClickHouseSink, table="packed", compression="zstd", **options) as packed,
            ):
                send = partial(client.post, engine.url, params={**query, "date_time_input_format": "best_effort"}, content=body)
                requests = max(3, 20_000 // size)
                rows[size] = {
                    "httpx alone": await per_cpu_second(send, size, requests),
                    "clickhouse": await per_cpu_second(partial(plain.write, events), size, requests),
                    "zstd": await per_cpu_second(partial(packed.write, events), size, requests),
                }
        packed_rows = int(engine.ask("SELECT count() FROM packed"))
        assert packed_rows == sum(ROUNDS * max(3, 20_000 // size) * size for size in rows)
    table("clickhouse", rows)


async def s3() -> None:
    """The sink ``s3``, and obstore alone, which gets its objects made."""
    rows = {}
    with TemporaryDirectory() as folder, Seaweed(Path(folder)) as server:
        for size in (1000, 10_000):
            events = ordinary_events(0, size)
            body = gzip.compress(bytes(codec("json").encode_batch(events)), 4)
            requests = max(5, 20_000 // size)
            async with (
                opened(S3Sink, **server.options()) as lines,
                opened(S3Sink, compression="zstd", **server.options()) as packed,
                opened(S3Sink, format="parquet", compression="zstd", **server.options()) as columns,
            ):
                alone = partial(obstore.put_async, server.store(), "alone", body)
                rows[size] = {
                    "obstore alone": await per_cpu_second(alone, size, requests),
                    "s3": await per_cpu_second(partial(lines.write, events), size, requests),
                    "zstd": await per_cpu_second(partial(packed.write, events), size, requests),
                    "parquet": await per_cpu_second(partial(columns.write, events), size, requests),
                }
    table("s3", rows)


ALL: Mapping[str, Callable[[], Coroutine[None, None, None]]] = {
    "clickhouse": clickhouse,
    "http": http,
    "elasticsearch": elasticsearch,
    "loki": loki,
    "otlp": otlp,
    "syslog": syslog,
    "s3": s3,
}
"""By the name of the sink."""


def main() -> None:
    """Those that are named, else all."""
    names = sys.argv[1:] or list(ALL)
    if unknown := set(names) - set(ALL):
        sys.exit(f"no sink named {', '.join(sorted(unknown))}; there are: {', '.join(ALL)}")
    for name in names:
        asyncio.run(ALL[name]())


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] == ["serve"] else main()
