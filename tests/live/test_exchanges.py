"""A known workload, and the server's own log to compare with."""

import subprocess

import anyio
import pytest
from live_namespace import Namespace
from live_nginx import Logged, Nginx, Serve
from live_recording import Recording, recording

from pipeline.api import Exchange
from pipeline.sources.bpf.config import BpfConfig

REQUESTS = 23
MEGABYTE = 1_000_000


def seen(exchange: Exchange) -> Logged:
    """An exchange as the access log would put it."""
    target = (exchange.url_path or "") + (f"?{exchange.url_query}" if exchange.url_query else "")
    method, status = exchange.http_request_method or "", exchange.http_response_status_code or 0
    return Logged(method, target, status, exchange.http_response_body_size or 0)


async def curl(namespace: Namespace, url: str, *options: str) -> None:
    """Fetch it 23 times, in a namespace; over one connection unless the server closes it."""
    urls = [f"{url}?{number}" for number in range(REQUESTS)]
    await anyio.run_process(namespace.command("curl", "-sS", "-g", *options, *urls), stdout=subprocess.DEVNULL)


def assert_same(taken: Recording, server: Nginx, *, count: int = REQUESTS) -> None:
    """Exactly what the server logged, nothing marked, nothing lost."""
    assert len(server.logged()) == count
    assert sorted(map(seen, taken.exchanges)) == sorted(server.logged())
    assert {exchange.httpipe_marks for exchange in taken.exchanges} == {()}
    assert_nothing_lost(taken)


def assert_nothing_lost(taken: Recording) -> None:
    """No counter of a loss has moved."""
    losses = ("ring_full", "nested", "copy_failed", "segment_cut", "table_full", "waiting_full", "decoder_internal_errors")
    assert {name: taken.counts[name] for name in losses} == dict.fromkeys(losses, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("port", [80, 18080])
@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_loopback(namespace: Namespace, serve: Serve, loader: str, address: str, port: int) -> None:
    """23 requests over loopback are 23 exchanges, each once."""
    server = serve(namespace, [f"{address}:{port}"])
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await curl(namespace, f"http://{address}:{port}/small")
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["10.9.0.2", "[fd09::2]"])
async def test_at_the_client(namespace: Namespace, neighbour: Namespace, serve: Serve, loader: str, address: str) -> None:
    """23 requests from one namespace to another are 23 exchanges where the client is, on every interface."""
    server = serve(neighbour, [f"{address}:80"])
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await curl(namespace, f"http://{address}/small")
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["10.9.0.2", "[fd09::2]"])
async def test_at_the_server(namespace: Namespace, neighbour: Namespace, serve: Serve, loader: str, address: str) -> None:
    """They are 23 exchanges where the server is, on a named interface."""
    server = serve(neighbour, [f"{address}:80"])
    async with recording(BpfConfig(loader=loader, interfaces=("wire",)), neighbour) as taken:
        await curl(namespace, f"http://{address}/small")
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)


@pytest.mark.anyio
async def test_one_connection_each(namespace: Namespace, serve: Serve, loader: str) -> None:
    """Without keep-alive each exchange has its own connection, whose opening and closing are seen."""
    server = serve(namespace, ["127.0.0.1:80"])
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await curl(namespace, "http://127.0.0.1/small", "-H", "Connection: close")
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)
    assert len({exchange.httpipe_connection for exchange in taken.exchanges}) == REQUESTS
    # waiting for nginx showed one connection without HTTP before capturing began
    assert taken.counts["connections"] == taken.counts["ended"] == REQUESTS


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options", [(), ("-H", "Connection: close"), ("-Z", "--parallel-max", "12")], ids=["one", "each", "parallel"]
)
async def test_large_bodies(namespace: Namespace, serve: Serve, loader: str, options: tuple[str, ...]) -> None:
    """Bodies of a megabyte and their sizes are exact, though most of their bytes never left the kernel.

    Over one connection, one connection each (23 initial sequence numbers), and twelve at once.
    """
    server = serve(namespace, ["127.0.0.1:80"])
    server.file("large", MEGABYTE)
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await curl(namespace, "http://127.0.0.1/large", *options)
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)
    assert sum(len(segment.payload) for segment in taken.segments) < REQUESTS * 100_000


@pytest.mark.anyio
async def test_large_requests(namespace: Namespace, serve: Serve, loader: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sizes of large request bodies are exact too, where the server reads them before it answers."""
    server = serve(namespace, ["127.0.0.1:80"])
    body = tmp_path_factory.mktemp("client") / "body"
    body.write_bytes(b"x" * MEGABYTE)
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        await curl(namespace, "http://127.0.0.1/upload", "--data-binary", f"@{body}")
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)
    assert {exchange.http_request_body_size for exchange in taken.exchanges} == {MEGABYTE}


@pytest.mark.anyio
async def test_pipelining(namespace: Namespace, serve: Serve, loader: str) -> None:
    """23 requests sent at once are 23 exchanges in their order."""
    server = serve(namespace, ["127.0.0.1:80"])
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        with namespace.entered():
            await pipeline([f"/small?{number}" for number in range(REQUESTS)])
        await taken.until(lambda taken: len(taken.exchanges) >= REQUESTS)
    assert_same(taken, server)
    assert [seen(exchange) for exchange in taken.exchanges] == server.logged()


@pytest.mark.anyio
async def test_pipelining_behind_a_large_body(namespace: Namespace, serve: Serve, loader: str) -> None:
    """Behind a megabyte that was not copied every exchange is right, or it carries a mark that says what is missing."""
    server = serve(namespace, ["127.0.0.1:80"])
    server.file("large", MEGABYTE)
    targets = [f"/large?{number}" if number % 5 == 1 else f"/small?{number}" for number in range(REQUESTS)]
    async with recording(BpfConfig(loader=loader), namespace) as taken:
        with namespace.entered():
            await pipeline(targets)
    logged = {line.target: line for line in server.logged()}
    assert len(logged) == REQUESTS
    assert {seen(exchange).target for exchange in taken.exchanges} >= set(targets)
    for exchange in taken.exchanges:
        line = seen(exchange)
        assert line == logged.get(line.target) or exchange.httpipe_marks
    assert_nothing_lost(taken)


async def pipeline(targets: list[str]) -> None:
    """All requests in one go, then read until the server closes."""
    last = len(targets) - 1
    async with await anyio.connect_tcp("127.0.0.1", 80) as stream:
        for number, target in enumerate(targets):
            close = "Connection: close\r\n" if number == last else ""
            await stream.send(f"GET {target} HTTP/1.1\r\nHost: nginx\r\n{close}\r\n".encode())
        try:
            while True:
                await stream.receive()
        except anyio.EndOfStream:
            return
