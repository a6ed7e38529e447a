"""Tunnels: packets inside GRE, UDP or IP. Which port or protocol carries which stands in ``table.py``."""

from struct import Struct

from pipeline.model.records import Datagram
from pipeline.sources.pcap.layers.link import NSH_PROTOCOLS, ethernet, ppp, wifi
from pipeline.sources.pcap.layers.packet import ETHERTYPES, IP_PROTOCOLS, UDP_PORTS, Layer, Packet, ip

_TEREDO_ADDRESSES = Struct(">4xHBx4s12x4s").unpack_from
_QUIC_LEAST = 21
"""Bytes of the shortest packet that can be decrypted (RFC 9000, section 10.3)."""
_QUIC_VERSIONS = (1, 0x6B3343CF)
_QUIC_DRAFTS = 0xFF0000
_TEREDO_PREFIX = b"\x20\x01\x00\x00"


def udp(packet: Packet) -> Layer | None:
    """RFC 768: a tunnel by one of its ports, else Teredo between peers, which use any."""
    source, destination, length = packet.u16(), packet.u16(2), packet.u16(4)
    if length >= 8:
        packet.narrow(length)
    packet.skip(8)
    layer = UDP_PORTS.get(destination) or UDP_PORTS.get(source) or (teredo if _is_teredo(packet) else None)
    if layer is None and packet.quic and _may_be_initial(packet):
        payload = packet.data[packet.at : packet.end]
        key = packet.source + packet.destination + packet.data[packet.at - 8 : packet.at - 4]
        packet.segment = Datagram(key, packet.ts_ns, payload, packet.end - packet.at, packet.vlan, packet.interface)
    return layer


def _may_be_initial(packet: Packet) -> bool:
    """A long header of QUIC with a version that there is: 1, 2 or a draft (RFC 9000, section 17.2; RFC 9369, section 3.1)."""
    if packet.end - packet.at < _QUIC_LEAST or len(packet.data) - packet.at < _QUIC_LEAST or packet.u8() & 0xC0 != 0xC0:
        return False
    version = packet.u32(1)
    return version in _QUIC_VERSIONS or version >> 8 == _QUIC_DRAFTS


def _is_teredo(packet: Packet) -> bool:
    """IPv6 whose length agrees with UDP's and of which one address has Teredo's prefix 2001::/32 (RFC 4380, section 2.6)."""
    if packet.end - packet.at < 40 or len(packet.data) - packet.at < 40 or packet.u8() >> 4 != 6:
        return False
    length, _, source, destination = _TEREDO_ADDRESSES(packet.data, packet.at)
    return packet.end - packet.at - 40 == length and _TEREDO_PREFIX in (source, destination)


def teredo(packet: Packet) -> Layer | None:
    """RFC 4380, section 5.1.1: IPv6, behind an authentication header, an origin indication, both or neither."""
    if packet.u16() == 1:
        packet.skip(4 + packet.u8(2) + packet.u8(3) + 9)
    if packet.u16() == 0:
        packet.skip(8)
    return ip if packet.u8() >> 4 == 6 else None


def gre(packet: Packet) -> Layer | None:  # noqa: PLR0911  one return for each kind of content
    """RFC 2784 and 2890 (version 0), 2637 (version 1: PPTP): optional fields of four bytes each, as the flags say."""
    flags, protocol = packet.u16(), packet.u16(2)
    if flags & 7 > 1 or flags & 0x4000:  # source routing died with RFC 1701
        return None
    has_sequence = flags & 0x1000
    optional = bool(flags & 0x8000) + bool(flags & 0x2000) + bool(has_sequence)
    acknowledged = flags & 7 == 1 and flags & 0x80
    packet.skip(4 + 4 * optional + (4 if acknowledged else 0))
    match protocol:
        case 0x88BE if not has_sequence:  # ERSPAN type I has no header of its own
            return ethernet
        case 0x88BE:
            packet.skip(8)
            return ethernet
        case 0x22EB:  # type III: twelve bytes, eight more where the O bit is set
            packet.skip(20 if packet.u8(11) & 1 else 12)
            return ethernet
        case 0x880B:
            return ppp
        case 0x8200:  # Aruba: what the access point received
            return wifi
        case 0x883E:  # WCCP: version 2 puts a redirect header before IP
            packet.skip(0 if packet.u8() >> 4 == 4 else 4)
            return ip
    return ETHERTYPES.get(protocol)


def vxlan(packet: Packet) -> Layer | None:
    """RFC 7348; the P flag of the generic protocol extension says that a next protocol is named."""
    flags, protocol = packet.u8(), packet.u8(3)
    packet.skip(8)
    if not flags & 0x08:
        return None
    return NSH_PROTOCOLS.get(protocol) if flags & 0x04 else ethernet


def geneve(packet: Packet) -> Layer | None:
    """RFC 8926: options in words of four, an EtherType, of which 0x6558 is Ethernet."""
    first, protocol = packet.u8(), packet.u16(2)
    if first >> 6:
        return None
    packet.skip(8 + 4 * (first & 0x3F))
    return ETHERTYPES.get(protocol)


GTP_USER_DATA = 0xFF


def gtp_user(packet: Packet) -> Layer | None:
    """3GPP TS 29.281, section 5.1: version 1, user data, optional fields, a chain of extension headers, IP."""
    flags, kind = packet.u8(), packet.u8(1)
    if flags >> 4 != 3 or kind != GTP_USER_DATA:
        return None
    if not flags & 7:
        packet.skip(8)
        return ip
    extension = packet.u8(11) if flags & 4 else 0
    packet.skip(12)
    while extension:
        size = 4 * packet.u8()
        if not size:
            return None
        packet.skip(size)
        extension = packet.data[packet.at - 1]
    return ip


def l2tp(packet: Packet) -> Layer | None:
    """RFC 2661, section 3.1: data messages of version 2, optional length, counters and offset, then PPP."""
    flags = packet.u16()
    if flags & 0x800F != 2:
        return None
    packet.skip(2 + (2 if flags & 0x4000 else 0) + 4 + (4 if flags & 0x0800 else 0))
    if flags & 0x0200:
        packet.skip(2 + packet.u16())
    return ppp


AYIYA_FORWARD = 1


def ayiya(packet: Packet) -> Layer | None:
    """draft-massar-v6ops-ayiya: lengths of identity (power of two) and signature (words of four), then what is forwarded."""
    identity, signature, operation, protocol = packet.u8() >> 4, packet.u8(1) >> 4, packet.u8(2) & 0x0F, packet.u8(3)
    if operation != AYIYA_FORWARD:
        return None
    packet.skip(8 + (1 << identity) + 4 * signature)
    return IP_PROTOCOLS.get(protocol)
