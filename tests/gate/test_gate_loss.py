"""Packets are lost in front of the firewall and behind it, and still nobody gets through, and hardly anybody is hit."""

import functools
from collections.abc import Generator

import pytest
from gate_mixed import mixed
from gate_run import Running
from gate_servers import served
from gate_wire import lost, other_program
from live_namespace import Namespace

from pipeline.sources.bpf import tcx

CONNECTIONS = 150
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
