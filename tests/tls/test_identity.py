"""Programs in which it is hard to tell which socket a TLS connection has: no exchange may have somebody else's addresses."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from tls_clients import CLIENTS
from tls_programs import HERE
from tls_recording import Taken, recording
from tls_servers import Server
from tls_truth import assert_right, side

from pipeline.model.records import reverse
from pipeline.sources.tls.config import TlsConfig

CONNECTIONS, EACH = 100, 10
COUNT = CONNECTIONS * EACH
ROUNDS = 10
"""Of ``make test-tls``; CI runs one."""
CLIENT_SECS = 60
ALL = TlsConfig(executables=("any",))

ONCE_AND_ALL = [pytest.param(1, id="once"), pytest.param(ROUNDS, id="all", marks=pytest.mark.thorough)]


async def run(command: list[str]) -> None:
    """A client, to its end."""
    with anyio.fail_after(CLIENT_SECS):
        done = await anyio.run_process(command, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def of(server: Server, taken: Taken) -> Taken:
    """What was asked of a server, by its Host field: others may use the same programs at the same time."""
    mine, host = Taken(), f"127.0.0.1:{server.port}".encode()
    asked = {key for key, stream in taken.streams.items() if host in stream}
    mine.streams = {key: stream for key, stream in taken.streams.items() if key in asked or reverse(key) in asked}
    mine.exchanges = [exchange for exchange in taken.exchanges if exchange.server_port == server.port]
    return mine


def assert_none_wrong(taken: Taken, server: Server) -> None:
    """Of the requests to a server; all of them are there, whole, at both ends."""
    for serving in (True, False):
        assert_right(side(of(server, taken), server.pids, serving=serving), COUNT)


@pytest.mark.anyio
@pytest.mark.parametrize("rounds", ONCE_AND_ALL)
@pytest.mark.parametrize("how", ["offload", "pool"])
async def test_threads_that_share_the_work(how: str, rounds: int, certificate: Path, tmp_path: Path) -> None:
    """Where the thread that receives is not the one that decrypts, the server's end goes without addresses; no wrong ones."""
    server = Server(tmp_path, certificate)
    server.start(sys.executable, str(HERE / "threads.py"), str(server.port), str(certificate), how)
    try:
        for _ in range(rounds):
            async with recording(ALL) as taken:
                await run(CLIENTS["http.client"].command(server.port, CONNECTIONS, EACH, tmp_path))
                await taken.until(lambda taken: len(of(server, taken).exchanges) >= 2 * COUNT)
            assert_none_wrong(taken, server)
            assert side(of(server, taken), server.pids, serving=False).unknown == 0
            assert not taken.counts["ring_full"]
    finally:
        server.stop()


@pytest.mark.anyio
@pytest.mark.parametrize("rounds", ONCE_AND_ALL)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_proxy_on_one_loop(loop: str, rounds: int, nginx: Server, certificate: Path, tmp_path: Path) -> None:
    """TLS and plain servers and clients on one thread: no wrong address at any end, and few connections without."""
    options = [loop] if loop == "uvloop" else []
    proxy = Server(tmp_path, certificate)
    proxy.start(sys.executable, str(HERE / "proxy.py"), str(proxy.port), str(certificate), str(nginx.port), *options)
    try:
        for _ in range(rounds):
            async with recording(ALL) as taken:
                await run([sys.executable, str(HERE / "slow.py"), str(proxy.port), str(CONNECTIONS), str(EACH), *options])
                await taken.until(lambda taken: len(of(proxy, taken).exchanges) >= 2 * COUNT)
            assert_none_wrong(taken, proxy)
            for serving in (True, False):
                seen = side(of(nginx, taken), nginx.pids, serving=serving)
                assert seen.wrong == []
                assert seen.unknown < len(seen.exchanges) / 10
    finally:
        proxy.stop()
