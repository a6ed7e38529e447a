"""Capture files of any size, for the benchmark: N exchanges over C keep-alive connections, or one connection each.

    python benchmarks/captures.py OUT.pcap --exchanges 100000 --connections 64
    python benchmarks/captures.py OUT.pcap --exchanges 100000 --connections 0      one connection per exchange
    python benchmarks/captures.py OUT.pcap --exchanges 1000 --connections 100000   most of them opened and then idle

Written as a stream, so that a million exchanges need no memory; the same arguments give the same bytes. A browser's request of
420 bytes with eight fields, an answer of 230 bytes of head and a small JSON body: what an API behind a proxy sees.
"""

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path

FIN, SYN, PSH, ACK = 1, 2, 8, 16
START_NS = 1_700_000_000_000_000_000
STEP_NS = 20_000
SERVER = bytes((192, 0, 2, 80))
PORTS_PER_CLIENT = 50_000
ETHERNET = bytes.fromhex("02000000000202000000000108") + b"\0"

REQUEST = (
    b"GET /api/v1/items/%d?page=%d HTTP/1.1\r\n"
    b"Host: shop.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Referer: https://shop.example/items/overview\r\n"
    b"Cookie: session=4f9a1c0e7d2b4a6f8c3e5d7b9a1f2e3d\r\n"
    b"Connection: keep-alive\r\n"
    b"\r\n"
)
RESPONSE = (
    b"HTTP/1.1 %d %s\r\n"
    b"Server: nginx/1.22.1\r\n"
    b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: no-store\r\n"
    b"X-Request-Id: 7b3f2a90-1c4d-4e8f-9a6b-%012d\r\n"
    b"\r\n"
    b"%s"
)


def status(number: int) -> tuple[int, bytes]:
    """Mostly well, sometimes not."""
    if number % 97 == 0:
        return 500, b"Internal Server Error"
    return (404, b"Not Found") if number % 50 == 0 else (200, b"OK")


def request(number: int) -> bytes:
    """The request of an exchange."""
    return REQUEST % (number, number % 100)


def response(number: int) -> bytes:
    """The answer to it."""
    code, reason = status(number)
    body = b'{"id":%d,"name":"item %d","stock":%d,"tags":["a","b"]}' % (number, number, number % 17)
    return RESPONSE % (code, reason, len(body), number, body)


class Connection:
    """A TCP connection between one client port and the server."""

    def __init__(self, number: int) -> None:
        address = 0x0A000001 + number // PORTS_PER_CLIENT
        port = struct.pack(">H", 10_000 + number % PORTS_PER_CLIENT)
        client, http = address.to_bytes(4, "big"), struct.pack(">H", 80)
        self._keys = (client + SERVER + port + http, SERVER + client + http + port)
        self._seq = [1_000 + number * 7919 & 0xFFFFFFFF, 5_000 + number * 104729 & 0xFFFFFFFF]

    def packet(self, side: int, flags: int, payload: bytes = b"") -> bytes:
        """The next packet of a side, 0 for the client, as an Ethernet frame. Checksums stay 0, as offloading leaves them."""
        key, seq, ack = self._keys[side], self._seq[side], self._seq[1 - side] if flags & ACK else 0
        self._seq[side] = seq + len(payload) + bool(flags & (SYN | FIN)) & 0xFFFFFFFF
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0)
        tcp = struct.pack(">IIBBHHH", seq, ack, 0x50, flags, 501, 0, 0)
        return ETHERNET + ip + key + tcp + payload

    def opening(self) -> Iterator[bytes]:
        """SYN, SYN and ACK, ACK."""
        yield self.packet(0, SYN)
        yield self.packet(1, SYN | ACK)
        yield self.packet(0, ACK)

    def exchange(self, number: int, *, acks: bool) -> Iterator[bytes]:
        """A request and its answer; ``acks`` adds what a slow host adds, a packet of its own for each acknowledgement."""
        yield self.packet(0, PSH | ACK, request(number))
        if acks:
            yield self.packet(1, ACK)
        yield self.packet(1, PSH | ACK, response(number))
        if acks:
            yield self.packet(0, ACK)

    def closing(self) -> Iterator[bytes]:
        """Both sides have said all."""
        yield self.packet(0, FIN | ACK)
        yield self.packet(1, FIN | ACK)
        yield self.packet(0, ACK)


def keep_alive(exchanges: int, connections: int, *, acks: bool = False) -> Iterator[bytes]:
    """The exchanges in turn over connections that are all open at once."""
    pool = [Connection(number) for number in range(connections)]
    for connection in pool:
        yield from connection.opening()
    for number in range(exchanges):
        yield from pool[number % connections].exchange(number, acks=acks)
    for connection in pool:
        yield from connection.closing()


def one_each(exchanges: int, *, acks: bool = False) -> Iterator[bytes]:
    """A connection for each exchange."""
    for number in range(exchanges):
        connection = Connection(number)
        yield from connection.opening()
        yield from connection.exchange(number, acks=acks)
        yield from connection.closing()


def write(path: Path, packets: Iterator[bytes]) -> int:
    """A classic capture file with nanoseconds. Returns the number of packets."""
    header = struct.Struct("<IIII").pack
    now_ns = START_NS
    with path.open("wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        for packet in packets:
            file.write(header(*divmod(now_ns, 1_000_000_000), len(packet), len(packet)) + packet)
            now_ns += STEP_NS
    return (now_ns - START_NS) // STEP_NS


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--exchanges", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=64, help="0: one connection per exchange")
    parser.add_argument("--acks", action="store_true", help="acknowledge in packets of their own")
    args = parser.parse_args()
    if args.connections:
        packets = keep_alive(args.exchanges, args.connections, acks=args.acks)
    else:
        packets = one_each(args.exchanges, acks=args.acks)
    count = write(args.out, packets)
    print(f"{args.out}: {args.exchanges} exchanges, {count} packets, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
