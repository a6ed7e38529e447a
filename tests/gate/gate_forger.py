"""A TCP of our own, at an address that no kernel has: it may say whatever it likes."""

import itertools
import random
import socket
import struct
import time
from contextlib import suppress

from live_namespace import Namespace, ip

SOURCES = itertools.cycle(random.sample(range(30000, 60000), 30000))
"""Ports that we connect from, none twice in a test."""
ME, SERVER = "10.25.0.77", "10.25.0.2"
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MSS = b"\2\4\x05\xb4"


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(namespace: Namespace) -> bytes:
    """Of ``wire`` there."""
    with namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as found:
        found.bind(("wire", 0))
        address: bytes = found.getsockname()[4]
        return address


def introduce(client_side: Namespace, server_side: Namespace) -> bytes:
    """The server's kernel is told where ``ME`` is; the Ethernet header to it."""
    here, there = mac(client_side), mac(server_side)
    ip("-n", server_side.name, "neigh", "replace", ME, "lladdr", here.hex(":"), "dev", "wire", "nud", "permanent")
    return there + here + b"\x08\0"


class Forger:
    """One connection. ``stamped``: with time stamps."""

    def __init__(self, port: int, ethernet: bytes) -> None:
        self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self._wire.bind(("wire", 0x0800))
        self._wire.settimeout(0.02)
        self._ethernet, self._port = ethernet, port
        self.source = next(SOURCES)
        self._addresses = socket.inet_aton(ME) + socket.inet_aton(SERVER)
        self._ident = 1
        self.stamped = False
        self.echo = 0
        self.seq = random.randint(1, 1 << 31)
        self.ack = self.acknowledged = 0
        self.received = b""
        self.ended = ""

    def clock(self) -> int:
        """Of our time stamps: milliseconds."""
        return int(time.monotonic() * 1000) & 0xFFFFFFFF

    def segment(  # noqa: PLR0913  a segment has as many fields
        self,
        data: bytes = b"",
        flags: int = PSH | ACK,
        *,
        seq: int | None = None,
        ack: int | None = None,
        broken: bool = False,
        options: bytes = b"",
        urgent: int = 0,
        stamp: int | None = None,
    ) -> bytes:
        """A TCP segment as it stands behind an IP header."""
        if self.stamped and not flags & SYN:
            options = b"\1\1\x08\x0a" + struct.pack("!II", self.clock() if stamp is None else stamp, self.echo) + options
        offset = (5 + len(options) // 4) << 4
        seq, ack = self.seq if seq is None else seq, self.ack if ack is None else ack
        flags |= URG if urgent else 0
        head = struct.pack(
            "!HHIIBBHHH", self.source, self._port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, 65000, 0, urgent
        )
        whole = head + options + data
        correct = checksum(self._addresses + struct.pack("!BBH", 0, 6, len(whole)) + whole)
        return whole[:16] + struct.pack("!H", correct ^ (0x5555 if broken else 0)) + whole[18:]

    def packet(self, payload: bytes, *, fragment: int = 0, ident: int = 0, options: bytes = b"") -> bytes:
        """With an IP header."""
        self._ident += 1
        first, size = 0x45 + len(options) // 4, 20 + len(options) + len(payload)
        head = struct.pack("!BBHHHBBH", first, 0, size, ident or self._ident, fragment, 64, 6, 0) + self._addresses + options
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload

    def put(self, packet: bytes) -> None:
        """Onto the wire."""
        self._wire.send(self._ethernet + packet)

    def send(self, data: bytes = b"", flags: int = PSH | ACK, **said: int | bytes | bool | None) -> None:
        """A segment that may be a lie: our own place does not move."""
        self.put(self.packet(self.segment(data, flags, **said)))  # type: ignore[arg-type]  by name

    def data(self, data: bytes, flags: int = PSH | ACK, **said: int | bytes | bool | None) -> None:
        """A segment that counts."""
        self.send(data, flags, **said)
        self.seq += len(data)

    def connect(self) -> None:
        """The handshake."""
        stamps = b"\4\2\x08\x0a" + struct.pack("!II", self.clock(), 0) if self.stamped else b""
        self.send(flags=SYN, ack=0, options=MSS + stamps)
        if self.listen(1.0) != "opened":
            raise ConnectionError("no answer to the SYN")
        self.send(flags=ACK)

    def is_acknowledged(self, secs: float) -> bool:
        """Whether the server's kernel has all that was sent so far, or has it soon."""
        until = time.monotonic() + secs
        while self.acknowledged != self.seq & 0xFFFFFFFF and time.monotonic() < until:
            with suppress(TimeoutError):
                self._take(self._wire.recv(65536))
        return self.acknowledged == self.seq & 0xFFFFFFFF

    def listen(self, secs: float) -> str:
        """For so long, or until something happens, which it says."""
        until = time.monotonic() + secs
        while time.monotonic() < until:
            try:
                frame = self._wire.recv(65536)
            except TimeoutError:
                continue
            happened = self._take(frame)
            if happened:
                return happened
        return ""

    def _take(self, frame: bytes) -> str:
        tcp = 14 + (frame[14] & 15) * 4
        if frame[26:34] != self._addresses[4:] + self._addresses[:4] or frame[23] != 6:
            return ""
        source, destination, seq, self.acknowledged, offset, flags = struct.unpack_from("!HHIIBB", frame, tcp)
        if (source, destination) != (self._port, self.source):
            return ""
        options = frame[tcp + 20 : tcp + (offset >> 4) * 4]
        stamps = options.find(b"\x08\x0a")
        if self.stamped and stamps >= 0:
            self.echo = struct.unpack_from("!I", options, stamps + 2)[0]
        data = frame[tcp + (offset >> 4) * 4 : 14 + struct.unpack_from("!H", frame, 16)[0]]
        return self._understand(seq, flags, data)

    def _understand(self, seq: int, flags: int, data: bytes) -> str:
        if flags & SYN:
            self.ack, self.seq = (seq + 1) & 0xFFFFFFFF, self.acknowledged
            return "opened"
        if flags & RST:
            self.ended = "reset"
            return "reset"
        if data and seq == self.ack:
            self.received += data
            self.ack = (seq + len(data)) & 0xFFFFFFFF
        if flags & FIN:
            self.ack = (self.ack + 1) & 0xFFFFFFFF
            self.ended = "closed"
        if data or flags & FIN:
            self.send(flags=ACK)
        return self.ended or ("secret" if b"SECRET" in self.received else "")

    def close(self) -> None:
        """Forget it."""
        self.send(flags=RST)
        self._wire.close()
