"""A head means the same wherever it is cut, also into three segments, within an escape or a line's end."""

import functools
import itertools
import os
import socket

import pytest
from gate_run import Running
from live_namespace import Namespace
from test_gate_streams import PORT, listening

from pipeline.sources.gate import abi

HEADS = {
    b"GET /x%2D/..//%61dm%c3%a4n/%78 HTTP/1.1\r\nTe: a\r\nHost: A.b:80\r\n\r\n": abi.Reason.DOUBT,
    b"POST http://u@a.B:80/%61dmin//x?q HTTP/1.1\r\nHost: a.b\r\nContent-Length: 12\r\n\r\nGET / HTTP/1": abi.Reason.LISTED,
    b"\r\nPUT //caf%C3%A9/. HTTP/1.0\nHost:[::1]:80 \nTransfer-Encodin: chunked\n\n": abi.Reason.DOUBT,
}
EVERY = "HTTPIPE_GATE_REQUESTS" in os.environ
"""Every pair of cuts, as in `make test-gate`; else those that are near each other."""
NEAR = 2


def verdict(gate: Running, pieces: tuple[bytes, ...]) -> tuple[object, ...]:
    """What the gate says of a head that comes so, on a connection of its own."""
    start = len(gate.decisions)
    with socket.create_connection(("127.0.0.1", PORT)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
    (found,) = gate.look().decisions[start:]
    doubts = found.doubts & ~abi.Doubt.SPLIT
    return found.reason, doubts, found.entry, found.head_bytes, found.method, found.host, found.path


@pytest.mark.parametrize("head", HEADS, ids=["escapes", "absolute", "odd"])
def test_every_cut(head: bytes, server_side: Namespace, start: functools.partial[Running]) -> None:
    """Whole, byte by byte, in every two parts and in three parts: one verdict, by the same path, host and doubts."""
    gate = start("lo", mode=abi.Mode.MONITOR)
    places = range(1, len(head))
    pairs = [(a, b) for a, b in itertools.combinations(places, 2) if EVERY or b - a <= NEAR]
    with server_side.entered(), listening("127.0.0.1"):
        whole = verdict(gate, (head,))
        assert whole[0] is HEADS[head]
        assert verdict(gate, tuple(bytes([each]) for each in head)) == whole
        for cuts in [*((place,) for place in places), *pairs]:
            ends = (0, *cuts, len(head))
            pieces = tuple(head[a:b] for a, b in itertools.pairwise(ends))
            assert verdict(gate, pieces) == whole, cuts
    assert not gate.count("early")
    assert gate.balances()
