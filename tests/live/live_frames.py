"""Frames of our own making, byte by byte as the RFCs draw them."""

from ipaddress import ip_address
from struct import pack

IPV4, IPV6, VLAN, QINQ, MPLS, PPPOE, ARP = 0x0800, 0x86DD, 0x8100, 0x88A8, 0x8847, 0x8864, 0x0806
TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT4, SERVER4 = ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed
CLIENT6, SERVER6 = ip_address("2001:db8::1").packed, ip_address("2001:db8::2").packed
ELSEWHERE = bytes.fromhex("020000000001")
"""Whom frames are to: they are tried as if on loopback, where of what is to this host only the sent copy counts."""
REQUEST = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ethernet(kind: int, payload: bytes, *tags: tuple[int, int]) -> bytes:
    """Tags are pairs of type and id, outermost first."""
    header = ELSEWHERE + bytes(6)
    for tag, number in tags:
        header += pack("!HH", tag, number)
    return header + pack("!H", kind) + payload


def tcp(  # noqa: PLR0913  the header's fields
    payload: bytes = REQUEST,
    *,
    flags: int = ACK | PSH,
    seq: int = 1000,
    ack: int = 2000,
    ports: tuple[int, int] = (40000, 80),
    options: bytes = b"",
    offset: int | None = None,
) -> bytes:
    """``offset`` in words where it is to be wrong."""
    words = 5 + len(options) // 4 if offset is None else offset
    return pack("!HHIIBBHHH", *ports, seq, ack, words << 4, flags, 1024, 0, 0) + options + payload


def ipv4(  # noqa: PLR0913  the header's fields
    payload: bytes,
    *,
    options: bytes = b"",
    protocol: int = TCP,
    fragment: int = 0,
    total: int | None = None,
    ends: tuple[bytes, bytes] = (CLIENT4, SERVER4),
    version_ihl: int | None = None,
) -> bytes:
    """``total`` and ``version_ihl`` where they are to be wrong."""
    words = 5 + len(options) // 4
    first = 0x40 | words if version_ihl is None else version_ihl
    length = words * 4 + len(payload) if total is None else total
    return pack("!BBHHHBBH", first, 0, length, 7, fragment, 64, protocol, 0) + ends[0] + ends[1] + options + payload


def ipv6(
    payload: bytes,
    *headers: tuple[int, bytes],
    protocol: int = TCP,
    length: int | None = None,
    ends: tuple[bytes, bytes] = (CLIENT6, SERVER6),
) -> bytes:
    """Extension headers are pairs of their number and their bytes; the first byte of each is set to what follows."""
    numbers = [number for number, _ in headers] + [protocol]
    chain = b"".join(bytes([numbers[place + 1]]) + body[1:] for place, (_, body) in enumerate(headers))
    size = len(chain) + len(payload) if length is None else length
    return pack("!IHBB", 0x60000000, size, numbers[0], 64) + ends[0] + ends[1] + chain + payload
