"""Refused clients are told so at once, whatever they are; nobody waits, and the server hears nothing."""

import functools
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from gate_run import Running
from gate_servers import SERVERS, access_log, served
from live_namespace import Namespace

from pipeline.sources.gate import abi

HERE = Path(__file__).parent
AT_MOST_SECS = 0.05
"""Of the quicker of two."""
PLACES = {"lo": ("127.0.0.1", "[::1]"), "wire": ("10.25.0.2", "[fd25::2]")}


@pytest.fixture(scope="module")
def folder(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[Path, None, None]:
    """nginx, and what it logs."""
    made = tmp_path_factory.mktemp("refused")
    with served(server_side, made, ("nginx",)):
        yield made


def curl(namespace: Namespace, *arguments: str) -> tuple[str, str, float]:
    """Body, status or exit status, seconds."""
    command = namespace.command("curl", "-sS", "-m", "5", "-w", "\n%{http_code} %{exitcode} %{time_total}", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    body, _, numbers = done.stdout.rpartition("\n")
    status, code, secs = numbers.split()
    return body, status if code == "0" else f"exit {code}", float(secs)


@pytest.mark.parametrize("answer", [abi.Answer.FORBIDDEN, abi.Answer.RESET])
@pytest.mark.parametrize(("interface", "host"), [(name, host) for name, hosts in PLACES.items() for host in hosts])
def test_curl(  # noqa: PLR0913, PLR0917  a place, a way, and who is there
    answer: abi.Answer,
    interface: str,
    host: str,
    folder: Path,
    server_side: Namespace,
    client_side: Namespace,
    start: functools.partial[Running],
) -> None:
    """By loopback and by wire, IPv4 and IPv6, with and without a body: 403 or a reset, at once; what is allowed goes on."""
    gate = start(interface, answer=answer)
    here = server_side if interface == "lo" else client_side
    url = f"http://{host}:{SERVERS['nginx']}"
    before = len(access_log(folder))
    body_file = folder / "body.txt"
    body_file.write_text("x" * 300000)
    asked = ((f"{url}/admin/x",), ("--data-binary", f"@{body_file}", "-H", "Expect:", f"{url}/admin/x"), (f"{url}/%61dmin",))
    for arguments in asked:
        body, status, secs = min((curl(here, *arguments) for _ in range(2)), key=lambda found: found[2])
        assert secs < AT_MOST_SECS
        if answer is abi.Answer.FORBIDDEN:
            assert (body, status) == ("refused by this host.\n", "403")
        else:
            assert status in {"exit 56", "exit 55"}
    body, status, _ = curl(here, f"{url}/ok")
    assert (body, status) == ("hello\n", "200")
    time.sleep(0.05)
    assert [line for line in access_log(folder)[before:] if "ok" not in line] == []
    assert gate.balances()
    assert gate.count("heads") == 2 * len(asked) + 1


def test_no_socket_is_left(
    folder: Path, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """Behind refusals neither side keeps a connection."""
    assert folder.exists()
    start("wire")
    for _ in range(20):
        curl(client_side, f"http://10.25.0.2:{SERVERS['nginx']}/admin/x")
    until = time.monotonic() + 3
    while time.monotonic() < until:
        listing = [
            subprocess.run(each.command("ss", "-tanH", "state", "connected"), capture_output=True, text=True, check=True).stdout
            for each in (server_side, client_side)
        ]
        left = [
            line for text in listing for line in text.splitlines() if str(SERVERS["nginx"]) in line and "TIME-WAIT" not in line
        ]
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(left)


def test_detach(folder: Path, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]) -> None:
    """Detached, nothing is refused any more; attached again, it is."""
    assert folder.exists()
    gate = start("wire").gate
    url = f"http://10.25.0.2:{SERVERS['nginx']}/admin/x"
    assert curl(client_side, url)[1] == "403"
    with server_side.entered():
        gate.detach("wire")
    assert curl(client_side, url)[1] == "200"
    with server_side.entered():
        gate.attach("wire")
    assert curl(client_side, url)[1] == "403"
    assert gate.attachments == {("wire", "ingress")}
    gate.set_mode(abi.Mode.MONITOR)
    assert curl(client_side, url)[1] == "200"
