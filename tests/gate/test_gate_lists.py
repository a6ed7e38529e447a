"""One meaning of a list: what the kernel decides about any request is what the list in Python says, by the same path."""

import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

import pytest
from live_namespace import Namespace

from pipeline.lists.entry import parse_entry
from pipeline.lists.kernel import compile_lists
from pipeline.lists.path import canonical_path, text_of
from pipeline.lists.readings import readings
from pipeline.lists.urls import UrlList
from pipeline.sources.gate.abi import Decision, Doubt, Mode, Reason
from pipeline.sources.gate.gate import Gate, Sizes
from pipeline.sources.gate.settings import Settings

PIECES = (
    "/", "/", "/", "/", "a", "b", "admin", "shop", "x", "é", "%C3%A9", "%61", "%2f", "%2F", "..", ".", "/../", "/./", "//", "%2e",
    "%2E", ";", "%3b", "\\", "%5C", "%00", "%25", "%zz", "%u0041", "%ff", "\x7f", "*", "€", ".git", "-", "~", "%20", "edit", "1",
)  # fmt: skip
PLAIN = ("/", "/", "/", "a", "b", "admin", "shop", "x", "é", "%C3%A9", "%61", "edit", "1", ".git", "%20", "€")
GLOBS = ("*", "**", "?", "[ab]", "[!a]", "[é€]", "{id}")
HOSTS = ("a.example", "b.a.example", "c.b.a.example", "example", "evil.example", "10.0.0.1")
METHODS = ("GET", "GET", "POST", "PURGE")
WAIT_SECS = 30


def random_list(chosen: random.Random, length: int) -> UrlList:
    """Entries of every kind."""
    entries = []
    while len(entries) < length:
        method = chosen.choice(("", "", "POST ", "PURGE "))
        host = chosen.choice(("", "", "", "*.")) + chosen.choice(HOSTS) if chosen.random() < 0.3 else ""
        kind = chosen.choice(("none", "prefix", "glob"))
        pieces = [chosen.choice(PLAIN if kind != "glob" or chosen.random() < 0.7 else GLOBS) for _ in range(chosen.randrange(7))]
        path = "/" + "".join(pieces) + ("**" if kind == "prefix" else "")
        entry = parse_entry(f"{method}{host}{path}")
        if entry.path.strip("/*?") and not entry.path.startswith("/**"):  # else everything would be listed
            entries.append(entry)
    return UrlList(entries)


def random_target(chosen: random.Random) -> str:
    """A path as it is sent: mostly plain, sometimes of the worst kind."""
    pieces = PLAIN if chosen.random() < 0.6 else PIECES
    query = chosen.choice(("", "", "", "?a=/../b", "?x;y"))
    return "/" + "".join(chosen.choice(pieces) for _ in range(chosen.randrange(9))) + query


@contextmanager
def swallowing(namespace: Namespace) -> Iterator[int]:
    """The port of a server on loopback that reads and never answers."""
    with namespace.entered(), socket.create_server(("127.0.0.1", 0)) as server:

        def swallow() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    while peer.recv(1 << 20):
                        pass

        thread = threading.Thread(target=swallow)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def decided(gate: Gate, namespace: Namespace, port: int, requests: Sequence[bytes]) -> list[Decision]:
    """One after the other, on one connection.

    The next segment is sent when the last one is decided: on several processors one may overtake another, and a firewall that
    only watches cannot have it sent again.
    """
    found: list[Decision] = []
    until = monotonic() + WAIT_SECS
    with namespace.entered(), socket.create_connection(("127.0.0.1", port)) as client:
        for at in range(0, len(requests), 50):
            segment = requests[at : at + 50]
            client.sendall(b"".join(segment))
            while len(found) < at + len(segment) and monotonic() < until:
                found += gate.drain()
    return found


@pytest.mark.parametrize("seed", range(10))
def test_the_kernel_and_python_agree_on_ten_thousand_requests(server_side: Namespace, seed: int) -> None:
    """Where there is no doubt: the same path, the same verdict, an entry that fits. Where servers disagree, there is a doubt."""
    chosen = random.Random(seed)
    urls = random_list(chosen, 200)
    compiled = compile_lists(urls, None)
    asked = [(chosen.choice(METHODS), chosen.choice(HOSTS), random_target(chosen)) for _ in range(10_000)]
    gate = Gate(Sizes(ring_bytes=1 << 24, connections=64))
    try:
        with swallowing(server_side) as port, server_side.entered():
            gate.configure(Settings(ports=(port,), mode=Mode.MONITOR, report_all=True))
            gate.install(gate.prepare(compiled))
            gate.attach("lo")
            sent = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for method, host, target in asked]
            decisions = decided(gate, server_side, port, sent)
    finally:
        gate.close()
    assert len(decisions) == len(asked)
    undoubted = listed = 0
    for (method, host, target), decision in zip(asked, decisions, strict=True):
        path = target.split("?")[0]
        if decision.doubts & Doubt.ALL:
            continue
        undoubted += 1
        assert len(readings(path).paths) == 1, f"{target} is read in several ways, and the kernel sees no doubt"
        canonical = canonical_path(path)
        assert text_of(decision.path) == canonical, target
        entry = urls.find(method, host, canonical)
        assert decision.reason is (Reason.LISTED if entry else Reason.NONE), (method, host, target, entry)
        if entry:
            listed += 1
            told = parse_entry(compiled.entries[decision.entry - 1])
            assert UrlList([told]).find(method, host, canonical), (method, host, target, told)
    assert undoubted > 4000
    assert 200 < listed < undoubted
