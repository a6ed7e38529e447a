"""Servers whose threads share the work of a connection: PORT CERTIFICATE HOW. TLS between memory and memory.

``offload``  one thread receives and sends; four others decrypt and answer, each with a plain HTTP connection of its own.
``pool``     no thread belongs to a connection: any of six receives, and any decrypts and answers.
"""

import contextlib
import http.client
import http.server
import queue
import random
import select
import socket
import ssl
import sys
import threading
import time

port, certificate, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
listener = socket.create_server(("127.0.0.1", port), backlog=200)


class Connection:
    """A socket and a TLS object that does not know it."""

    def __init__(self, number: int) -> None:
        self.socket, (_, self.peer) = listener.accept()
        self.number = number
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.lock = threading.Lock()
        self._met = False
        self._unread = b""

    def decrypt(self, data: bytes) -> list[str]:
        """Paths of the requests that are whole now."""
        self.incoming.write(data)
        paths = []
        with contextlib.suppress(ssl.SSLError):
            if not self._met:
                self.tls.do_handshake()
                self._met = True
            while True:
                self._unread += self.tls.read(65536)
                while b"\r\n\r\n" in self._unread:
                    head, _, self._unread = self._unread.partition(b"\r\n\r\n")
                    paths.append(head.split()[1].decode())
        return paths

    def answer(self, path: str) -> None:
        """Into memory."""
        body = f"peer={self.peer} uri={path} end".encode()
        self.tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class Plain(http.server.BaseHTTPRequestHandler):
    """What the workers of ``offload`` ask."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def do_GET(self) -> None:
        """Any path."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Offload:
    """One loop of sockets, four workers."""

    def __init__(self) -> None:
        self.database = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain)
        self.work: list[queue.SimpleQueue[tuple[Connection, bytes]]] = [queue.SimpleQueue() for _ in range(4)]
        self.done: queue.SimpleQueue[tuple[Connection, bytes]] = queue.SimpleQueue()
        self.woken, self.wake = socket.socketpair()
        self.connections: dict[int, Connection] = {}
        self.poll = select.poll()

    def run(self) -> None:
        """Until it is ended."""
        threading.Thread(target=self.database.serve_forever, daemon=True).start()
        for each in self.work:
            threading.Thread(target=self.worker, args=(each,), daemon=True).start()
        self.poll.register(listener, select.POLLIN)
        self.poll.register(self.woken, select.POLLIN)
        while True:
            for fd, _ in self.poll.poll():
                if fd == listener.fileno():
                    self.accept()
                elif fd == self.woken.fileno():
                    self.send()
                else:
                    self.receive(self.connections[fd])

    def worker(self, mine: "queue.SimpleQueue[tuple[Connection, bytes]]") -> None:
        """Decrypts, asks the database, encrypts."""
        client = http.client.HTTPConnection("127.0.0.1", self.database.server_port)
        while True:
            connection, data = mine.get()
            for path in connection.decrypt(data):
                client.request("GET", f"/plain/{connection.peer}{path}")
                client.getresponse().read()
                connection.answer(path)
            if sent := connection.outgoing.read():
                self.done.put((connection, sent))
                self.wake.send(b"x")

    def accept(self) -> None:
        """A client comes."""
        connection = Connection(len(self.connections))
        self.connections[connection.socket.fileno()] = connection
        self.poll.register(connection.socket, select.POLLIN)

    def send(self) -> None:
        """What workers have ready."""
        self.woken.recv(65536)
        while not self.done.empty():
            connection, data = self.done.get()
            with contextlib.suppress(OSError):
                connection.socket.sendall(data)

    def receive(self, connection: Connection) -> None:
        """A client's bytes go to its worker."""
        data = connection.socket.recv(65536)
        if data:
            self.work[connection.number % 4].put((connection, data))
        else:
            self.poll.unregister(connection.socket)
            connection.socket.close()


class Pool:
    """Six threads that do everything."""

    once = select.EPOLLIN | select.EPOLLONESHOT

    def __init__(self) -> None:
        self.work: queue.SimpleQueue[tuple[Connection, bytes]] = queue.SimpleQueue()
        self.ready, self.connections = select.epoll(), {}
        self.ready.register(listener, self.once)

    def run(self) -> None:
        """Until it is ended."""
        for _ in range(6):
            threading.Thread(target=self.both, daemon=True).start()
        threading.Event().wait()

    def both(self) -> None:
        """Receive, then decrypt what anybody received."""
        while True:
            for fd, _ in self.ready.poll(0.001, 1):
                self.receive(fd)
            time.sleep(random.random() * 0.003)  # somebody else may take it meanwhile
            with contextlib.suppress(queue.Empty):
                self.crunch(*self.work.get_nowait())

    def receive(self, fd: int) -> None:
        """A client, or bytes of one."""
        if fd == listener.fileno():
            connection = Connection(0)
            self.connections[connection.socket.fileno()] = connection
            self.ready.register(connection.socket, self.once)
            self.ready.modify(listener, self.once)
        elif data := self.connections[fd].socket.recv(65536):
            self.work.put((self.connections[fd], data))
        else:
            self.ready.unregister(fd)
            self.connections[fd].socket.close()

    def crunch(self, connection: Connection, data: bytes) -> None:
        """Decrypt, answer, send."""
        with connection.lock:
            for path in connection.decrypt(data):
                connection.answer(path)
            if sent := connection.outgoing.read():
                connection.socket.sendall(sent)
        self.ready.modify(connection.socket, self.once)


(Offload() if how == "offload" else Pool()).run()
