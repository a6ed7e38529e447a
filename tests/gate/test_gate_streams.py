"""Honest clients are not refused: what the programs read of random requests is what h11 reads, however they are cut."""

import functools
import os
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable

import pytest
from gate_lists import SECRET
from gate_run import Running
from gate_streams import Stream, read_by_h11
from live_namespace import Namespace

from pipeline.lists.entry import parse_entry
from pipeline.lists.path import canonical_path
from pipeline.lists.urls import UrlList
from pipeline.sources.gate import abi
from pipeline.sources.gate.gate import Sizes

PORT = 25020
REQUESTS = 20
STREAMS = int(os.environ.get("HTTPIPE_GATE_REQUESTS", "6000")) // REQUESTS


def swallow(listener: socket.socket) -> None:
    """Read everything of one connection after the other, and answer nothing."""
    while True:
        try:
            server, _ = listener.accept()
        except OSError:
            return
        with server:
            while server.recv(1 << 20):
                pass


def path_of(target: bytes) -> str:
    """Of a request's target, as lists see it."""
    return canonical_path(re.sub("^http://[^/]*", "", target.decode("latin-1").split("?")[0]))


def send(pieces: Iterable[bytes]) -> int:
    """On a connection of their own; the port that it came from."""
    with socket.create_connection(("127.0.0.1", PORT)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        port: int = client.getsockname()[1]
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
        return port


@pytest.mark.parametrize(
    ("mode", "deny"), [(abi.Mode.ENFORCE, ("/nowhere/**",)), (abi.Mode.MONITOR, SECRET)], ids=["enforce", "monitor"]
)
def test_as_h11_reads_them(
    mode: abi.Mode, deny: tuple[str, ...], server_side: Namespace, start: functools.partial[Running]
) -> None:
    """Every request gets one verdict, with its method and its path; only those on the list are refused, and none in doubt."""
    wanted = UrlList(map(parse_entry, deny))
    gate = start("lo", mode=mode, deny=deny, report_all=True, sizes=Sizes(ring_bytes=16 << 20))
    with server_side.entered(), socket.create_server(("127.0.0.1", PORT)) as listener:
        threading.Thread(target=swallow, args=(listener,), daemon=True).start()
        for first in range(0, STREAMS, 50):
            expected = {}
            for seed in range(first, min(first + 50, STREAMS)):
                stream = Stream(seed, REQUESTS)
                expected[send(stream.pieces)] = seed, read_by_h11(stream.data)
            check(gate, expected, wanted)
        listener.shutdown(socket.SHUT_RDWR)
    assert not gate.count("doubt")
    assert gate.balances()


def check(gate: Running, expected: dict[int, tuple[int, list[tuple[bytes, bytes]]]], wanted: UrlList) -> None:
    """What the gate has said of these connections, by the client's port."""
    seen = defaultdict(list)
    start, early = len(gate.decisions), gate.count("early")
    for each in gate.look().decisions[start:]:
        seen[int.from_bytes(each.key[8:10], "big")].append(each)
    # Where a segment overtakes another, a gate that only watches cannot have it sent again.
    overtaken = gate.count("early") - early if gate.decisions[-1].mode is abi.Mode.MONITOR else 0
    for port, (seed, requests) in expected.items():
        found = [(each.method, each.path, each.reason) for each in seen[port]]
        right = []
        for method, target in requests:
            path = path_of(target)
            listed = wanted.find(method.decode(), "a", path) is not None
            right.append((method, path.encode()[: abi.RECORD_PATH], abi.Reason.LISTED if listed else abi.Reason.NONE))
        assert found == right or (overtaken and set(found) <= set(right)), f"stream {seed}: {gate.counts}"
