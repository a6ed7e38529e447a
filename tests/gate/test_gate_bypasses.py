"""Nobody gets around a list: not by spelling, framing or cutting a request."""

import functools
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gate_bypasses import BYPASSES, HARMLESS, HOSTS, HOSTS_DENIED
from gate_clients import Outcome, ask
from gate_run import Running
from gate_servers import SERVERS, served
from live_namespace import Namespace

from pipeline.sources.gate import abi


@pytest.fixture(scope="module")
def servers(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, int], None, None]:
    """All five."""
    with served(server_side, tmp_path_factory.mktemp("servers")) as ports:
        yield ports


def attack(client_side: Namespace, port: int) -> dict[str, Outcome]:
    """All of them, some at a time: most of their time is waiting."""

    def one(name: str) -> Outcome:
        with client_side.entered():
            return ask("10.25.0.2", port, BYPASSES[name])

    with ThreadPoolExecutor(16) as pool:
        return dict(zip(BYPASSES, pool.map(one, BYPASSES), strict=True))


@pytest.mark.parametrize("server", SERVERS)
def test_strict(server: str, servers: dict[str, int], client_side: Namespace, start: functools.partial[Running]) -> None:
    """Of all ways to the secret none leads there; what goes on is answered by the server as another URL."""
    gate = start("wire")
    found = attack(client_side, servers[server])
    assert not [name for name, result in found.items() if result is Outcome.SECRET]
    assert found["plain"] is Outcome.REFUSED
    assert gate.balances(), gate.counts
    passed = {name for name, result in found.items() if result is Outcome.HELLO}
    ended_by_server = {name for name in passed if name.startswith("Upgrade")}
    assert passed - ended_by_server <= HARMLESS


def test_hosts(servers: dict[str, int], client_side: Namespace, start: functools.partial[Running]) -> None:
    """However a host is written that a list denies, and with it what some server might take for it: refused."""
    gate = start("wire", deny=HOSTS_DENIED, report_all=True)
    with client_side.entered():
        found = {name: ask("10.25.0.2", servers["python"], [HOSTS[name]]) for name in HOSTS}
    assert {name for name, result in found.items() if result is not Outcome.REFUSED} == set()
    assert gate.balances(), gate.counts


def test_there_is_something_to_protect(servers: dict[str, int], client_side: Namespace) -> None:
    """Without the firewall most of them lead to the secret on some server."""
    found = [attack(client_side, port) for port in servers.values()]
    assert sum(result is Outcome.SECRET for each in found for result in each.values()) > 100


def test_without_doubts(servers: dict[str, int], client_side: Namespace, start: functools.partial[Running]) -> None:
    """Where doubts pass, what is spelled in another way is still found; of the rest some get through, as documented."""
    start("wire", refuse=abi.Doubt.NONE, policy=abi.Policy.NONE)
    found = attack(client_side, servers["nginx"])
    for name in (
        "plain",
        "escaped letter",
        "two slashes",
        "dot dot",
        "escaped slashes",
        "byte by byte",
        "keep-alive",
        "pipelined, cut",
    ):
        assert found[name] is Outcome.REFUSED
