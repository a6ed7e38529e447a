"""HTTPS of real clients to nginx, captured at both ends: each of 1,000 requests once, whole, with the right port, equal bytes."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from tls_clients import CLIENTS, THOROUGH, Client
from tls_programs import CannotBuildError
from tls_recording import Taken, recording
from tls_servers import Server
from tls_truth import assert_right, different_streams, side

from pipeline.sources.tls.config import TlsConfig

CONNECTIONS, EACH = 100, 10
COUNT = CONNECTIONS * EACH
CLIENT_SECS = 60

LENGTHS_SUFFICE = {"asyncio", "uvloop"}
"""TLS between memory and memory: which socket a connection has follows from lengths, and not for every connection at once."""


async def run(command: list[str]) -> None:
    """A client, to its end."""
    with anyio.fail_after(CLIENT_SECS):
        done = await anyio.run_process(command, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def executables(command: list[str], server: Server) -> tuple[str, ...]:
    """Of the client and of the server, as the kernel calls them."""
    found = subprocess.run(["which", command[0]], capture_output=True, text=True, check=True).stdout.strip()
    return (os.path.realpath(found), server.executable)


def assert_same(taken: Taken, server: Server, count: int = COUNT) -> None:
    """Of both ends."""
    for serving in (True, False):
        assert_right(side(taken, server.pids, serving=serving), count)
    equal, different = different_streams(taken)
    assert different == []
    assert equal > 0


async def capture(client: Client, server: Server, folder: Path) -> Taken:
    """The client's requests."""
    try:
        command = client.command(server.port, CONNECTIONS, EACH, folder)
    except CannotBuildError as error:
        pytest.skip(str(error))
    async with recording(TlsConfig(executables=executables(command, server))) as taken:
        await run(command)
        await taken.until(lambda taken: len(taken.exchanges) >= 2 * COUNT)
    return taken


@pytest.mark.anyio
@pytest.mark.parametrize("name", CLIENTS)
async def test_clients(name: str, nginx: Server, tmp_path: Path) -> None:
    """Captured whole at both ends, and with the library that the client speaks by."""
    client = CLIENTS[name]
    taken = await capture(client, nginx, tmp_path)
    assert_same(taken, nginx)
    theirs = side(taken, nginx.pids, serving=False)
    assert {exchange.httpipe_tls_library for exchange in theirs.exchanges} == {client.library}
    if name not in LENGTHS_SUFFICE:
        assert theirs.unknown == 0


@pytest.mark.anyio
@pytest.mark.thorough
@pytest.mark.parametrize("name", THOROUGH)
async def test_more_clients(name: str, nginx: Server, tmp_path: Path) -> None:
    """The same of versions and forms of Go that this machine has to fetch."""
    taken = await capture(THOROUGH[name], nginx, tmp_path)
    assert_same(taken, nginx)
    assert sys.platform == "linux"
