"""The table of encapsulations: which number names which header. Importing it fills the tables of ``packet.py``.

A new encapsulation is a function of a few lines and a row here.
"""

from pipeline.sources.pcap.layers import link, network, tunnels
from pipeline.sources.pcap.layers.link import skipping
from pipeline.sources.pcap.layers.packet import (
    ETHERTYPES,
    IP_BY_VERSION,
    IP_PROTOCOLS,
    LINK_TYPES,
    PPP_PROTOCOLS,
    UDP_PORTS,
    ethertype,
    ip,
)

LINK_TYPES.update(
    {
        0: skipping(4, ip),  # NULL: address family in the host's byte order; the version of IP says as much
        1: link.ethernet,
        9: link.ppp,
        10: link.fddi,
        12: ip,  # DLT_RAW, as written by several systems in place of 101
        14: ip,
        50: link.hdlc,  # PPP in HDLC framing
        51: link.pppoe,
        101: ip,
        104: link.hdlc,
        105: link.wifi,
        107: link.frame_relay,
        108: skipping(4, ip),  # LOOP
        109: skipping(12, ip),  # OpenBSD's enc
        113: link.linux_cooked,
        119: link.prism,
        127: link.radiotap,
        163: link.avs,
        192: link.per_packet_information,
        228: ip,
        229: ip,
        239: link.nflog,
        258: link.pktap,
        276: link.linux_cooked_2,
    }
)

ETHERTYPES.update(
    {
        0x0800: network.ipv4,
        0x86DD: network.ipv6,
        0x8100: link.vlan,
        0x88A8: link.vlan,  # 802.1ad
        0x9100: link.vlan,  # QinQ before 802.1ad
        0x9200: link.vlan,
        0x8847: link.mpls,
        0x8848: link.mpls,
        0x8864: link.pppoe,
        0x880B: link.ppp,
        0x88E7: skipping(4, link.ethernet),  # 802.1ah service tag
        0x8926: skipping(4, ethertype),  # VN-Tag
        0x893F: skipping(6, ethertype),  # 802.1BR E-tag
        0x892F: skipping(4, ethertype),  # HSR
        0x8903: skipping(2, link.ethernet),  # FabricPath
        0x894F: link.network_service_header,
        0x22F3: link.trill,
        0x6558: link.ethernet,  # transparent Ethernet bridging
    }
)

IP_BY_VERSION.update({4: network.ipv4, 6: network.ipv6})

IP_PROTOCOLS.update(
    {
        6: network.tcp,
        17: tunnels.udp,
        4: network.ipv4,
        41: network.ipv6,
        47: tunnels.gre,
        97: skipping(2, link.ethernet),  # EtherIP, RFC 3378
        137: link.mpls,  # RFC 4023
        0: network.options,
        60: network.options,
        135: network.options,
        139: network.options,
        140: network.options,
        43: network.routing,
        44: network.ipv6_fragment,
        51: network.authentication,
    }
)

UDP_PORTS.update(
    {
        1701: tunnels.l2tp,
        2152: tunnels.gtp_user,
        3544: tunnels.teredo,
        4754: tunnels.gre,  # RFC 8086
        4789: tunnels.vxlan,
        4790: tunnels.vxlan,
        8472: tunnels.vxlan,  # Linux before the port was assigned
        5072: tunnels.ayiya,
        6081: tunnels.geneve,
        6635: link.mpls,  # RFC 7510
    }
)

PPP_PROTOCOLS.update({0x21: ip, 0x57: ip, 0x281: link.mpls, 0x283: link.mpls})
