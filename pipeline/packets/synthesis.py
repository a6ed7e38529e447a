"""Records → packets: an IP packet for each segment or datagram that a source has reported. Pure.

What the record says is in the packet: addresses, ports, numbers, flags, times, the bytes that were captured, the length of those
that were not. What it does not say is made up, the same in every packet: windows, TTL, options. The interface says so in words.
"""

from collections.abc import Iterator
from struct import Struct

from pipeline.model.packet import Interface, Packet
from pipeline.model.records import FIN, MULTIPATH, PSH, RST, SYN, Datagram, FlowKey, Segment

TCP, UDP = 6, 17
MOST_PAYLOAD = 65_535 - 20 - 32
"""Of one packet. A record may stand for megabytes: a run of segments that were not copied."""

WINDOW = 65_535
OPTIONS = b"\1\3\3\16"
"""Of a SYN: the window is in units of 16 KiB (RFC 7323, section 2.2), so that no reader finds it too small for what is sent."""
MULTIPATH_OPTION = b"\x1e\4\1\x81"
"""MP_CAPABLE as a SYN has it (RFC 8684, section 3.1)."""
NOT_COPIED = "httpipe: bytes that the capture did not copy"

_IPV4 = Struct("!BBHHHBBH4s4s")
_WORDS = Struct("!10H")
_IPV6 = Struct("!IHBB16s16s")
_TCP = Struct("!4sIIBBHHH")
_UDP = Struct("!4sHH")


def packets_of(record: Segment | Datagram, interface: Interface) -> Iterator[Packet]:
    """One packet; several where the record is longer than a packet can be, or has taken its time."""
    if isinstance(record, Datagram):
        header = _UDP.pack(record.key[-4:], 8 + record.length, 0)
        header = _ip(record.key, UDP, 8 + record.length) + header
        yield _packet(header, record.payload, record.length, record.ts_ns, interface)
        return
    if record.length <= MOST_PAYLOAD and record.last_ns in {0, record.ts_ns}:  # nearly every one
        header = _tcp(record.key, record.seq, record.ack, record.flags)
        header = _ip(record.key, TCP, len(header) + record.length) + header
        yield _packet(header, record.payload, record.length, record.ts_ns, interface)
        return
    begin = record.seq + 1 if record.flags & SYN else record.seq
    pieces = list(_pieces(record))
    for place, (ts_ns, at, length) in enumerate(pieces):
        flags = record.flags
        if place:
            flags &= ~(SYN | MULTIPATH)
        if place < len(pieces) - 1:
            flags &= ~(FIN | RST | PSH)
        seq = begin + at if place else record.seq
        header = _tcp(record.key, seq & 0xFFFFFFFF, record.ack, flags)
        header = _ip(record.key, TCP, len(header) + length) + header
        yield _packet(header, record.payload[at : at + length], length, ts_ns, interface)


def _pieces(record: Segment) -> Iterator[tuple[int, int, int]]:
    """When, from where on, how long. The last byte has a packet of its own where it is later than the first."""
    whole, last_ns = record.length, record.last_ns or record.ts_ns
    late = 1 if last_ns != record.ts_ns and whole > 1 else 0
    rest = whole - late
    count = max(1, -(-rest // MOST_PAYLOAD))
    for place in range(count):
        at = place * MOST_PAYLOAD
        when = record.ts_ns + (last_ns - record.ts_ns) * place // count
        yield when, at, min(MOST_PAYLOAD, rest - at)
    if late:
        yield last_ns, rest, 1


def _tcp(key: FlowKey, seq: int, ack: int, flags: int) -> bytes:
    options = b""
    if flags & SYN:
        options = OPTIONS + (MULTIPATH_OPTION if flags & MULTIPATH else b"")
    return _TCP.pack(key[-4:], seq, ack, 80 + 4 * len(options), flags & 0xFF, WINDOW, 0, 0) + options


def _packet(header: bytes, data: bytes, length: int, ts_ns: int, interface: Interface) -> Packet:
    comment = NOT_COPIED if len(data) < length else ""
    return Packet(ts_ns, interface, header + data, len(header) + length, comment)


def _ip(key: FlowKey, protocol: int, length: int) -> bytes:
    """The header in front of so many bytes."""
    if len(key) == 12:
        fields = 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0, key[:4], key[4:8]
        words = _IPV4.pack(*fields)
        total: int = sum(_WORDS.unpack(words))
        total = (total & 0xFFFF) + (total >> 16)
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF  # RFC 791, section 3.1
        return words[:10] + checksum.to_bytes(2, "big") + words[12:]
    return _IPV6.pack(0x60000000, length, protocol, 64, key[:16], key[16:32])
