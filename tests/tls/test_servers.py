"""HTTPS of real servers, asked by Python, captured at both ends: each of 1,000 requests once, whole, right port, equal bytes."""

import sys
from pathlib import Path

import pytest
from test_clients import CONNECTIONS, COUNT, EACH, assert_same, executables, run
from tls_programs import HERE, CannotBuildError
from tls_recording import recording
from tls_servers import SERVERS, Server, missing
from tls_truth import side

from pipeline.sources.tls.config import TlsConfig


@pytest.mark.anyio
@pytest.mark.parametrize("name", [name for name in SERVERS if name != "nginx"])
async def test_servers(name: str, certificate: Path) -> None:
    """Whatever way they hand their connections from thread to thread."""
    if why := missing(name):
        pytest.skip(why)
    try:
        server = SERVERS[name](Server(certificate))
    except CannotBuildError as error:
        pytest.skip(str(error))
    command = [sys.executable, str(HERE / "clients.py"), "http_client", str(server.port), str(CONNECTIONS), str(EACH)]
    try:
        async with recording(TlsConfig(executables=executables(command, server))) as taken:
            pid = await run(command)
            await taken.until(lambda taken: len(side(taken, {pid, *server.pids}).exchanges) >= 2 * COUNT)
        assert_same(taken, {pid}, server)
    finally:
        server.stop()
