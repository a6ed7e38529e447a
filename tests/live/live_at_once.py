"""Connections of HTTP/2 on loopback whose ends begin at the same moment: a script, so that it can run in a namespace.

Client and server run on processors of their own. The server sends SETTINGS as soon as it has the connection, the client its
preface up to 0.1 ms after it: each is sometimes the first, and often both are in the kernel at once. Prints how many there were.
"""

import os
import random
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from http2_wire import frame

CONNECTIONS = 5_000
LATEST_SECS = 120e-6
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, ACKNOWLEDGED = frame(4, b"\x00\x04\x00\x01\x00\x00"), frame(4, flags=1)
REQUEST = frame(1, b"\x82\x86\x84\x41\x01x", flags=5, stream=1)
ANSWER = frame(1, b"\x88", flags=5, stream=1)


def read(end: socket.socket, until: bytes) -> None:
    """Up to these bytes; up to the end where there are none."""
    got = b""
    while more := end.recv(4096):
        got += more
        if until and until in got:
            return


def serve(listener: socket.socket) -> None:
    """One connection after the other."""
    for _ in range(CONNECTIONS):
        end, _ = listener.accept()
        with end:
            end.sendall(SETTINGS)
            read(end, REQUEST)
            end.sendall(ACKNOWLEDGED + ANSWER)
            read(end, b"")


def ask(address: tuple[str, int]) -> None:
    """Likewise."""
    for _ in range(CONNECTIONS):
        with socket.create_connection(address) as end:
            begin = time.perf_counter() + random.random() * LATEST_SECS
            while time.perf_counter() < begin:
                pass
            end.sendall(PREFACE + SETTINGS)
            end.sendall(REQUEST)
            read(end, ANSWER)
            end.sendall(ACKNOWLEDGED)
            end.shutdown(socket.SHUT_WR)
            read(end, b"")


def main() -> None:
    """Serve in a process of its own, ask in this one."""
    processors = sorted(os.sched_getaffinity(0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = os.fork()
        os.sched_setaffinity(0, {processors[0 if server else -1]})
        if not server:
            serve(listener)
            os._exit(0)
        ask(listener.getsockname())
    if os.waitpid(server, 0)[1]:
        sys.exit("the server failed")
    sys.stdout.write(str(CONNECTIONS))


if __name__ == "__main__":
    main()
