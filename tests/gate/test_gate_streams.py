"""Honest clients are not refused: what the programs read of random requests is what h11 reads, however they are cut."""

import functools
import itertools
import os
import random
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress

import pytest
from gate_forger import Forger, introduce
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
SEGMENT = 1400
"""Bytes of a forged one at most."""
OVERTAKING = 5
TRIES, AGAIN_SECS = 20, 0.3
"""As TCP does: the server's kernel may have no room for what comes too early."""


def swallow(listener: socket.socket) -> None:
    """Read everything of one connection after the other, and answer nothing."""
    while True:
        try:
            server, _ = listener.accept()
        except OSError:
            return
        with server, suppress(ConnectionResetError):
            while server.recv(1 << 20):
                pass


@contextmanager
def listening(host: str) -> Generator[None, None, None]:
    """A server that swallows, in this namespace."""
    with socket.create_server((host, PORT)) as listener:
        thread = threading.Thread(target=swallow, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


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


def overtaking(stream: Stream, chosen: random.Random, ethernet: bytes) -> int:
    """Its bytes in segments of which five at a time come in any order; the port that they came from."""
    client = Forger(PORT, ethernet)
    try:
        client.connect()
        first = client.seq
        pieces = [piece[at : at + SEGMENT] for piece in stream.pieces for at in range(0, len(piece), SEGMENT)]
        places = list(itertools.accumulate(map(len, pieces), initial=first))
        segments = list(zip(places, pieces, strict=False))
        for at in range(0, len(segments), OVERTAKING):
            group = segments[at : at + OVERTAKING]
            client.seq = group[-1][0] + len(group[-1][1])
            for _ in range(TRIES):
                for place, data in chosen.sample(group, len(group)):
                    client.send(data, seq=place)
                if client.is_acknowledged(AGAIN_SECS):
                    break
            else:
                raise TimeoutError(f"{client.seq - client.acknowledged} bytes of a stream are not taken")
        return client.source
    finally:
        client.close()


@pytest.mark.parametrize(
    ("mode", "deny"), [(abi.Mode.ENFORCE, ("/nowhere/**",)), (abi.Mode.MONITOR, SECRET)], ids=["enforce", "monitor"]
)
def test_as_h11_reads_them(
    mode: abi.Mode, deny: tuple[str, ...], server_side: Namespace, start: functools.partial[Running]
) -> None:
    """Every request gets one verdict, with its method and its path; only those on the list are refused, and none in doubt."""
    gate = start("lo", mode=mode, deny=deny, report_all=True, sizes=Sizes(ring_bytes=16 << 20))
    with server_side.entered(), listening("127.0.0.1"):
        compare(gate, STREAMS, deny, lambda stream: send(stream.pieces))
    assert not gate.count("doubt")
    assert gate.balances()


def test_only_watching_it_sees_what_was_overtaken(
    server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """The same where segments overtake each other: nothing is dropped, and every request gets its verdict all the same."""
    chosen = random.Random(1)
    gate = start("wire", mode=abi.Mode.MONITOR, report_all=True, sizes=Sizes(ring_bytes=16 << 20))
    ethernet = introduce(client_side, server_side)
    with server_side.entered(), listening("10.25.0.2"), client_side.entered():
        compare(gate, STREAMS // 10, SECRET, lambda stream: overtaking(stream, chosen, ethernet))
    assert gate.count("parked") > STREAMS // 10
    assert not gate.count("early")
    assert not gate.count("doubt")
    assert gate.balances()


def compare(gate: Running, streams: int, deny: Iterable[str], sent: Callable[[Stream], int]) -> None:
    """What the gate says of so many streams with what h11 says."""
    wanted = UrlList(map(parse_entry, deny))
    for first in range(0, streams, 50):
        expected = {}
        for seed in range(first, min(first + 50, streams)):
            stream = Stream(seed, REQUESTS)
            expected[sent(stream)] = seed, read_by_h11(stream.data)
        check(gate, expected, wanted)


def check(gate: Running, expected: dict[int, tuple[int, list[tuple[bytes, bytes]]]], wanted: UrlList) -> None:
    """What the gate has said of these connections, by the client's port."""
    seen = defaultdict(list)
    start = len(gate.decisions)
    for each in gate.look().decisions[start:]:
        seen[int.from_bytes(each.key[8:10], "big")].append(each)
    for port, (seed, requests) in expected.items():
        found = [(each.method, each.path, each.reason) for each in seen[port]]
        right = []
        for method, target in requests:
            path = path_of(target)
            listed = wanted.find(method.decode(), "a", path) is not None
            right.append((method, path.encode()[: abi.RECORD_PATH], abi.Reason.LISTED if listed else abi.Reason.NONE))
        assert found == right, f"stream {seed}: {gate.counts}"
