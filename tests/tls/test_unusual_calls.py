"""OpenSSL used in its less usual ways: each request once, whole, with the right port, and the bytes of both ends equal."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from test_clients import assert_same, run
from tls_programs import c_program
from tls_recording import Taken, recording
from tls_servers import Server, haproxy_of_bytes
from tls_truth import assert_right, side

from pipeline.sources.tls.config import TlsConfig

CONNECTIONS, EACH = 20, 10
COUNT = CONNECTIONS * EACH

WAYS = ("peek", "passed", "jump", "fork")
MORE_WAYS = ("extended", "bytes", "zero", "update", "duplicate")
"""As ``programs/calls.c`` has them; the second ones are for ``make test-tls``."""
LARGE = 300_000
"""Bytes of a body, as there."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client."""
    return c_program("calls", tmp_path_factory.mktemp("calls"), "-lssl", "-lcrypto", "-pthread")


@pytest.fixture
def proxy(certificate: Path, nginx: Server) -> Generator[Server, None, None]:
    """It takes TLS off what it passes to nginx."""
    server = haproxy_of_bytes(Server(certificate), nginx.port)
    yield server
    server.stop()


async def taken_of(calls: Path, way: str, server: Server, nginx: Server, count: int) -> tuple[Taken, int]:
    """What was captured of the client and of nginx, and the client's pid."""
    async with recording(TlsConfig(executables=(str(calls), nginx.executable))) as taken:
        pid = await run([str(calls), str(server.port), str(CONNECTIONS), str(EACH), way])
        await taken.until(lambda taken: len(side(taken, nginx.pids).exchanges) >= count)
    return taken, pid


@pytest.mark.anyio
@pytest.mark.parametrize("way", [*WAYS, *(pytest.param(way, marks=pytest.mark.thorough) for way in MORE_WAYS)])
async def test_calls(way: str, calls: Path, nginx: Server) -> None:
    """Of a process and its children."""
    taken, pid = await taken_of(calls, way, nginx, nginx, COUNT)
    clients = {exchange.process_pid or 0 for exchange in taken.exchanges if exchange.process_executable_path == str(calls)}
    assert pid in clients or way == "fork"
    for pids in (clients, nginx.pids):
        assert side(taken, pids).unknown == 0
    assert_same(taken, clients, nginx, COUNT)


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["large", "partial", "absent"])
async def test_large_writes(way: str, calls: Path, nginx: Server) -> None:
    """Bodies have their exact size at both ends.

    They are written at once, in whatever parts the socket takes, or out of memory that is in no page table when the call
    returns: then probes wait for it, and nothing is lost.
    """
    taken, pid = await taken_of(calls, way, nginx, nginx, COUNT)
    for pids in ({pid}, nginx.pids):
        assert_right(side(taken, pids), COUNT)
        assert {each.http_request_body_size for each in side(taken, pids).exchanges} == {LARGE}
    assert not taken.counts["copy_failed"]


@pytest.mark.anyio
async def test_probes_that_wait(calls: Path, nginx: Server) -> None:
    """While one waits for a page, the probes of other tasks run on the same processor, and neither harms the other."""
    processor = min(os.sched_getaffinity(0))
    for pid in nginx.pids:
        os.sched_setaffinity(pid, {processor})
    async with recording(TlsConfig(executables=(str(calls), nginx.executable))) as taken:
        command = ["taskset", "--cpu-list", str(processor), str(calls), str(nginx.port), str(CONNECTIONS), str(EACH), "late"]
        pid = await run(command)
        await taken.until(lambda taken: len(side(taken, {pid, *nginx.pids}).exchanges) >= 2 * COUNT)
    assert_same(taken, {pid}, nginx, COUNT)
    assert not taken.counts["copy_failed"]


@pytest.mark.anyio
async def test_early_data(calls: Path, nginx: Server) -> None:
    """A request that comes before the handshake is over is the first of its connection."""
    count = COUNT + CONNECTIONS - 1
    taken, pid = await taken_of(calls, "early", nginx, nginx, count)
    assert_same(taken, {pid}, nginx, count)
    for pids in ({pid}, nginx.pids):
        assert sum((each.url_path or "").endswith("-early") for each in side(taken, pids).exchanges) == CONNECTIONS - 1


@pytest.mark.anyio
async def test_tls_within_tls(calls: Path, nginx: Server, proxy: Server) -> None:
    """What the inner connection says is captured, with the socket of the outer one; the outer one's bytes are not HTTP."""
    taken, pid = await taken_of(calls, "within", proxy, nginx, COUNT)
    exchanges = side(taken, {pid}).exchanges
    assert len({each.url_path for each in exchanges}) == len(exchanges) == COUNT
    assert {each.httpipe_marks for each in exchanges} == {()}
    assert {each.server_port for each in exchanges} == {proxy.port}
    assert [f"/calls/{each.client_port}" for each in exchanges] == [
        (each.url_path or "").rpartition("/")[0] for each in exchanges
    ]
