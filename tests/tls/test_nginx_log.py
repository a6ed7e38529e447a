"""A known workload over TLS, and the server's own log to compare with."""

import subprocess

import anyio
import pytest
from tls_recording import Taken, recording
from tls_servers import Server
from tls_truth import side

from pipeline.api import Exchange
from pipeline.sources.tls.config import TlsConfig

REQUESTS = 23
MEGABYTE = 1_000_000

Logged = tuple[str, str, int, int]
"""Method, target, status, bytes of the body: a line of the access log."""


def logged(server: Server) -> list[Logged]:
    """What nginx says that it has answered."""
    lines = (line.split() for line in (server.folder / "access.log").read_text().splitlines())
    return sorted((method, target, int(status), int(size)) for method, target, status, size in lines)


def seen(exchange: Exchange) -> Logged:
    """An exchange as the access log would put it."""
    target = (exchange.url_path or "") + (f"?{exchange.url_query}" if exchange.url_query else "")
    method, status = exchange.http_request_method or "", exchange.http_response_status_code or 0
    return method, target, status, exchange.http_response_body_size or 0


async def curl(server: Server, path: str, *options: str) -> None:
    """Fetch it 23 times; over one connection unless the server closes it."""
    urls = [f"https://127.0.0.1:{server.port}{path}?{number}" for number in range(REQUESTS)]
    await anyio.run_process(["curl", "-sSk", "--http1.1", *options, *urls], stdout=subprocess.DEVNULL)


async def taken_of(server: Server, path: str, *options: str) -> Taken:
    """The workload, captured at the server alone."""
    async with recording(TlsConfig(executables=(server.executable,))) as taken:
        await curl(server, path, *options)
        await taken.until(lambda taken: len(side(taken, server.pids).exchanges) >= REQUESTS)
    return taken


def assert_same(taken: Taken, server: Server) -> None:
    """Exactly what the server logged, nothing marked, nothing lost."""
    exchanges = side(taken, server.pids).exchanges
    assert len(logged(server)) == REQUESTS
    assert sorted(map(seen, exchanges)) == logged(server)
    assert {exchange.httpipe_marks for exchange in exchanges} == {()}
    assert {exchange.url_scheme for exchange in exchanges} == {"https"}
    assert {exchange.server_port for exchange in exchanges} == {server.port}
    assert not {name for name in ("ring_full", "copy_failed", "decoder_internal_errors") if taken.counts[name]}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [(), ("-H", "Connection: close"), ("-Z", "--parallel-max", "12"), ("--tls-max", "1.2")],
    ids=["one connection", "one each", "parallel", "TLS 1.2"],
)
async def test_small_responses(nginx: Server, options: tuple[str, ...]) -> None:
    """23 requests are 23 exchanges, each once, with the version of TLS that was spoken."""
    taken = await taken_of(nginx, "/small", *options)
    assert_same(taken, nginx)
    versions = {exchange.tls_protocol_version for exchange in side(taken, nginx.pids).exchanges}
    assert versions == {"1.2" if "--tls-max" in options else "1.3"}


@pytest.mark.anyio
async def test_large_bodies(nginx: Server) -> None:
    """Bodies of a megabyte and their sizes are exact, though most of their bytes never left the kernel."""
    (nginx.folder / "www" / "file").mkdir()
    (nginx.folder / "www" / "file" / "large").write_bytes(b"x" * MEGABYTE)
    taken = await taken_of(nginx, "/file/large")
    assert_same(taken, nginx)
    assert sum(map(len, taken.streams.values())) < REQUESTS * 100_000


@pytest.mark.anyio
async def test_both_ends_of_a_request_are_two_exchanges(nginx: Server) -> None:
    """Each names its own process."""
    async with recording(TlsConfig(executables=(nginx.executable, "curl"))) as taken:
        await curl(nginx, "/small")
        await taken.until(lambda taken: len(taken.exchanges) >= 2 * REQUESTS)
    names = [exchange.process_executable_name for exchange in taken.exchanges if exchange.server_port == nginx.port]
    assert (names.count("nginx"), names.count("curl")) == (REQUESTS, REQUESTS), taken.counts
