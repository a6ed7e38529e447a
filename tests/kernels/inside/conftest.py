"""The network, the servers, and one run of httpipe that sees all ordinary traffic."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import inside_network as net
import pytest
from inside_httpipe import Httpipe, seen, until
from inside_loaded import programs, sockets
from inside_network import Network
from inside_workload import REQUESTS, fetch, pipeline, split
from live_nginx import Nginx

MEGABYTE = 1_000_000


class Traffic:
    """What the servers logged and what httpipe reported, by workload."""

    def __init__(self, folder: Path, network: Network, servers: list[Nginx]) -> None:
        self._servers = servers
        before = self._logged()  # by tests that came earlier
        self.httpipe = Httpipe(folder, network.near.command(), options='interfaces = ["any"]')
        assert self.httpipe.started, self.httpipe.log
        self.loaded = programs()
        self.sockets = sockets(network.near)
        self._drive(network)
        self.complete = self.httpipe.has(self._logged() - before)
        self.code = self.httpipe.stop()
        self.exchanges = self.httpipe.exchanges()

    def _logged(self) -> int:
        return sum(len(server.logged()) for server in self._servers)

    @staticmethod
    def _drive(network: Network) -> None:
        near = network.near
        for word, host in (("loopback4", "127.0.0.1"), ("loopback6", "[::1]"), ("veth4", net.VETH4), ("veth6", net.VETH6)):
            fetch(near, f"http://{host}/small", word)
        for word, host in (("vlan", net.VLAN), ("gre", net.GRE), ("tun", net.TUN)):
            fetch(near, f"http://{host}/small", word)
        fetch(near, "http://127.0.0.1/small", "closing", "-H", "Connection: close")
        fetch(near, "http://127.0.0.1/large", "large", count=3)
        fetch(near, f"http://{net.VETH4}/large", "far", count=3)
        for word, host in (("frames", "127.0.0.1"), ("framesfar", net.VETH4)):
            for _ in range(3):  # curl 7.88 does not use such a connection twice
                fetch(near, f"http://{host}:81/large", word, "--http2-prior-knowledge", count=1)
        pipeline(near, "pipelined")
        split(near, "split")

    def of(self, word: str) -> list[dict[str, Any]]:
        """The exchanges of a workload."""
        return [exchange for exchange in self.exchanges if exchange.get("url.query", "").startswith(f"{word}-")]

    def assert_same(self, word: str, count: int = REQUESTS) -> None:
        """Exactly what the server logged of this workload, in its order, nothing marked."""
        mine = self.of(word)
        logged = [line for server in self._servers for line in server.logged() if f"?{word}-" in line.target]
        assert len(logged) == count
        assert [seen(exchange) for exchange in mine] == [tuple(line) for line in logged], self.httpipe.log
        assert not any(exchange.get("httpipe.marks") for exchange in mine)

    def connections(self, word: str) -> int:
        """Over how many."""
        return len({exchange["httpipe.connection"] for exchange in self.of(word)})


@pytest.fixture(scope="session")
def network() -> Generator[Network, None, None]:
    """Near and far."""
    made = Network()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def servers(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Generator[list[Nginx], None, None]:
    """One on the near end's loopback, one on every address of the far end."""
    here = Nginx(tmp_path_factory.mktemp("here"), network.near, ["127.0.0.1:80", "[::1]:80", "127.0.0.1:81 http2"])
    far = [f"{address}:80" for address in (net.VETH4, net.VETH6, net.VLAN, net.GRE, net.TUN)]
    there = Nginx(tmp_path_factory.mktemp("there"), network.far, [*far, f"{net.VETH4}:81 http2"])
    for server in (here, there):
        server.file("large", MEGABYTE)
    yield [here, there]
    for server in (here, there):
        server.stop()


@pytest.fixture(scope="session")
def traffic(network: Network, servers: list[Nginx], tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    """Every ordinary workload, seen by one httpipe that root has started."""
    return Traffic(tmp_path_factory.mktemp("traffic"), network, servers)


@pytest.fixture
def run(network: Network, tmp_path: Path) -> Generator[Callable[..., Httpipe], None, None]:
    """``run(before…, options=…, process=…)`` starts another one, in the near end."""
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:
        folder.chmod(0o755)
    started: list[Httpipe] = []

    def start(*before: str, options: str = 'interfaces = ["lo"]', **more: str) -> Httpipe:
        started.append(Httpipe(tmp_path, network.near.command(*before), options=options, **more))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
    assert until(lambda: not programs())
