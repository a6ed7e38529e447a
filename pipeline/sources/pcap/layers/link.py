"""Link layers and the tags inside them: how a packet begins, by LINKTYPE or EtherType. What follows is named by an EtherType.

Layouts: the LINKTYPE registry of tcpdump.org for pseudo headers, else the standard named at the function.
"""

from pipeline.sources.pcap.layers.packet import (
    ETHERTYPES,
    LINK_TYPES,
    PPP_PROTOCOLS,
    Layer,
    Packet,
    ethertype,
    ip,
)


def skipping(count: int, following: Layer) -> Layer:
    """A header of which nothing is wanted: ``count`` bytes, then ``following``."""

    def skip(packet: Packet) -> Layer | None:
        packet.skip(count)
        return following

    return skip


def ethernet(packet: Packet) -> Layer | None:
    """Two addresses and an EtherType, or a length below 1536 (IEEE 802.3, 3.2.6) and then LLC."""
    kind = packet.u16(12)
    packet.skip(14)
    if kind >= 0x0600:
        return ETHERTYPES.get(kind)
    packet.narrow(kind)
    return llc


def llc(packet: Packet) -> Layer | None:
    """IEEE 802.2: SNAP carries an EtherType (RFC 1042), SAP 6 IP itself."""
    sap = packet.u16()
    packet.skip(3)
    if sap == 0x0606:
        return ip
    if sap != 0xAAAA:
        return None
    organization = packet.u16() << 8 | packet.u8(2)
    packet.skip(3)
    if organization == 0x0080C2:  # bridged Ethernet, RFC 2684, section 5.2
        packet.skip(4)
        return ethernet
    return ethertype


def vlan(packet: Packet) -> Layer | None:
    """IEEE 802.1Q and 802.1ad: tag control information, then the EtherType or length."""
    packet.vlan = packet.u16() & 0x0FFF
    kind = packet.u16(2)
    packet.skip(4)
    if kind >= 0x0600:
        return ETHERTYPES.get(kind)
    packet.narrow(kind)
    return llc


def mpls(packet: Packet) -> Layer | None:
    """Labels until the one with the bottom-of-stack bit (RFC 3032), then IP, or Ethernet of a pseudo-wire (RFC 4448).

    Nothing says which: IP begins with its version, Ethernet has a known EtherType at the right place, with or without the
    control word of RFC 4385 before it.
    """
    while True:
        label = packet.u32()
        packet.skip(4)
        if label & 0x100:
            break
    if packet.u8() >> 4 == 0 and packet.u16(16) in ETHERTYPES:
        packet.skip(4)
        return ethernet
    return ethernet if packet.u16(12) in ETHERTYPES and packet.u8() not in (0x45, 0x60) else ip


def ppp(packet: Packet) -> Layer | None:
    """RFC 1661 and 1662: address and control unless compressed away, a protocol of two bytes or (odd) one."""
    if packet.u16() == 0xFF03:
        packet.skip(2)
    protocol = packet.u8()
    if protocol & 1:
        packet.skip(1)
    else:
        protocol = packet.u16()
        packet.skip(2)
    return PPP_PROTOCOLS.get(protocol)


def pppoe(packet: Packet) -> Layer | None:
    """RFC 2516: version and type, code 0 for a session's data, session, length."""
    if packet.u8(1) != 0:
        return None
    length = packet.u16(4)
    packet.skip(6)
    packet.narrow(length)
    return ppp


def hdlc(packet: Packet) -> Layer | None:
    """Cisco HDLC: address 0x0F (unicast) or 0x8F, control, EtherType. PPP in the same framing has address 0xFF."""
    if packet.u8() == 0xFF:
        return ppp
    packet.skip(2)
    return ethertype


def frame_relay(packet: Packet) -> Layer | None:
    """RFC 2427: address, control 3, then a network layer protocol id: IP, or SNAP behind a pad."""
    packet.skip(2)
    while not packet.data[packet.at - 1] & 1:  # the extension bit ends the address
        packet.skip(1)
    if packet.u8() != 3:
        return ethertype  # Cisco's own framing
    nlpid = packet.u8(1) or packet.u8(2)
    if nlpid == 0x80:
        packet.skip(3 if packet.u8(1) == 0 else 2)
        packet.skip(3)
        return ethertype
    packet.skip(2)
    return ip if nlpid in (0xCC, 0x8E) else None


def fddi(packet: Packet) -> Layer | None:
    """LINKTYPE_FDDI: frame control and two addresses, then LLC (ISO 9314-2); frames of the ring itself carry none."""
    if packet.u8() & 0x70 != 0x50:
        return None
    packet.skip(13)
    return llc


def linux_cooked(packet: Packet) -> Layer | None:
    """LINKTYPE_LINUX_SLL: 14 bytes, then an EtherType; 4 stands for 802.2."""
    kind = packet.u16(14)
    packet.skip(16)
    return llc if kind == 4 else ETHERTYPES.get(kind)


def linux_cooked_2(packet: Packet) -> Layer | None:
    """LINKTYPE_LINUX_SLL2: the EtherType comes first, in 20 bytes."""
    kind = packet.u16()
    packet.skip(20)
    return llc if kind == 4 else ETHERTYPES.get(kind)


NFULA_PAYLOAD = 9


def nflog(packet: Packet) -> Layer | None:
    """LINKTYPE_NFLOG: four bytes, then attributes (length, type, value, padded to four); one of them is the packet.

    Their numbers are in the byte order of the machine that captured; the type is a small number in the right one.
    """
    packet.skip(4)
    while True:
        order = "little" if packet.u8(3) == 0 or packet.u8(2) != 0 else "big"
        length = int.from_bytes(packet.data[packet.at : packet.at + 2], order)  # type: ignore[arg-type]
        kind = int.from_bytes(packet.data[packet.at + 2 : packet.at + 4], order)  # type: ignore[arg-type]
        if kind & 0x7FFF == NFULA_PAYLOAD:
            packet.narrow(length)
            packet.skip(4)
            return ip
        packet.skip(max(4, (length + 3) & ~3))


_AVS = 0x80211


def wifi(packet: Packet) -> Layer | None:
    """IEEE 802.11, 9.2: data frames only; four addresses between access points, QoS and HT fields where flagged."""
    control, flags = packet.u8(), packet.u8(1)
    if control & 0x0C != 0x08 or control & 0x40 or flags & 0x40:  # not data, no data, encrypted
        return None
    qos = control & 0x80
    packet.skip(24 + (6 if flags & 3 == 3 else 0))
    aggregated = qos and packet.u8() & 0x80
    packet.skip((2 if qos else 0) + (4 if qos and flags & 0x80 else 0))
    return subframe if aggregated else llc


def subframe(packet: Packet) -> Layer | None:
    """IEEE 802.11, 9.3.2.2: several packets in one frame (A-MSDU), each with addresses and a length, padded to four bytes."""
    data, end, length = packet.data, packet.end, packet.u16(12)
    following = packet.at + (14 + length + 3 & ~3)
    packet.skip(14)
    packet.narrow(length)

    def next_subframe(packet: Packet) -> Layer | None:
        packet.data, packet.at, packet.end = data, following, end
        return subframe

    if following < min(end, len(data)):
        packet.more = next_subframe
    return llc


def radiotap(packet: Packet) -> Layer | None:
    """LINKTYPE_IEEE802_11_RADIOTAP: version, pad, length in little-endian order; then 802.11, some drivers' padding aside."""
    packet.skip(packet.u8(2) | packet.u8(3) << 8)
    return wifi


def prism(packet: Packet) -> Layer | None:
    """LINKTYPE_IEEE802_11_PRISM: message code and length in the byte order of the capturing host; an AVS header has its own."""
    if packet.u32() >> 12 == _AVS:
        return avs
    order = "big" if packet.u8() == 0 else "little"
    packet.skip(int.from_bytes(packet.data[packet.at + 4 : packet.at + 8], order))  # type: ignore[arg-type]
    return wifi


def avs(packet: Packet) -> Layer | None:
    """LINKTYPE_IEEE802_11_AVS: version, length of the header, both big-endian; then 802.11."""
    packet.skip(packet.u32(4))
    return wifi


def per_packet_information(packet: Packet) -> Layer | None:
    """LINKTYPE_PPI: version, flags, length and, at 4, the link type of what follows, little-endian."""
    link_type = int.from_bytes(packet.data[4:8], "little")
    packet.skip(packet.u8(2) | packet.u8(3) << 8)
    return LINK_TYPES.get(link_type)


def pktap(packet: Packet) -> Layer | None:
    """LINKTYPE_PKTAP (macOS): header length and, at 8, the link type of what follows, little-endian."""
    length = int.from_bytes(packet.data[:4], "little")
    link_type = int.from_bytes(packet.data[8:12], "little")
    packet.skip(length)
    return LINK_TYPES.get(link_type)


def network_service_header(packet: Packet) -> Layer | None:
    """RFC 8300: length in words of four, next protocol."""
    length, protocol = packet.u8(1) & 0x3F, packet.u8(3)
    packet.skip(4 * length)
    return NSH_PROTOCOLS.get(protocol)


def trill(packet: Packet) -> Layer | None:
    """RFC 6325, section 3: six bytes, options in words of four, then Ethernet."""
    packet.skip(6 + 4 * (packet.u16() >> 6 & 0x1F))
    return ethernet


NSH_PROTOCOLS: dict[int, Layer] = {1: ip, 2: ip, 3: ethernet, 5: mpls}
