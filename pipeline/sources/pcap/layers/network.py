"""IPv4, IPv6 with its extension headers, and TCP, which is where the way inwards ends."""

from struct import Struct

from pipeline.model.records import ACK, MULTIPATH, SYN, Segment
from pipeline.sources.pcap.layers.packet import IP_PROTOCOLS, Layer, Packet

_IPV4 = Struct(">BxHHHxB2x4s4s").unpack_from
_IPV6 = Struct(">4xHBx16s16s").unpack_from
_TCP = Struct(">4sIIBB").unpack_from

_ROUTED_LAST = (0, 2)
_SEGMENT_ROUTING = 4
_MPTCP = 30
"""The kind of TCP option that MPTCP has (RFC 8684, section 9.1)."""


def ipv4(packet: Packet) -> Layer | None:
    """RFC 791. A total length of 0 is what segmentation offload leaves: the captured length counts then."""
    start = packet.at
    version, total, identification, fragment, protocol, source, destination = _IPV4(packet.data, start)
    header = (version & 0x0F) * 4
    if version >> 4 != 4 or header < 20 or 0 < total < header:
        return None
    if total:
        packet.narrow(total)
    packet.source, packet.destination = source, destination
    packet.skip(header)
    if fragment & 0x3FFF:
        key = (source, destination, identification, protocol)
        return _fragment(packet, key, (fragment & 0x1FFF) * 8, protocol, more=bool(fragment & 0x2000))
    return IP_PROTOCOLS.get(protocol)


def ipv6(packet: Packet) -> Layer | None:
    """RFC 8200. A payload length of 0 is a jumbogram (RFC 2675) or segmentation offload: the captured length counts then."""
    length, protocol, source, destination = _IPV6(packet.data, packet.at)
    if packet.u8() >> 4 != 6:
        return None
    packet.skip(40)
    if length:
        packet.narrow(length)
    packet.source, packet.destination = source, destination
    return IP_PROTOCOLS.get(protocol)


def options(packet: Packet) -> Layer | None:
    """Hop-by-hop and destination options, mobility, HIP, shim6 (RFC 8200, section 4): next header, length in words of eight."""
    protocol = packet.u8()
    packet.skip(8 * (packet.u8(1) + 1))
    return IP_PROTOCOLS.get(protocol)


def routing(packet: Packet) -> Layer | None:
    """RFC 8200, section 4.4: a packet with addresses still to visit names its connection's address here.

    That is the last one (types 0 and 2) or, in segment routing (RFC 8754), the first of the list, not the next stop that
    stands in the IPv6 header.
    """
    kind, left, start = packet.u8(2), packet.u8(3), packet.at
    size = 8 * (packet.u8(1) + 1)
    if left and size >= 24:
        if kind in _ROUTED_LAST:
            packet.destination = packet.data[start + size - 16 : start + size]
        elif kind == _SEGMENT_ROUTING:
            packet.destination = packet.data[start + 8 : start + 24]
    return options(packet)


def authentication(packet: Packet) -> Layer | None:
    """RFC 4302: next header, length in words of four less two. It authenticates and does not hide."""
    protocol = packet.u8()
    packet.skip(4 * (packet.u8(1) + 2))
    return IP_PROTOCOLS.get(protocol)


def ipv6_fragment(packet: Packet) -> Layer | None:
    """RFC 8200, section 4.5. An atomic fragment (offset 0, nothing follows; RFC 6946) is a whole datagram."""
    protocol, place = packet.u8(), packet.u16(2)
    key = (packet.source, packet.destination, packet.u32(4))
    packet.skip(8)
    if place & 0xFFF9 == 0:
        return IP_PROTOCOLS.get(protocol)
    return _fragment(packet, key, place & 0xFFF8, protocol, more=bool(place & 1))


def _fragment(packet: Packet, key: object, offset: int, protocol: int, *, more: bool) -> Layer | None:
    """Go on with the whole datagram when this was its last missing piece. A piece that the capture cut leaves a gap."""
    if packet.end > len(packet.data):
        return None
    piece = packet.data[packet.at : packet.end]
    whole = packet.fragments.add((packet.vlan, key), offset, piece, packet.ts_ns, last=not more)
    if whole is None:
        return None
    packet.data, packet.at, packet.end = whole, 0, len(whole)
    return IP_PROTOCOLS.get(protocol)


def tcp(packet: Packet) -> Layer | None:
    """RFC 9293, section 3.1. Checksums are not looked at: offloading leaves them wrong in captures of a host's own traffic."""
    ports, seq, ack, offset, flags = _TCP(packet.data, packet.at)
    header = (offset >> 4) * 4
    length = packet.end - packet.at - header
    if header < 20 or length < 0:
        return None
    start = packet.at + header
    payload = packet.data[start : packet.end]
    if flags & SYN:
        flags |= told_by_options(packet.data[packet.at + 20 : start])
    packet.segment = Segment(
        packet.source + packet.destination + ports,
        packet.ts_ns,
        seq,
        ack if flags & ACK else 0,
        flags,
        payload,
        length,
        cut=len(payload) < length,
        vlan=packet.vlan,
        interface=packet.interface,
    )
    return None


def told_by_options(options: bytes) -> int:
    """``MULTIPATH`` where TCP options hold one of MPTCP (RFC 9293, section 3.1: kind and length, but for 0, the end, and 1)."""
    at = 0
    while _MPTCP in options[at:] and options[at]:  # so there is one more byte, at least, behind any other kind
        if options[at] == _MPTCP:
            return MULTIPATH
        at += 1 if options[at] == 1 else max(2, options[at + 1])
    return 0
