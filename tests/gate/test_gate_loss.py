"""Packets are lost in front of the firewall and behind it, and still nobody gets through, and hardly anybody is hit."""

import functools
import socket
import subprocess
from collections import defaultdict
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gate_bulk import talk
from gate_forger import Forger, introduce
from gate_mixed import mixed
from gate_run import Running
from gate_servers import served
from gate_wire import lost, other_program
from live_namespace import Namespace

from pipeline.sources.bpf import tcx
from pipeline.sources.gate import abi

CONNECTIONS = 150
REFUSED = 400
TALKS = 20
AT_MOST_SECS = 12


@pytest.fixture(scope="module")
def port(server_side: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Generator[int, None, None]:
    """Go's server."""
    with served(server_side, tmp_path_factory.mktemp("lossy"), ("go",)) as ports:
        yield ports["go"]


def test_without_loss(port: int, client_side: Namespace, start: functools.partial[Running]) -> None:
    """All denied are refused, all allowed are answered."""
    gate = start("wire")
    found = mixed(client_side, port, CONNECTIONS)
    assert {result for denied, result in found.results if not denied} == {"200"}
    assert {result for denied, result in found.results if denied} <= {"403", "reset"}
    assert gate.balances()


def test_loss(port: int, client_side: Namespace, server_side: Namespace, start: functools.partial[Running]) -> None:
    """3 % in front and on the way back, 1 % behind: all denied are refused, of the allowed at most one in a thousand is reset."""
    gate = start("wire")
    with (
        other_program(client_side, "lossy", tcx.EGRESS, first=True, per_mille=30) as there,
        other_program(server_side, "lossy", tcx.EGRESS, first=False, per_mille=30) as back,
        other_program(server_side, "lossy", tcx.INGRESS, first=False, per_mille=10) as behind,
    ):
        found = mixed(client_side, port, CONNECTIONS)
        assert min(lost(there), lost(back), lost(behind)) > 0
    assert {result for denied, result in found.results if denied} <= {"403", "reset"}
    assert found.share("reset") <= 0.001, (found.results, gate.look().counts)
    assert found.share("200") > 0.99
    assert found.slowest < AT_MOST_SECS
    assert gate.balances()


def open_sockets(namespace: Namespace, port: int) -> int:
    """Connections that the server still has."""
    command = namespace.command("ss", "-tanH", "state", "connected", "sport", "=", f":{port}")
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum("TIME-WAIT" not in line for line in listing.splitlines())


def refused_with_loss_behind(client_side: Namespace, server_side: Namespace, port: int, per_mille: int) -> tuple[int, int]:
    """What the server keeps of so many refused connections, and how many packets were lost."""

    def ask(_: int) -> bytes:
        with client_side.entered(), socket.create_connection(("10.25.0.2", port), 5) as client:
            client.sendall(b"GET /admin/x HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            while data := client.recv(65536):
                received += data
            return received

    with (
        other_program(server_side, "lossy", tcx.INGRESS, first=False, per_mille=per_mille) as behind,
        ThreadPoolExecutor(8) as pool,
    ):
        assert all(received.startswith(b"HTTP/1.1 403 ") for received in pool.map(ask, range(REFUSED)))
        return open_sockets(server_side, port), lost(behind)


def test_resets_that_are_lost(
    port: int, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """Of 400 refused, with 1 % lost behind the firewall, all are answered, and the server keeps at most one connection.

    Told once, it would keep four to nine, until its own time-out: the client's end of the connection brings it another reset.
    """
    start("wire")
    kept, packets = refused_with_loss_behind(client_side, server_side, port, per_mille=10)
    assert packets > 0
    assert kept <= 1, packets


@pytest.mark.parametrize("mode", [abi.Mode.ENFORCE, abi.Mode.MONITOR], ids=["enforce", "monitor"])
@pytest.mark.parametrize(
    ("begins", "size"), [(1, 50), (0, 106), (-2, 106)], ids=["within its size", "with its size", "with the end of the last"]
)
def test_a_chunks_frame_that_is_lost_behind(  # noqa: PLR0913, PLR0917  a place, a way, and who is there
    begins: int,
    size: int,
    mode: abi.Mode,
    port: int,
    server_side: Namespace,
    client_side: Namespace,
    start: functools.partial[Running],
) -> None:
    """A segment with a chunk's frame is dropped by the server's stack, 28 follow, and it is known when it comes again."""
    gate = start("wire", mode=mode)
    head = b"POST /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"64\r\n" + b"x" * 100 + b"\r\n"
    data = head + 30 * chunk + b"0\r\n\r\n"
    place = len(head) + len(chunk) + begins
    rest = data[place:]
    ethernet = introduce(client_side, server_side)
    with client_side.entered():
        client = Forger(port, ethernet)
        client.connect()
        client.data(data[:place])
        client.send(rest[:size], broken=True)
        for at in range(size, len(rest), len(chunk)):
            client.send(rest[at : at + len(chunk)], seq=client.seq + at)
        client.data(rest[:size])
        client.seq += len(rest) - size
        client.listen(2)
        client.close()
    assert b"hello" in client.received
    assert gate.look().count("reread") > 0
    assert (gate.count("heads"), gate.count("allowed"), gate.count("desync")) == (1, 1, 0)


@pytest.mark.parametrize("mode", [abi.Mode.ENFORCE, abi.Mode.MONITOR], ids=["enforce", "monitor"])
def test_bulk(
    mode: abi.Mode, port: int, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """Chunked bulk with 6 % lost on either side: every request has its verdict, and nothing is reset."""
    gate = start("wire", mode=mode, report_all=True)
    with (
        other_program(client_side, "lossy", tcx.EGRESS, first=True, per_mille=60) as there,
        other_program(server_side, "lossy", tcx.INGRESS, first=False, per_mille=60) as behind,
        ThreadPoolExecutor(TALKS) as pool,
    ):
        talks = dict(pool.map(lambda seed: talk(client_side, port, seed, denied=mode is abi.Mode.MONITOR), range(TALKS)))
        assert min(lost(there), lost(behind)) > 0
    found = defaultdict(list)
    for each in gate.look().decisions:
        found[int.from_bytes(each.key[8:10], "big")].append((each.method, each.path))
        assert each.reason is (abi.Reason.LISTED if each.path == b"/admin/x" else abi.Reason.NONE)
    assert found == talks, gate.counts
    assert gate.balances()
