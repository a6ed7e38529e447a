"""Programs in which it is hard to tell which socket a TLS connection has: no exchange may have somebody else's addresses."""

import sys
from pathlib import Path

import pytest
from test_clients import CONNECTIONS, COUNT, EACH, run
from tls_clients import CLIENTS
from tls_programs import HERE, go_program
from tls_recording import Taken, recording
from tls_servers import Server
from tls_truth import Side, assert_right, side

from pipeline.sources.tls.config import TlsConfig

ROUNDS = 10
"""Of ``make test-tls``; CI runs one."""
ALL = TlsConfig(executables=("any",))

ONCE_AND_ALL = [pytest.param(1, id="once"), pytest.param(ROUNDS, id="all", marks=pytest.mark.thorough)]


def asked(taken: Taken, server: Server, pids: set[int]) -> Side:
    """What these processes saw of requests to a server."""
    seen = side(taken, pids)
    exchanges = [exchange for exchange in seen.exchanges if exchange.server_port == server.port]
    return seen._replace(exchanges=exchanges, unknown=sum(exchange.client_port is None for exchange in exchanges))


@pytest.mark.anyio
@pytest.mark.timeout(200)
@pytest.mark.parametrize("rounds", ONCE_AND_ALL)
@pytest.mark.parametrize("how", ["offload", "pool"])
async def test_threads_that_share_the_work(how: str, rounds: int, certificate: Path, tmp_path: Path) -> None:
    """Where the thread that receives is not the one that decrypts, the server's end goes without addresses; no wrong ones."""
    server = Server(certificate)
    server.start(sys.executable, str(HERE / "threads.py"), str(server.port), str(certificate), how)
    try:
        for _ in range(rounds):
            async with recording(ALL) as taken:
                client = await run(CLIENTS["http.client"].command(server.port, CONNECTIONS, EACH, tmp_path))
                await taken.until(lambda taken, client=client: len(side(taken, {client, *server.pids}).exchanges) >= 2 * COUNT)
            assert_right(asked(taken, server, server.pids), COUNT)
            assert_right(asked(taken, server, {client}), COUNT)
            assert asked(taken, server, {client}).unknown == 0
            assert not taken.counts["ring_full"]
    finally:
        server.stop()


@pytest.mark.anyio
@pytest.mark.timeout(200)
@pytest.mark.parametrize("rounds", ONCE_AND_ALL)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_proxy_on_one_loop(loop: str, rounds: int, nginx: Server, certificate: Path) -> None:
    """TLS and plain servers and clients on one thread: no wrong address at any end, and few connections without."""
    options = [loop] if loop == "uvloop" else []
    proxy = Server(certificate)
    proxy.start(sys.executable, str(HERE / "proxy.py"), str(proxy.port), str(certificate), str(nginx.port), *options)
    command = [sys.executable, str(HERE / "slow.py"), str(proxy.port), str(CONNECTIONS), str(EACH), *options]
    try:
        for _ in range(rounds):
            async with recording(ALL) as taken:
                client = await run(command)
                ends = {client, *proxy.pids}
                await taken.until(lambda taken, ends=ends: len(asked(taken, proxy, ends).exchanges) >= 2 * COUNT)
            assert_right(asked(taken, proxy, proxy.pids), COUNT)
            assert_right(asked(taken, proxy, {client}), COUNT)
            upstream = [asked(taken, nginx, pids) for pids in (proxy.pids, nginx.pids)]
            assert [seen.wrong for seen in upstream] == [[], []]
            assert len(upstream[0].exchanges) == len(upstream[1].exchanges) > COUNT / 2
            # A connection with one exchange may go without: what it receives has session tickets of TLS 1.3 in it.
            assert upstream[0].unknown < len(upstream[0].exchanges) / 3
    finally:
        proxy.stop()


@pytest.mark.anyio
@pytest.mark.parametrize(("connections", "each"), [(30, 10), (1000, 1)])
async def test_go_on_connections_of_its_own_kinds(connections: int, each: int, nginx: Server) -> None:
    """A net.Conn that is no *net.TCPConn names no descriptor: what stands in its place is not taken for one.

    Each connection is read by one thread while another one writes to it for the first time: it is one connection all the same.
    """
    program = str(go_program("wrapped"))
    count = connections * each
    async with recording(TlsConfig(executables=(program, nginx.executable), files=(program,))) as taken:
        pid = await run([program, str(nginx.port), str(connections), str(each)])
        await taken.until(lambda taken: len(side(taken, {pid, *nginx.pids}).exchanges) >= 2 * count)
    assert_right(side(taken, {pid}), count)
    assert_right(side(taken, nginx.pids), count)
