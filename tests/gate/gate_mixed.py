"""Mixed traffic: connections with some requests each, of which some are denied, some have bodies, some are cut."""

import random
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from live_namespace import Namespace

WAIT_SECS = 15
AT_ONCE = 20
BODIES = (0, 0, 10, 5000, 100000)


@dataclass(slots=True)
class Mixed:
    """``results``: (denied?, what came) → how often. ``slowest``: seconds of a refusal at most."""

    results: Counter[tuple[bool, str]] = field(default_factory=Counter)
    slowest: float = 0.0

    def share(self, what: str) -> float:
        """Of the allowed requests, those with this result."""
        allowed = sum(count for (denied, _), count in self.results.items() if not denied)
        return self.results[False, what] / allowed


def mixed(namespace: Namespace, port: int, connections: int, host: str = "10.25.0.2") -> Mixed:
    """From the namespace; each connection makes up to four requests and ends at a denied one."""
    made = Mixed()

    def one(seed: int) -> None:
        with namespace.entered():
            _connection(random.Random(seed), made, (host, port))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(connections)))
    return made


def _connection(chosen: random.Random, made: Mixed, address: tuple[str, int]) -> None:
    with socket.create_connection(address, WAIT_SECS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(4):
            denied = number == 3 or chosen.random() < 0.2
            body = b"x" * chosen.choice(BODIES)
            start = time.monotonic()
            result = _exchange(client, _request(body, denied=denied), chosen.randrange(1, 100) if chosen.random() < 0.3 else 0)
            made.results[denied, result] += 1
            if denied:
                made.slowest = max(made.slowest, time.monotonic() - start)
            if result != "200":
                return


def _request(body: bytes, *, denied: bool) -> bytes:
    method, path = b"POST" if body else b"GET", b"/admin/x" if denied else b"/ok"
    return b"%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (method, path, len(body)) + body


def _exchange(client: socket.socket, request: bytes, cut: int) -> str:
    received = b""
    try:
        client.sendall(request[:cut])
        if cut:
            time.sleep(0.005)
        client.sendall(request[cut:])
        while b"\r\n\r\n" not in received:
            data = client.recv(65536)
            if not data:
                break
            received += data
    except TimeoutError:
        return "hang"
    except (ConnectionResetError, BrokenPipeError):
        return _behind_reset(client)
    return received[9:12].decode() or "closed"


def _behind_reset(client: socket.socket) -> str:
    """What had come before it may still be read."""
    try:
        received = client.recv(65536)
    except OSError:
        received = b""
    return received[9:12].decode() or "reset"
