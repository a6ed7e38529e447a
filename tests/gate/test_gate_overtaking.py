"""Segments overtake each other and the server's stack drops some: what comes again is known, in either mode."""

import functools
import itertools
import math
import os
import random
import socket
from collections.abc import Generator, Sequence

import pytest
from gate_forger import Forger, introduce
from gate_lists import SECRET
from gate_run import Running
from gate_streams import read_by_h11
from live_namespace import Namespace
from test_gate_streams import PORT, check

from pipeline.lists.entry import parse_entry
from pipeline.lists.urls import UrlList
from pipeline.sources.gate import abi
from pipeline.sources.gate.gate import Sizes

SEGMENTS = 5
"""Of each connection."""
ORDERS = math.factorial(SEGMENTS)
EACH = 1 if "HTTPIPE_GATE_REQUESTS" in os.environ else 4
"""All of their orders are tried in `make test-gate`, else every fourth."""
ACKNOWLEDGED_SECS = 2
MODES = pytest.mark.parametrize("mode", [abi.Mode.ENFORCE, abi.Mode.MONITOR], ids=["enforce", "monitor"])


def get(*path: str) -> bytes:
    """A request."""
    return f"GET /{'/'.join(path)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


STREAMS = {
    "a request each": b"".join(get("ok", str(number)) for number in range(SEGMENTS)),
    "in the middle of requests": b"".join(get(*"ok" * number, "x" * 70) for number in range(2 * SEGMENTS)),
    "of one head": b"GET /ok/a/b HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 400 + b"\r\nTe: a\r\n\r\n",
    "of chunks": b"POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"4\r\nabcd\r\n" * 30
    + b"0\r\nExpires: now\r\n\r\n"
    + get("ok"),
}
"""Cut into segments of one size, which begin there."""


@pytest.fixture(autouse=True)
def one_processor() -> Generator[None, None, None]:
    """Packets are looked at on the processor that sends them, one after the other, and in one working memory."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def server() -> socket.socket:
    """In this namespace. Its stack takes connections and what they send; nobody reads it."""
    return socket.create_server(("10.25.0.2", PORT), backlog=ORDERS)


class Sender:
    """One connection that sends segments in any order."""

    def __init__(self, data: bytes, segments: int, ethernet: bytes) -> None:
        self._client = Forger(PORT, ethernet)
        self._client.connect()
        size = -(-len(data) // segments)
        self._segments = [(self._client.seq + at, data[at : at + size]) for at in range(0, len(data), size)]
        self._client.seq += len(data)
        self.port = self._client.source

    def send(self, order: Sequence[int], lost: Sequence[int] = ()) -> None:
        """Segments by their numbers; the server's stack drops those that are ``lost``, for they have wrong checksums."""
        for number in order:
            place, data = self._segments[number]
            self._client.send(data, seq=place, broken=number in lost)

    def is_taken(self) -> bool:
        """The server's stack has everything, or has it soon."""
        return self._client.is_acknowledged(ACKNOWLEDGED_SECS)

    def close(self) -> None:
        """Forget it."""
        self._client.close()


@MODES
@pytest.mark.parametrize("data", STREAMS.values(), ids=STREAMS)
def test_every_order(
    data: bytes, mode: abi.Mode, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """In any order, some dropped by the stack, again in the other direction, and then in order: every request has its verdict."""
    chosen = random.Random(1)
    gate = start("wire", mode=mode, report_all=True, sizes=Sizes(ring_bytes=16 << 20))
    ethernet = introduce(client_side, server_side)
    expected = {}
    with server_side.entered(), server(), client_side.entered():
        for number, order in enumerate(itertools.islice(itertools.permutations(range(SEGMENTS)), 0, ORDERS, EACH)):
            sender = Sender(data, SEGMENTS, ethernet)
            sender.send(order, chosen.sample(order, chosen.randrange(1, SEGMENTS + 1)))
            sender.send(order[::-1])
            sender.send(sorted(order))
            assert sender.is_taken()
            sender.close()
            expected[sender.port] = number, read_by_h11(data)
    check(gate, expected, UrlList(map(parse_entry, SECRET)))
    assert gate.count("reread") > 0
    assert gate.balances()


@MODES
def test_bytes_behind_a_wish_for_websocket(
    mode: abi.Mode, server_side: Namespace, client_side: Namespace, start: functools.partial[Running]
) -> None:
    """In a segment of their own they wait for the answer, also where they were kept together with the end of its head."""
    head = b"GET /ok HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    gate = start("wire", mode=mode, report_all=True)
    ethernet = introduce(client_side, server_side)
    with server_side.entered(), server(), client_side.entered():
        sender = Sender(head + b"x" * (len(head) // 2), 3, ethernet)
        sender.send((1, 2, 0, 1, 2))
        sender.close()
    gate.look()
    assert [(each.path, each.reason) for each in gate.decisions] == [(b"/ok", abi.Reason.NONE)]
    assert gate.count("doubt") == 0


@MODES
@pytest.mark.parametrize(("behind", "known"), [(7, True), (8, False)])
def test_as_much_as_is_remembered(  # noqa: PLR0913, PLR0917  how much, what becomes of it, and who is there
    behind: int,
    known: bool,  # noqa: FBT001  a parameter of the test
    mode: abi.Mode,
    server_side: Namespace,
    client_side: Namespace,
    start: functools.partial[Running],
) -> None:
    """The last seven segments of a head are known when they come again, and more than that are not."""
    segments = behind + 2
    gate = start("wire", mode=mode)
    ethernet = introduce(client_side, server_side)
    with server_side.entered(), server(), client_side.entered():
        sender = Sender(b"GET /ok HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * 400, segments, ethernet)
        sender.send(range(segments), lost=range(2, segments))
        sender.send(range(2, segments))
        sender.close()
    assert gate.look().count("desync") == (0 if known else 1)
    assert gate.balances()
