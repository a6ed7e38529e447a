"""Every encapsulation of the table: the TCP segment inside comes out as if it had been captured plain."""

import struct

import pytest
from pcap_packets import (
    ACKED,
    CLIENT4,
    CLIENT6,
    KEY4,
    KEY6,
    PAYLOAD,
    PSH_ACK,
    SEQ,
    SERVER4,
    SERVER6,
    ethernet,
    ipv4,
    ipv6,
    tcp,
    udp,
)

from pipeline.model.records import ACK, MULTIPATH, SYN, Segment
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.layers.packet import ETHERTYPES, IP_PROTOCOLS, LINK_TYPES, UDP_PORTS

V4, V6 = ipv4(tcp()), ipv6(tcp())
FRAME = ethernet(V4)


def gre(flags: int, protocol: int, rest: bytes) -> bytes:
    """A GRE packet in IPv4 on Ethernet; ``rest`` begins with the optional fields."""
    return ethernet(ipv4(struct.pack(">HH", flags, protocol) + rest, 47))


def tunnel(port: int, content: bytes) -> bytes:
    """A UDP tunnel on Ethernet."""
    return ethernet(udp(content, port))


def extension(following: int, words: int = 0, body: bytes = bytes(6)) -> bytes:
    """An IPv6 extension header."""
    return bytes((following, words)) + body


def subframe(packet: bytes) -> bytes:
    """One packet of an 802.11 frame that carries several."""
    return bytes(12) + struct.pack(">H", len(SNAP) + 2 + len(packet)) + SNAP + b"\x08\x00" + packet


TEREDO_IPV6 = struct.pack(">IHBB", 6 << 28, len(tcp()), 6, 64) + bytes.fromhex("20010000") + bytes(12) + SERVER6 + tcp()
KEY_TEREDO = bytes.fromhex("20010000") + bytes(12) + SERVER6 + KEY6[-4:]
SNAP = bytes.fromhex("aaaa03000000")
WIFI = b"\x08\x01" + bytes(22) + SNAP + b"\x08\x00" + V4
MPLS_BOTTOM, MPLS_MORE = struct.pack(">I", 100 << 12 | 0x100 | 64), struct.pack(">I", 200 << 12 | 64)

CASES: dict[str, tuple[int, bytes, bytes]] = {
    "ethernet ipv4": (1, FRAME, KEY4),
    "ethernet ipv6": (1, ethernet(V6, 0x86DD), KEY6),
    "ethernet with padding": (1, ethernet(V4 + bytes(40)), KEY4),
    "ethernet ipv6 with padding": (1, ethernet(V6 + bytes(40), 0x86DD), KEY6),
    "802.3 with snap": (1, ethernet(SNAP + b"\x08\x00" + V4 + bytes(9), len(SNAP) + 2 + len(V4)), KEY4),
    "802.3 with ip sap": (1, ethernet(bytes.fromhex("060603") + V4, 3 + len(V4)), KEY4),
    "ipv4 options": (1, ethernet(ipv4(tcp(), options=bytes((1, 1, 1, 0)))), KEY4),
    "tcp options": (1, ethernet(ipv4(tcp(options=bytes(40)))), KEY4),
    "total length 0 of offloading": (1, ethernet(ipv4(tcp(), total=0)), KEY4),
    "ipv6 payload length 0": (1, ethernet(ipv6(tcp(), length=0), 0x86DD), KEY6),
    "vlan": (1, ethernet(b"\x00\x07\x08\x00" + V4, 0x8100), KEY4),
    "qinq": (1, ethernet(b"\x00\x05\x81\x00\x00\x07\x08\x00" + V4, 0x88A8), KEY4),
    "vlan with 802.3": (1, ethernet(struct.pack(">HH", 7, len(SNAP) + 2 + len(V4)) + SNAP + b"\x08\x00" + V4, 0x8100), KEY4),
    "802.1ah": (1, ethernet(bytes(4) + FRAME, 0x88E7), KEY4),
    "vn-tag": (1, ethernet(bytes(4) + b"\x08\x00" + V4, 0x8926), KEY4),
    "e-tag": (1, ethernet(bytes(6) + b"\x08\x00" + V4, 0x893F), KEY4),
    "hsr": (1, ethernet(bytes(4) + b"\x08\x00" + V4, 0x892F), KEY4),
    "fabricpath": (1, ethernet(bytes(2) + FRAME, 0x8903), KEY4),
    "trill": (1, ethernet(struct.pack(">HHH", 1 << 6, 1, 2) + bytes(4) + FRAME, 0x22F3), KEY4),
    "nsh": (1, ethernet(bytes((0, 2, 2, 3)) + bytes(4) + FRAME, 0x894F), KEY4),
    "mpls ipv4": (1, ethernet(MPLS_MORE + MPLS_BOTTOM + V4, 0x8847), KEY4),
    "mpls ipv6": (1, ethernet(MPLS_BOTTOM + V6, 0x8848), KEY6),
    "mpls ethernet": (1, ethernet(MPLS_BOTTOM + FRAME, 0x8847), KEY4),
    "mpls ethernet with control word": (1, ethernet(MPLS_BOTTOM + bytes(4) + FRAME, 0x8847), KEY4),
    "pppoe": (1, ethernet(b"\x11\x00\x00\x01" + struct.pack(">H", 2 + len(V4)) + b"\x00\x21" + V4 + bytes(5), 0x8864), KEY4),
    "pppoe with compressed protocol": (
        1,
        ethernet(b"\x11\x00\x00\x01" + struct.pack(">H", 1 + len(V6)) + b"\x57" + V6, 0x8864),
        KEY6,
    ),
    "ip in ip": (1, ethernet(ipv4(V4, 4)), KEY4),
    "6in4": (1, ethernet(ipv4(V6, 41)), KEY6),
    "4in6": (1, ethernet(ipv6(V4, 4), 0x86DD), KEY4),
    "etherip": (1, ethernet(ipv4(b"\x30\x00" + FRAME, 97)), KEY4),
    "mpls in ip": (1, ethernet(ipv4(MPLS_BOTTOM + V4, 137)), KEY4),
    "gre": (1, gre(0, 0x0800, V4), KEY4),
    "gre with key, sequence and checksum": (1, gre(0xB000, 0x86DD, bytes(12) + V6), KEY6),
    "gre ethernet": (1, gre(0x2000, 0x6558, bytes(4) + FRAME), KEY4),
    "gre in gre": (1, gre(0, 0x0800, ipv4(struct.pack(">HH", 0, 0x0800) + V4, 47)), KEY4),
    "erspan 1": (1, gre(0, 0x88BE, FRAME), KEY4),
    "erspan 2": (1, gre(0x1000, 0x88BE, bytes(4) + b"\x10" + bytes(7) + FRAME), KEY4),
    "erspan 3": (1, gre(0x1000, 0x22EB, bytes(4) + b"\x20" + bytes(11) + FRAME), KEY4),
    "erspan 3 with subheader": (1, gre(0x1000, 0x22EB, bytes(4) + b"\x20" + bytes(10) + b"\x01" + bytes(8) + FRAME), KEY4),
    "pptp": (1, gre(0x3081, 0x880B, bytes(4) + bytes(8) + b"\xff\x03\x00\x21" + V4), KEY4),
    "aruba": (1, gre(0, 0x8200, b"\x88\x01" + bytes(24) + SNAP + b"\x08\x00" + V4), KEY4),
    "wccp": (1, gre(0, 0x883E, bytes(4) + V4), KEY4),
    "vxlan": (1, tunnel(4789, b"\x08" + bytes(7) + FRAME), KEY4),
    "vxlan on linux's port": (1, tunnel(8472, b"\x08" + bytes(7) + FRAME), KEY4),
    "vxlan gpe": (1, tunnel(4790, b"\x0c\x00\x00\x02" + bytes(4) + V6), KEY6),
    "geneve": (1, tunnel(6081, b"\x01\x00\x65\x58" + bytes(4) + bytes(4) + FRAME), KEY4),
    "gtp-u": (1, tunnel(2152, b"\x30\xff" + struct.pack(">HI", len(V4), 1) + V4), KEY4),
    "gtp-u with extension": (
        1,
        tunnel(2152, b"\x34\xff" + struct.pack(">HI", 8 + len(V6), 1) + bytes(3) + b"\x85\x01\x00\x09\x00" + V6),
        KEY6,
    ),
    "teredo": (1, tunnel(3544, V6), KEY6),
    "teredo with authentication and origin": (1, tunnel(3544, b"\x00\x01\x00\x00" + bytes(9) + bytes(8) + V6), KEY6),
    "teredo between peers": (1, tunnel(51_413, TEREDO_IPV6), KEY_TEREDO),
    "l2tp": (1, tunnel(1701, b"\x48\x02" + struct.pack(">H", 16 + len(V4)) + bytes(8) + b"\xff\x03\x00\x21" + V4), KEY4),
    "ayiya": (1, tunnel(5072, b"\x44\x50\x01\x29" + bytes(4) + bytes(16) + bytes(20) + V6), KEY6),
    "mpls in udp": (1, tunnel(6635, MPLS_BOTTOM + V4), KEY4),
    "gre in udp": (1, tunnel(4754, b"\x20\x00\x08\x00" + bytes(4) + V4), KEY4),
    "ipv6 options": (1, ethernet(ipv6(extension(60) + extension(6) + tcp(), 0), 0x86DD), KEY6),
    "ipv6 authentication": (1, ethernet(ipv6(extension(6, 1, bytes(10)) + tcp(), 51), 0x86DD), KEY6),
    "ipv6 atomic fragment": (1, ethernet(ipv6(extension(6) + tcp(), 44), 0x86DD), KEY6),
    "ipv6 routing, arrived": (1, ethernet(ipv6(extension(6, 2, bytes(6) + bytes(16)) + tcp(), 43), 0x86DD), KEY6),
    "ipv6 routing, under way": (
        1,
        ethernet(ipv6(extension(6, 2, b"\x00\x01" + bytes(4) + CLIENT6) + tcp(), 43), 0x86DD),
        CLIENT6 + CLIENT6 + KEY6[-4:],
    ),
    "null": (0, struct.pack("<I", 2) + V4, KEY4),
    "null, big-endian ipv6": (0, struct.pack(">I", 30) + V6, KEY6),
    "loop": (108, struct.pack(">I", 2) + V4, KEY4),
    "raw ipv4": (101, V4, KEY4),
    "raw ipv6": (101, V6, KEY6),
    "raw, old numbers": (12, V4, KEY4),
    "raw, openbsd": (14, V6, KEY6),
    "linktype ipv4": (228, V4, KEY4),
    "linktype ipv6": (229, V6, KEY6),
    "ppp": (9, b"\xff\x03\x00\x21" + V4, KEY4),
    "ppp in hdlc": (50, b"\xff\x03\x00\x57" + V6, KEY6),
    "pppoe link": (51, b"\x11\x00\x00\x01" + struct.pack(">H", 2 + len(V4)) + b"\x00\x21" + V4, KEY4),
    "cisco hdlc": (104, b"\x0f\x00\x08\x00" + V4, KEY4),
    "frame relay": (107, b"\x18\x41\x03\xcc" + V4, KEY4),
    "frame relay with snap": (107, b"\x18\x41\x03\x00\x80\x00\x00\x00\x08\x00" + V4, KEY4),
    "enc": (109, bytes(12) + V4, KEY4),
    "fddi": (10, b"\x50" + bytes(12) + SNAP + b"\x08\x00" + V4, KEY4),
    "linux cooked": (113, bytes(14) + b"\x08\x00" + V4, KEY4),
    "linux cooked ipv6": (113, bytes(14) + b"\x86\xdd" + V6, KEY6),
    "linux cooked vlan": (113, bytes(14) + b"\x81\x00\x00\x07\x08\x00" + V4, KEY4),
    "linux cooked 2": (276, b"\x08\x00" + bytes(18) + V4, KEY4),
    "linux cooked 2 ipv6": (276, b"\x86\xdd" + bytes(18) + V6, KEY6),
    "nflog": (239, b"\x02\x00\x00\x00" + b"\x05\x00\x0a\x00x\x00\x00\x00" + struct.pack("<HH", 4 + len(V4), 9) + V4, KEY4),
    "nflog, big-endian": (239, b"\x0a\x00\x00\x00" + b"\x00\x08\x00\x01abcd" + struct.pack(">HH", 4 + len(V6), 9) + V6, KEY6),
    "802.11": (105, b"\x08\x01" + bytes(22) + SNAP + b"\x08\x00" + V4, KEY4),
    "802.11 with qos": (105, b"\x88\x01" + bytes(24) + SNAP + b"\x86\xdd" + V6, KEY6),
    "802.11 with several packets": (105, b"\x88\x01" + bytes(22) + b"\x80\x00" + subframe(V4), KEY4),
    "prism": (119, b"\x00\x00\x00\x44" + struct.pack(">I", 144) + bytes(136) + WIFI, KEY4),
    "prism, little-endian": (119, b"\x44\x00\x00\x00" + struct.pack("<I", 144) + bytes(136) + WIFI, KEY4),
    "prism that is avs": (119, b"\x80\x21\x10\x01" + struct.pack(">I", 64) + bytes(56) + WIFI, KEY4),
    "avs": (163, b"\x80\x21\x10\x01" + struct.pack(">I", 64) + bytes(56) + WIFI, KEY4),
    "ppi": (192, b"\x00\x00\x0c\x00" + struct.pack("<I", 105) + bytes(4) + WIFI, KEY4),
    "radiotap": (127, b"\x00\x00\x08\x00" + bytes(4) + b"\x08\x02" + bytes(22) + SNAP + b"\x08\x00" + V4, KEY4),
    "pktap": (258, struct.pack("<III", 108, 1, 1) + bytes(96) + FRAME, KEY4),
}


def dissect(data: bytes, link: int = 1, wire_length: int | None = None) -> list[Segment]:
    """The segments of one packet that stands in the middle of a block."""
    before, behind = b"\xff" * 33, b"\xee" * 77
    wire_length = len(data) if wire_length is None else wire_length
    frame = (5, len(before), len(before) + len(data), wire_length, link, 3)
    return Dissector().segments(before + data + behind, [frame])


@pytest.mark.parametrize("name", CASES)
def test_segment_inside_comes_out(name: str) -> None:
    """The segment is the same whatever stands around it."""
    link, data, key = CASES[name]
    (segment,) = dissect(data, link)
    assert (segment.key, segment.seq, segment.ack, segment.flags) == (key, SEQ, ACKED, PSH_ACK)
    assert (segment.payload, segment.length, segment.cut) == (PAYLOAD, len(PAYLOAD), False)
    assert (segment.ts_ns, segment.interface) == (5, 3)


@pytest.mark.parametrize("name", CASES)
def test_every_cut_gives_a_cut_segment_or_none(name: str) -> None:
    """A packet cut anywhere never raises; a cut in the payload keeps its length and says that it is cut."""
    link, data, key = CASES[name]
    for length in range(len(data)):
        for segment in dissect(data[:length], link, len(data)):
            assert segment.key == key
            assert segment.length == len(PAYLOAD)
            assert PAYLOAD.startswith(segment.payload)
            assert segment.cut == (len(segment.payload) < len(PAYLOAD))


def test_table_is_covered() -> None:
    """Each row of the table of link types has a case here."""
    assert {link for link, _, _ in CASES.values()} == set(LINK_TYPES)
    assert len(CASES) > len(LINK_TYPES) + len(ETHERTYPES) + len(UDP_PORTS) + len(IP_PROTOCOLS) // 2


def test_vlan_is_the_innermost() -> None:
    """Of several tags the innermost id is reported."""
    link, data, _ = CASES["qinq"]
    assert dissect(data, link)[0].vlan == 7


def test_frame_with_several_packets_gives_each() -> None:
    """An aggregated 802.11 frame gives the segments of all its packets, each padded to four bytes, fragments among them."""
    first = subframe(ipv4(tcp(b"1" * 5)))
    middle = subframe(ipv4(tcp(b"2" * 4), fragment=0x2000))
    packets = [frame + bytes(-len(frame) % 4) for frame in (first, middle)] + [subframe(ipv4(tcp(b"3" * 6)))]
    found = dissect(b"\x88\x01" + bytes(22) + b"\x80\x00" + b"".join(packets), 105)
    assert [segment.payload for segment in found] == [b"1" * 5, b"3" * 6]


def test_endless_nesting_ends() -> None:
    """A packet that nests more headers than any real one is passed over."""
    data = V4
    for _ in range(60):
        data = ipv4(data, 4)
    assert dissect(ethernet(data)) == []


def test_ack_number_without_the_flag_is_no_ack() -> None:
    """A SYN has no acknowledgement, whatever its field holds."""
    (segment,) = dissect(ethernet(ipv4(tcp(b"", flags=2))))
    assert (segment.flags, segment.ack, segment.length) == (2, 0, 0)


@pytest.mark.parametrize(
    "data",
    [
        ethernet(ipv4(tcp()[:12] + b"\x40" + tcp()[13:])),
        ethernet(ipv4(tcp(), total=30)),
        ethernet(ipv4(tcp(), total=19)),
        ethernet(ipv4(b"\x04" + bytes(30), 1)),
        ethernet(bytes(28), 0x0806),
        ethernet(b"\x55" + V4[1:]),
    ],
)
def test_what_is_no_tcp_is_passed_over(data: bytes) -> None:
    """Headers that contradict themselves and other protocols give nothing."""
    assert dissect(data) == []


@pytest.mark.parametrize("name", CASES)
def test_short_way_and_layers_agree(name: str) -> None:
    """Packets that are read in one step are what the layers make of them."""
    link, data, _ = CASES[name]
    dissector = Dissector()
    assert dissect(data, link) == dissector.by_layers(data, len(data), 5, link, 3)


def test_address_bytes_are_in_order() -> None:
    """A key is source, destination, source port, destination port."""
    assert dissect(FRAME)[0].key == CLIENT4 + SERVER4 + struct.pack(">HH", 40_000, 80)


OPTIONS = {
    "of Linux": (bytes.fromhex("020405b4 0402080a 00000000 00000000 0103030a 1e0481 01"), True),
    "MPTCP first": (bytes.fromhex("1e0481 01 020405b4"), True),
    "none": (b"", False),
    "its number as a value": (bytes.fromhex("0204051e 01010101"), False),
    "its number behind the end": (bytes.fromhex("00 1e0481"), False),
    "a length of nothing": (bytes.fromhex("0500 1e04"), True),
    "a length beyond the header": (bytes.fromhex("05ff 001e"), False),
    "cut": (bytes.fromhex("0101011e"), True),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("frame", ["plain", "tagged", "tunnelled", "ipv6"])
def test_multipath_option(name: str, frame: str) -> None:
    """A SYN that offers MPTCP says so, whichever way it is read; options of other segments are not looked at."""
    options, multipath = OPTIONS[name]
    for flags, expected in ((SYN, multipath), (SYN | ACK, multipath), (ACK, False)):
        segment = tcp(b"", flags=flags, options=options + bytes(-len(options) % 4))
        packet = {
            "plain": ethernet(ipv4(segment)),
            "tagged": ethernet(b"\0\1\x08\0" + ipv4(segment), 0x8100),
            "tunnelled": ethernet(ipv4(ipv4(segment), 4)),
            "ipv6": ethernet(ipv6(segment), 0x86DD),
        }[frame]
        (found,) = dissect(packet)
        assert found.flags == flags | (MULTIPATH if expected else 0)
