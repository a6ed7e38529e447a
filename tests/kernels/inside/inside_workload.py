"""What clients do: requests that the server logs, each with a word that says which workload it belongs to."""

import socket
import subprocess
from collections.abc import Iterator

from live_namespace import Namespace

REQUESTS = 23
PIECES = (1, 2, 3, 5, 7, 11, 13, 17)
"""Lengths in which a head is sent, over and over: every border falls somewhere within a token."""


def fetch(namespace: Namespace, url: str, word: str, *options: str, count: int = REQUESTS) -> None:
    """So many times with curl, over one connection unless an option closes it."""
    urls = [f"{url}?{word}-{number}" for number in range(count)]
    subprocess.run(namespace.command("curl", "-sS", "-g", *options, *urls), stdout=subprocess.DEVNULL, check=True, timeout=120)


def pipeline(namespace: Namespace, word: str, count: int = REQUESTS) -> None:
    """All requests at once, then the answers."""
    with namespace.entered(), socket.create_connection(("127.0.0.1", 80)) as client:
        heads = [request(f"/small?{word}-{number}", close=number == count - 1) for number in range(count)]
        client.sendall(b"".join(heads))
        while client.recv(65536):
            pass


def split(namespace: Namespace, word: str, count: int = REQUESTS) -> None:
    """Each head in pieces of its own lengths, each piece a segment: the next is sent when the last is acknowledged."""
    with namespace.entered(), socket.create_connection(("127.0.0.1", 80)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(count):
            for piece in pieces(request(f"/small?{word}-{number}", close=number == count - 1), number):
                client.sendall(piece)
            if number < count - 1:
                client.recv(65536)
        while client.recv(65536):
            pass


def request(target: str, *, close: bool) -> bytes:
    """A head."""
    return f"GET {target} HTTP/1.1\r\nHost: nginx\r\nAccept: */*\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def pieces(head: bytes, first: int) -> Iterator[bytes]:
    """Of the lengths in turn, beginning with another one each time."""
    at, place = 0, first
    while at < len(head):
        length = PIECES[place % len(PIECES)]
        yield head[at : at + length]
        at, place = at + length, place + 1
