"""HTTPS of real clients to nginx, captured at both ends: each of 1,000 requests once, whole, with the right port, equal bytes."""

import shutil
import subprocess
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread
import pytest
from tls_clients import CLIENTS, THOROUGH, Client, files
from tls_programs import CannotBuildError, netty
from tls_recording import Taken, recording
from tls_servers import Server
from tls_truth import assert_right, different_streams, side

from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.survey import survey
from tests.waiting import until

CONNECTIONS, EACH = 100, 10
COUNT = CONNECTIONS * EACH
CLIENT_SECS = 60

LENGTHS_SUFFICE = {"asyncio", "uvloop", "node"}
"""TLS between memory and memory: which socket a connection has follows from lengths, and not for every connection at once."""


async def run(command: list[str]) -> int:
    """A client, to its end; its pid."""
    with anyio.fail_after(CLIENT_SECS):
        async with await anyio.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as client:
            assert client.stderr
            words = b"".join([part async for part in client.stderr])
            assert await client.wait() == 0, words[-1000:]
            return client.pid


def executables(command: list[str], server: Server) -> tuple[str, ...]:
    """Of the client and of the server, as the kernel calls them."""
    return (str(Path(shutil.which(command[0]) or command[0]).resolve()), server.executable)


def assert_same(taken: Taken, clients: set[int], server: Server, count: int = COUNT) -> None:
    """What the clients saw, what the server saw, and that both saw the same bytes."""
    assert_right(side(taken, clients), count)
    assert_right(side(taken, server.pids), count)
    equal, different = different_streams(taken, clients | server.pids)
    assert different == []
    assert equal > 0


Returns = Literal["auto", "instructions"]


async def capture(client: Client, server: Server, folder: Path, returns: Returns = "auto") -> tuple[Taken, int]:
    """The client's requests, and its pid."""
    try:
        command = client.command(server.port, CONNECTIONS, EACH, folder)
    except CannotBuildError as error:
        pytest.skip(str(error))
    config = TlsConfig(executables=executables(command, server), files=files(client, command), returns=returns)
    async with recording(config) as taken:
        pid = await run(command)
        await taken.until(lambda taken: len(side(taken, {pid, *server.pids}).exchanges) >= 2 * COUNT)
    return taken, pid


@pytest.mark.anyio
@pytest.mark.parametrize("name", CLIENTS)
async def test_clients(name: str, nginx: Server, tmp_path: Path) -> None:
    """Captured whole at both ends, and with the library that the client speaks by."""
    client = CLIENTS[name]
    taken, pid = await capture(client, nginx, tmp_path)
    assert_same(taken, {pid}, nginx)
    theirs = side(taken, {pid})
    assert {exchange.httpipe_tls_library for exchange in theirs.exchanges} == {client.library}
    if name not in LENGTHS_SUFFICE:
        assert theirs.unknown == 0


@pytest.mark.anyio
@pytest.mark.thorough
@pytest.mark.parametrize("name", THOROUGH)
async def test_more_clients(name: str, nginx: Server, tmp_path: Path) -> None:
    """The same of versions and forms of Go that this machine has to fetch."""
    taken, pid = await capture(THOROUGH[name], nginx, tmp_path)
    assert_same(taken, {pid}, nginx)
    assert side(taken, {pid}).unknown == 0


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["curl, fifty at once", "uvloop", "curl_cffi", "node"])
async def test_clients_without_return_probes(name: str, nginx: Server, tmp_path: Path) -> None:
    """The same where the ends of calls are seen at return instructions."""
    taken, pid = await capture(CLIENTS[name], nginx, tmp_path, "instructions")
    assert_same(taken, {pid}, nginx)


@pytest.mark.anyio
@pytest.mark.thorough
async def test_a_library_that_is_deleted_once_it_is_loaded(nginx: Server) -> None:
    """Netty unpacks BoringSSL into a file, loads it, and deletes it; it is attached to by way of the process."""
    try:
        command = [*netty(), str(nginx.port), str(CONNECTIONS), str(EACH)]
    except CannotBuildError as error:
        pytest.skip(str(error))
    async with recording(TlsConfig(executables=("java", nginx.executable))) as taken:
        async with await anyio.open_process(command, stderr=None) as client:
            assert client.stdin
            assert client.stdout
            with anyio.fail_after(CLIENT_SECS):
                assert (await client.stdout.receive()).startswith(b"loaded")
                await anyio.to_thread.run_sync(until, lambda: is_attached(client.pid))
                await client.stdin.send(b"\n")
                assert await client.wait() == 0
        await taken.until(lambda taken: len(side(taken, {client.pid, *nginx.pids}).exchanges) >= 2 * COUNT)
    assert_same(taken, {client.pid}, nginx)
    assert {exchange.httpipe_tls_library for exchange in side(taken, {client.pid}).exchanges} == {"boringssl"}


def is_attached(pid: int) -> bool:
    """Whether probes are in a process."""
    return any(process.attached for process in survey().processes if process.pid == pid)
