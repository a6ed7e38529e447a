"""Two ends of a WebSocket on real sockets: a talk whose sizes are known, far beyond what is copied of other connections."""

import os
from collections.abc import Callable
from contextlib import closing
from socket import socket
from threading import Thread

from tests.unit.decode.websocket_talks import ASK, BINARY, CLOSE, PING, TEXT, accepted, frame

PUSHES = 300
LARGE = 1_000_000
OF_SERVER = [
    *(frame(TEXT, b"tick %d " % number * 50) for number in range(PUSHES)),
    frame(PING),
    frame(BINARY, os.urandom(LARGE)),
    frame(TEXT, b"last"),
    frame(CLOSE, (1000).to_bytes(2, "big")),
]
OF_CLIENT = [
    frame(TEXT, b"GET / HTTP/1.1\r\n\r\n" * 5000, client=True),  # segments of it begin like requests
    frame(CLOSE, (1000).to_bytes(2, "big"), client=True),
]


def talk(listener: socket, connect: Callable[[], socket]) -> None:
    """A server that pushes, and a client that has all of it before it answers."""
    server = Thread(target=_serve, args=(listener,))
    server.start()
    with closing(connect()) as client:
        client.sendall(ASK)
        left = len(accepted()) + sum(map(len, OF_SERVER))
        while left:
            left -= len(client.recv(65_536))
        for each in OF_CLIENT:
            client.sendall(each)
    server.join()


def _serve(listener: socket) -> None:
    peer, _ = listener.accept()
    with closing(peer):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(65_536)
        peer.sendall(accepted())
        for each in OF_SERVER:
            peer.sendall(each)
        while peer.recv(65_536):
            pass
