r"""A conversation → the segments that a capture of it holds: for tests of decode and of what stands behind it. No I/O.

``Talk`` plays both ends of one TCP connection and keeps the books (sequence and acknowledgement numbers, time), so that a test
says only who sends what::

    talk = Talk()
    talk.client(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    talk.server(b"HTTP/1.1 204 No Content\r\n\r\n")
    segments = talk.close().segments
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Self

from pipeline.model.records import ACK, FIN, PSH, RST, SYN, FlowKey, Segment, reverse

MASK = 0xFFFFFFFF
START_NS = 1_700_000_000_000_000_000


def flow_key(client: str = "10.0.0.1", client_port: int = 40000, server: str = "10.0.0.2", server_port: int = 80) -> FlowKey:
    """The key of the direction from client to server."""
    return ip_address(client).packed + ip_address(server).packed + client_port.to_bytes(2, "big") + server_port.to_bytes(2, "big")


class Talk:
    """One connection. ``segments`` grows; each segment is ``step_ns`` later than the one before."""

    def __init__(  # noqa: PLR0913  each has its default
        self,
        key: FlowKey | None = None,
        *,
        client_isn: int = 1000,
        server_isn: int = 5000,
        start_ns: int = START_NS,
        step_ns: int = 100_000,
        handshake: bool = True,
        mss: int = 1460,
        acks: bool = True,
    ) -> None:
        self.key = key or flow_key()
        self.now_ns = start_ns
        self.step_ns = step_ns
        self.mss = mss
        self.acks = acks
        self.segments: list[Segment] = []
        self._next = {True: client_isn, False: server_isn}
        if handshake:
            self.send(client=True, flags=SYN)
            self.send(client=False, flags=SYN | ACK)
            self.send(client=True, flags=ACK)
        else:
            self._next = {True: client_isn + 1 & MASK, False: server_isn + 1 & MASK}

    def send(
        self, payload: bytes = b"", *, client: bool, flags: int = ACK | PSH, length: int | None = None, cut: bool = False
    ) -> Segment:
        """One segment from either end, whatever it is."""
        size = len(payload) if length is None else length
        segment = Segment(
            self.key if client else reverse(self.key),
            self.now_ns,
            self._next[client],
            self._next[not client] if flags & ACK else 0,
            flags,
            payload,
            size,
            0,
            cut,
        )
        self._next[client] = self._next[client] + size + bool(flags & SYN) + bool(flags & FIN) & MASK
        self.now_ns += self.step_ns
        self.segments.append(segment)
        return segment

    def client(self, *payloads: bytes) -> Self:
        """The client sends; every payload is cut into segments of ``mss`` bytes, and the server acknowledges."""
        return self._say(payloads, client=True)

    def server(self, *payloads: bytes) -> Self:
        """The server sends; every payload is cut into segments of ``mss`` bytes, and the client acknowledges."""
        return self._say(payloads, client=False)

    def exchange(self, request: bytes, response: bytes) -> Self:
        """A request and its response."""
        return self.client(request).server(response)

    def close(self) -> Self:
        """Both ends close, the server first."""
        self.send(client=False, flags=FIN | ACK)
        self.send(client=True, flags=FIN | ACK)
        self.send(client=False, flags=ACK)
        return self

    def reset(self, *, client: bool = True) -> Self:
        """One end resets the connection."""
        self.send(client=client, flags=RST | ACK)
        return self

    def wait(self, secs: float) -> Self:
        """Let time pass."""
        self.now_ns += int(secs * 1e9)
        return self

    def skip(self, count: int, *, client: bool) -> Self:
        """Send bytes that no capture saw."""
        self._next[client] = self._next[client] + count & MASK
        return self

    def _say(self, payloads: Sequence[bytes], *, client: bool) -> Self:
        for payload in payloads:
            for start in range(0, len(payload), self.mss):
                self.send(payload[start : start + self.mss], client=client)
                if self.acks:
                    self.send(client=not client, flags=ACK)
        return self


def request(
    target: str = "/", *, method: str = "GET", host: str = "example.com", body: bytes = b"", fields: Sequence[str] = ()
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def response(body: bytes = b"", *, status: int = 200, reason: str = "OK", fields: Sequence[str] = ()) -> bytes:
    """The bytes of a response with Content-Length."""
    lines = [f"HTTP/1.1 {status} {reason}", *fields, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def keep_alive(exchanges: int, key: FlowKey | None = None, *, body: bytes = b"x" * 100) -> list[Segment]:
    """The segments of one connection with so many exchanges; request ``n`` asks for ``/n``, its response says ``X-N: n``."""
    talk = Talk(key)
    for number in range(exchanges):
        talk.exchange(request(f"/{number}"), response(body, fields=[f"X-N: {number}"]))
    return talk.close().segments
