"""Packets and capture files, made by hand for the tests."""

import struct

CLIENT4, SERVER4 = bytes((192, 0, 2, 1)), bytes((198, 51, 100, 2))
CLIENT6, SERVER6 = bytes.fromhex("20010db8000000000000000000000001"), bytes.fromhex("20010db8000000000000000000000002")
PORTS = struct.pack(">HH", 40_000, 80)
KEY4, KEY6 = CLIENT4 + SERVER4 + PORTS, CLIENT6 + SERVER6 + PORTS
PAYLOAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SEQ, ACKED, PSH_ACK = 0xFFFFFFF0, 7, 0x18
TS_NS = 1_700_000_000_123_456_000


def tcp(payload: bytes = PAYLOAD, *, flags: int = PSH_ACK, options: bytes = b"", seq: int = SEQ) -> bytes:
    """A TCP segment."""
    return PORTS + struct.pack(">IIBBHHH", seq, ACKED, (20 + len(options)) // 4 << 4, flags, 512, 0, 0) + options + payload


def ipv4(  # noqa: PLR0913  each field that a test wants to be odd
    content: bytes,
    protocol: int = 6,
    *,
    total: int | None = None,
    fragment: int = 0,
    options: bytes = b"",
    identification: int = 1,
) -> bytes:
    """An IPv4 packet; ``fragment`` is the field of flags and offset."""
    header = 20 + len(options)
    total = header + len(content) if total is None else total
    start = struct.pack(">BBHHHBBH", 0x40 | header // 4, 0, total, identification, fragment, 64, protocol, 0)
    return start + CLIENT4 + SERVER4 + options + content


def ipv6(content: bytes, protocol: int = 6, *, length: int | None = None) -> bytes:
    """An IPv6 packet."""
    length = len(content) if length is None else length
    return struct.pack(">IHBB", 6 << 28, length, protocol, 64) + CLIENT6 + SERVER6 + content


def ethernet(content: bytes, kind: int = 0x0800) -> bytes:
    """An Ethernet frame."""
    return bytes(12) + struct.pack(">H", kind) + content


def udp(content: bytes, port: int, source: int = 50_000) -> bytes:
    """A UDP datagram in IPv4."""
    return ipv4(struct.pack(">HHHH", source, port, 8 + len(content), 0) + content, 17)


def classic(  # noqa: PLR0913  each property that a test wants to be odd
    packets: list[bytes],
    *,
    order: str = "<",
    nanoseconds: bool = False,
    link: int = 1,
    snap: int | None = None,
    start_ns: int = TS_NS,
) -> bytes:
    """A classic capture file with a packet every millisecond."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)
    for number, packet in enumerate(packets):
        seconds, rest = divmod(start_ns + number * 1_000_000, 1_000_000_000)
        kept = packet[:snap]
        out += struct.pack(order + "IIII", seconds, rest if nanoseconds else rest // 1000, len(kept), len(packet)) + kept
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str) -> bytes:
    """A section header."""
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int = 1, *, options: bytes = b"") -> bytes:
    """An interface description."""
    return block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)


def option(order: str, code: int, value: bytes) -> bytes:
    """An option of a pcapng block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(order: str, packet: bytes, units: int, index: int = 0, *, options: bytes = b"") -> bytes:
    """An enhanced packet block."""
    head = struct.pack(order + "IIIII", index, units >> 32, units & 0xFFFFFFFF, len(packet), len(packet))
    return block(order, 6, head + packet + bytes(-len(packet) % 4) + options)


def statistics(order: str, *options: tuple[int, int], index: int = 0) -> bytes:
    """An interface statistics block; ``options`` are codes and their 64-bit values."""
    values = b"".join(option(order, code, struct.pack(order + "Q", value)) for code, value in options)
    return block(order, 5, struct.pack(order + "III", index, 0, 0) + values)
