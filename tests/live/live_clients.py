"""Clients whose process identifiers are known, each a process of its own."""

import subprocess
import sys
from collections.abc import Sequence

from live_namespace import Namespace

KEPT = """
import http.client, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
connections = [http.client.HTTPConnection(host, port) for _ in range(count)]
for number, connection in enumerate(connections):
    connection.request("GET", f"/small?before-{number}")
    connection.getresponse().read()
print("there", flush=True)
sys.stdin.readline()
for number, connection in enumerate(connections):
    connection.request("GET", f"/small?after-{number}")
    connection.getresponse().read()
"""
"""Opens connections, asks on each; after a line of input, once more."""

AGAIN = """
import os, socket, subprocess, sys
host, port, local, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for number in range(count):
    child = os.fork()
    if not child:
        asking = socket.socket()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        asking.bind(("127.0.0.1", local))
        asking.connect((host, port))
        asking.sendall(f"GET /small?{os.getpid()} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
        while asking.recv(4096):
            pass
        os._exit(0)
    os.waitpid(child, 0)
"""
"""One process after the other asks from the same port; the target names it. The server closes first: the port is free at once."""


def curls(namespace: Namespace, url: str, numbers: Sequence[int], most: int = 4) -> dict[str, int]:
    """One curl for each number, some at once; which process asked for which query."""
    asked: dict[str, int] = {}
    running: list[subprocess.Popen[bytes]] = []
    with namespace.entered():
        for number in numbers:
            if len(running) == most:
                running.pop(0).wait()
            running.append(subprocess.Popen(["curl", "-sS", "-o", "/dev/null", f"{url}?{number}"]))
            asked[str(number)] = running[-1].pid
    for each in running:
        assert each.wait() == 0
    return asked


HANDED_ON = """
import os, socket, sys
asking = socket.create_connection((sys.argv[1], int(sys.argv[2])))
asking.sendall(b"GET /page HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
left = int(sys.argv[3])
while left > 300_000:
    left -= len(asking.recv(65536))
print(os.getpid(), flush=True)
sys.stdin.readline()
child = os.fork()
if not child:
    while left > 0:
        left -= len(asking.recv(65536))
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    asking.sendall(b"GET /small HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    asking.recv(4096)
    os._exit(0)
os.waitpid(child, 0)
"""
"""A connection, the end of whose response another process reads, which asks again; before each it waits for a line of input."""


def python(namespace: Namespace, program: str, *arguments: str) -> subprocess.Popen[str]:
    """A program of the above, this interpreter's; ``communicate`` ends it."""
    command = [sys.executable, "-c", program, *arguments]
    with namespace.entered():
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def done(client: subprocess.Popen[str], line: str = "") -> None:
    """Give it a line of input, wait for its end."""
    client.communicate(line, timeout=60)
    assert client.returncode == 0
