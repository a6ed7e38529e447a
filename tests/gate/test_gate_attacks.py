"""Nobody gets around a list below HTTP: not by lying to TCP about what the server's stack accepts."""

import functools
import socket
import struct
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gate_attacks import ATTACKS, EVIL
from gate_clients import Outcome, outcome
from gate_forger import Forger, introduce
from gate_run import Running
from gate_servers import SERVERS, served
from live_namespace import Namespace

from pipeline.sources.gate import abi

WAIT_SECS = 0.8
MPTCP = 262
"""``IPPROTO_MPTCP``."""


@pytest.fixture(scope="module")
def servers(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, int], None, None]:
    """One of each way of reading: event loop and thread. Go listens with MPTCP."""
    with served(server_side, tmp_path_factory.mktemp("attacked"), ("nginx", "python", "go")) as ports:
        yield ports


@pytest.fixture(scope="module")
def ethernet(client_side: Namespace, server_side: Namespace) -> bytes:
    """The way to the server."""
    return introduce(client_side, server_side)


def attack(client_side: Namespace, ethernet: bytes, port: int) -> dict[str, Outcome]:
    """All of them, three times each; some at a time: most of their time is waiting."""

    def one(name: str) -> Outcome:
        with client_side.entered():
            client = Forger(port, ethernet)
            try:
                ATTACKS[name](client)
                if not client.ended:
                    client.listen(WAIT_SECS)
            finally:
                client.close()
            end = Outcome.RESET if client.ended == "reset" else Outcome.CLOSED if client.ended else Outcome.NOTHING
            return outcome(client.received, end)

    names = [(name, number) for number in range(3) for name in ATTACKS]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(one, (name for name, _ in names))
        return {f"{name} ({number})": result for (name, number), result in zip(names, found, strict=True)}


@pytest.mark.parametrize("server", ["nginx", "python"])
def test_none_gets_through(
    server: str, servers: dict[str, int], client_side: Namespace, ethernet: bytes, start: functools.partial[Running]
) -> None:
    """Of 26 attacks none reaches the secret."""
    gate = start("wire")
    found = attack(client_side, ethernet, servers[server])
    assert not [name for name, result in found.items() if result is Outcome.SECRET]
    assert [found[f"Nothing special ({number})"] for number in range(3)] == [Outcome.REFUSED] * 3
    assert gate.balances(), gate.counts


def test_enforcing_begins_while_a_head_is_under_way(
    servers: dict[str, int], client_side: Namespace, ethernet: bytes, start: functools.partial[Running]
) -> None:
    """The end of a head came too early while the firewall only watched; its beginning comes when it enforces: refused."""
    gate = start("wire", mode=abi.Mode.MONITOR)
    with client_side.entered():
        client = Forger(servers["nginx"], ethernet)
        client.connect()
        client.send(EVIL[8:], seq=client.seq + 8)
        until = time.monotonic() + 5
        while not gate.look().count("parked") and time.monotonic() < until:
            time.sleep(0.01)
        gate.gate.set_mode(abi.Mode.ENFORCE)
        client.send(EVIL[:8])
        client.seq += len(EVIL)
        client.listen(WAIT_SECS)
        client.close()
    assert b"SECRET" not in client.received
    assert gate.look().count("parked") == 1
    assert gate.count("listed") == 1


def test_a_port_that_is_used_again(servers: dict[str, int], client_side: Namespace, start: functools.partial[Running]) -> None:
    """Refused connections from one port, one after the other: each is answered, none waits for the one before."""
    gate = start("wire")
    with client_side.entered():
        for _ in range(20):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no TIME-WAIT
                client.settimeout(2)
                client.bind(("10.25.0.1", 40777))
                client.connect(("10.25.0.2", servers["nginx"]))
                client.sendall(EVIL)
                assert client.recv(4096).startswith(b"HTTP/1.1 403 ")
    assert gate.look().count("forbidden") == 20


@pytest.mark.slow
def test_there_is_something_to_stop(servers: dict[str, int], client_side: Namespace, ethernet: bytes) -> None:
    """Without the firewall nearly all of them reach it: they are accepted by the stack."""
    found = attack(client_side, ethernet, servers["nginx"])
    assert sum(result is Outcome.SECRET for result in found.values()) >= 60


def ask_by_mptcp(path: bytes) -> bytes:
    """Of Go, which would speak it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as client:
        client.settimeout(3)
        client.connect(("10.25.0.2", SERVERS["go"]))
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b""
        while data := client.recv(65536):
            received += data
        return received


def test_mptcp(servers: dict[str, int], client_side: Namespace, start: functools.partial[Running]) -> None:
    """A client with several paths speaks TCP through the firewall, and is refused as any other."""
    assert servers["go"]
    gate = start("wire")
    with client_side.entered():
        assert b"refused by this host" in ask_by_mptcp(b"/admin/x")
        assert b"hello" in ask_by_mptcp(b"/ok")
    assert gate.look().count("mptcp") == 2
