"""Frames → TCP segments. Plain TCP over IP on Ethernet and on Linux's cooked links is read in one step; the rest by layers.

Pure: no I/O. It never raises on what a packet holds; what it could not use is counted.
"""

import struct
from collections.abc import Sequence
from struct import Struct

from pipeline import native
from pipeline.model.records import ACK, SYN, Captured, Segment
from pipeline.sources.pcap.frames import Frame
from pipeline.sources.pcap.layers import table as _table  # noqa: F401  fills the tables
from pipeline.sources.pcap.layers.fragments import Fragments
from pipeline.sources.pcap.layers.network import told_by_options
from pipeline.sources.pcap.layers.packet import LINK_TYPES, Packet

MAX_LAYERS = 32
"""Headers in one packet: two tunnels with all their tags have less than twenty."""

# EtherType, IP version and header length, total length, fragment field, protocol, flow key, seq, ack, data offset, flags.
_PLAIN_IPV4 = "BxH2xHxB2x12sIIBB"
# Payload length, next header, flow key, seq, ack, data offset, flags; the EtherType was read with IPv4's.
_PLAIN_IPV6 = "4xHBx36sIIBB"

PLAIN: dict[int, tuple[int, int, Struct, Struct]] = {
    link: (length, length + 40, Struct(f">{before}xH{after}x{_PLAIN_IPV4}"), Struct(f">{length}x{_PLAIN_IPV6}"))
    for link, length, before, after in ((1, 14, 12, 0), (113, 16, 14, 0), (276, 20, 0, 18))
}
"""Link type → length of its header, fewest bytes, and the whole way to the TCP flags as one structure for IPv4 and IPv6 each."""

NOT_PLAIN = (0, 1 << 62, Struct(""), Struct(""))


class Dissector:
    """Turns the frames of one capture into segments; ``take_counts`` says what became of the packets that gave none.

    ``quic``: into datagrams, too, where these may belong to a QUIC handshake.
    """

    def __init__(self, *, quic: bool = False) -> None:
        self.quic = quic
        self._counts: dict[str, int] = {}
        self._fragments = Fragments(lambda number: self.count("fragments_incomplete", number))

    def segments(self, block: bytes, frames: list[Frame]) -> Sequence[Captured]:
        """The segments of these frames, in their order."""
        self.count("packets", len(frames))
        return (
            self._segments(block, frames)
            if native.lane is None or self.quic
            else native.lane.dissect(block, frames, self.by_layers)
        )

    def _segments(self, block: bytes, frames: Sequence[Frame]) -> list[Captured]:  # noqa: C901, PLR0912  a call a packet costs a third
        found: list[Captured] = []
        append, by_layers = found.append, self.by_layers
        link_type = -1
        for ts_ns, start, end, wire_length, link, interface in frames:
            if link != link_type:
                link_type = link
                header, shortest, ipv4, ipv6 = PLAIN.get(link, NOT_PLAIN)
                unpack4, unpack6, shortest6 = ipv4.unpack_from, ipv6.unpack_from, shortest + 20
                behind = header + 20
            begin = start
            if end - start >= shortest:
                kind, version, total, fragment, protocol, key, seq, ack, offset, flags = unpack4(block, start)
                if kind == 0x0800 and version == 0x45 and protocol == 6 and not fragment & 0x3FFF and offset >= 0x50:
                    # Nearly every packet there is; all that may be different about it is looked at below.
                    stop = start + header + total
                    at = start + behind + (offset >> 2 & 0x3C)
                    if at <= stop <= end:
                        if flags & SYN:
                            flags |= told_by_options(block[start + behind + 20 : at])
                        ack = ack if flags & ACK else 0
                        append(Segment(key, ts_ns, seq, ack, flags, block[at:stop], stop - at, 0, False, 0, interface))
                        continue
                vlan = 0
                if kind == 0x8100 and end - start >= shortest + 4:  # one tag: all the same, four bytes further
                    vlan = block[start + header] << 8 & 0xF00 | block[start + header + 1]
                    start += 4  # noqa: PLW2901
                    kind, version, total, fragment, protocol, key, seq, ack, offset, flags = unpack4(block, start)
                if kind == 0x0800:
                    whole = version == 0x45 and protocol == 6 and not fragment & 0x3FFF
                    stop = start + header + total
                    at = start + header + 20 + (offset >> 4) * 4
                elif kind == 0x86DD and end - start >= shortest6:
                    total, protocol, key, seq, ack, offset, flags = unpack6(block, start)
                    whole = protocol == 6 and total
                    stop = start + header + 40 + total
                    at = start + header + 40 + (offset >> 4) * 4
                else:
                    whole = False
                if whole and offset >= 0x50 and at <= stop and at <= end:
                    if not flags & ACK:
                        ack = 0
                    if flags & SYN:
                        flags |= told_by_options(block[at - (offset >> 4) * 4 + 20 : at])
                    if stop <= end:
                        append(Segment(key, ts_ns, seq, ack, flags, block[at:stop], stop - at, 0, False, vlan, interface))
                    else:
                        append(Segment(key, ts_ns, seq, ack, flags, block[at:end], stop - at, 0, True, vlan, interface))
                    continue
            found += by_layers(block[begin:end], wire_length, ts_ns, link, interface)
        return found

    def take_counts(self) -> dict[str, int]:
        """What was counted since the last call."""
        counts, self._counts = self._counts, {}
        return counts

    def by_layers(self, data: bytes, wire_length: int, ts_ns: int, link: int, interface: int) -> list[Captured]:
        """The segments of one packet of any kind, header by header; few kinds carry more than one."""
        packet = Packet(data, wire_length, ts_ns, interface, self._fragments)
        packet.quic = self.quic
        found: list[Captured] = []
        layer = LINK_TYPES.get(link)
        if layer is None:
            self.count("packets_of_unknown_link_type")
            return found
        try:
            while layer is not None:
                packet.more = packet.segment = None
                for _ in range(MAX_LAYERS):
                    if layer is None:
                        break
                    layer = layer(packet)
                if packet.segment is not None:
                    found.append(packet.segment)
                layer = packet.more
        except (IndexError, struct.error):  # a header reaches beyond the captured bytes
            self.count("packets_cut_in_headers")
            return found
        if not found:
            self.count("packets_not_tcp")
        return found

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        self._counts[name] = self._counts.get(name, 0) + by
