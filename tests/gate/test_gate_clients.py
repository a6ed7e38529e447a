"""Clients of other makes: each is told at once, by loopback and wire, IPv4 and IPv6; and by a gate on their own host."""

import functools
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from gate_lists import lists
from gate_run import PORTS, Running
from gate_servers import SERVERS, access_log, served
from live_namespace import Namespace

from pipeline.sources.gate import abi
from pipeline.sources.gate.gate import Gate
from pipeline.sources.gate.settings import Settings

HERE = Path(__file__).parent / "clients"
CLIENTS = ("python", "node", "go", "java")
PLACES = {"lo": ("127.0.0.1", "[::1]"), "wire": ("10.25.0.2", "[fd25::2]")}
AT_MOST_MS = 50
"""Of the quickest: the machine may be busy, and Java begins slowly."""
AT_MOST_SECS = 4
"""Of the slowest: nobody waits for a time-out, which is 6."""


@pytest.fixture(scope="module")
def folder(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[Path, None, None]:
    """nginx, what it logs, and the clients of Go and Java."""
    made = tmp_path_factory.mktemp("clients")
    subprocess.run(["go", "build", "-o", str(made / "client"), str(HERE / "client.go")], check=True, cwd=made)
    subprocess.run(["javac", "-d", str(made), str(HERE / "Client.java")], check=True)
    with served(server_side, made, ("nginx",)):
        yield made


def command(client: str, folder: Path, url: str) -> list[str]:
    """To ask there."""
    programs = {
        "python": [sys.executable, str(HERE / "client.py")],
        "node": ["node", str(HERE / "client.js")],
        "go": [str(folder / "client")],
        "java": ["java", "-cp", str(folder), "Client"],
    }
    return [*programs[client], url]


@pytest.mark.parametrize("client", CLIENTS)
def test_told_at_once(
    client: str, folder: Path, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """Allowed, denied, denied with 300 kB, allowed: the denied ones get 403 within 50 ms, the server never sees them."""
    gate = start("lo", "wire")
    seen = len(access_log(folder))
    quickest = [AT_MOST_SECS * 1000] * 2
    for interface, hosts in PLACES.items():
        here = server_side if interface == "lo" else client_side
        for host in hosts:
            url = f"http://{host}:{SERVERS['nginx']}"
            found = subprocess.run(here.command(*command(client, folder, url)), capture_output=True, text=True, check=True).stdout
            answers, times = zip(*(line.split() for line in found.splitlines()), strict=True)
            assert answers == ("200", "403", "403", "200"), (interface, host)
            assert max(map(int, times)) < AT_MOST_SECS * 1000
            quickest = [min(before, int(now)) for before, now in zip(quickest, times[1:3], strict=True)]
    assert max(quickest) <= AT_MOST_MS
    assert {line.split()[1] for line in access_log(folder)[seen:]} == {"/ok"}
    assert gate.balances()
    assert gate.count("forbidden") == 8


@pytest.mark.parametrize(("interface", "host"), [(name, host) for name, hosts in PLACES.items() for host in hosts])
def test_wget(  # noqa: PLR0913, PLR0917  a place, and who is there
    interface: str,
    host: str,
    folder: Path,
    server_side: Namespace,
    client_side: Namespace,
    start: functools.partial[Running],
) -> None:
    """It says 403 with the body at once, and gives up; what is allowed it gets."""
    gate = start(interface)
    here = server_side if interface == "lo" else client_side
    seen = len(access_log(folder))
    url = f"http://{host}:{SERVERS['nginx']}"
    command = here.command("wget", "-q", "-T", "5", "-t", "1", "-S", "--content-on-error", "-O", "-")

    def ask(*more: str) -> tuple[int, str, float]:
        began = time.monotonic()
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert "403 Forbidden" in done.stderr or not done.returncode
        return done.returncode, done.stdout, time.monotonic() - began

    denied = [ask(f"{url}/admin/x"), ask("--post-data", "x" * 30000, f"{url}/admin/x"), ask(f"{url}/%61dmin/x")]
    assert {each[:2] for each in denied} == {(8, "refused by this host.\n")}
    allowed = ask(f"{url}/ok")
    assert allowed[:2] == (0, "hello\n")
    assert min(secs for *_, secs in denied) - allowed[2] <= AT_MOST_MS / 1000
    assert max(secs for *_, secs in denied) < AT_MOST_SECS
    assert {line.split()[1] for line in access_log(folder)[seen:]} == {"/ok"}
    assert gate.balances()
    assert gate.count("forbidden") == 3


@pytest.mark.parametrize("client", ["python", "go"])
def test_on_the_clients_host(client: str, folder: Path, client_side: Namespace) -> None:
    """At egress, requests of this host's own clients are refused before they leave it."""
    seen = len(access_log(folder))
    gate = Gate()
    try:
        gate.configure(Settings(PORTS, abi.Mode.ENFORCE))
        gate.install(gate.prepare(lists()))
        with client_side.entered():
            gate.attach("wire", "egress")
        url = f"http://10.25.0.2:{SERVERS['nginx']}"
        asked = client_side.command(*command(client, folder, url))
        found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert [line.split()[0] for line in found.splitlines()] == ["200", "403", "403", "200"]
        assert max(int(line.split()[1]) for line in found.splitlines()) < AT_MOST_SECS * 1000
        assert {each.egress for each in gate.drain()} == {True}
    finally:
        gate.close()
    assert {line.split()[1] for line in access_log(folder)[seen:]} == {"/ok"}
