"""Frames → TCP segments. Plain TCP over IP on Ethernet and on Linux's cooked links is read in one step; the rest by layers.

Pure: no I/O. It never raises on what a packet holds; what it could not use is counted.
"""

import struct
from collections.abc import Sequence
from struct import Struct

from pipeline.model.records import ACK, Segment
from pipeline.sources.pcap.frames import Frame
from pipeline.sources.pcap.layers import table as _table  # noqa: F401  fills the tables
from pipeline.sources.pcap.layers.fragments import Fragments
from pipeline.sources.pcap.layers.packet import LINK_TYPES, Packet

MAX_LAYERS = 32
"""Headers in one packet: two tunnels with all their tags have less than twenty."""

# EtherType, IP version and header length, total length, fragment field, protocol, flow key, seq, ack, data offset, flags.
_PLAIN_IPV4 = "BxH2xHxB2x12sIIBB"
# EtherType, first four bytes of IPv6, payload length, next header, flow key, seq, ack, data offset, flags.
_PLAIN_IPV6 = "IHBx36sIIBB"

PLAIN: dict[int, tuple[int, Struct, Struct]] = {
    link_type: (length, Struct(f">{before}xH{after}x{_PLAIN_IPV4}"), Struct(f">{before}xH{after}x{_PLAIN_IPV6}"))
    for link_type, length, before, after in ((1, 14, 12, 0), (113, 16, 14, 0), (276, 20, 0, 18))
}
"""Link type → length of the link header, and the whole way to the TCP flags as one structure each for IPv4 and IPv6."""


class Dissector:
    """Turns the frames of one capture into segments; ``counts`` says what became of the packets that gave none."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._fragments = Fragments(lambda number: self._count("fragments_incomplete", number))

    def segments(self, block: bytes, frames: Sequence[Frame]) -> list[Segment]:
        """The segments of these frames, in their order."""
        found: list[Segment] = []
        append = found.append
        link_type = -1
        header, unpack4, unpack6, shortest = 0, None, None, 0
        for ts_ns, start, end, wire_length, link, interface in frames:
            if link != link_type:
                link_type = link
                header, unpack4, unpack6, shortest = _plain(link)
            if unpack4 is not None and end - start >= shortest:
                kind, version, total, fragment, protocol, key, seq, ack, offset, flags = unpack4(block, start)
                if kind == 0x0800:
                    if version == 0x45 and protocol == 6 and flags & ACK and not fragment & 0x3FFF and offset >= 0x50:
                        stop = start + header + total
                        payload_start = start + header + 20 + (offset >> 4) * 4
                        length = stop - payload_start
                        if length >= 0 and stop <= end:
                            append(
                                Segment(key, ts_ns, seq, ack, flags, block[payload_start:stop], length, 0, False, 0, interface)
                            )
                            continue
                elif kind == 0x86DD and end - start >= shortest + 20:
                    _, _, total, protocol, key, seq, ack, offset, flags = unpack6(block, start)
                    if protocol == 6 and flags & ACK and total and offset >= 0x50:
                        stop = start + header + 40 + total
                        payload_start = start + header + 40 + (offset >> 4) * 4
                        length = stop - payload_start
                        if length >= 0 and stop <= end:
                            append(
                                Segment(key, ts_ns, seq, ack, flags, block[payload_start:stop], length, 0, False, 0, interface)
                            )
                            continue
            segment = self._by_layers(block[start:end], wire_length, ts_ns, link, interface)
            if segment is not None:
                append(segment)
        return found

    def _by_layers(self, data: bytes, wire_length: int, ts_ns: int, link: int, interface: int) -> Segment | None:
        """The segment of one packet of any kind, header by header."""
        packet = Packet(data, wire_length, ts_ns, interface, self._fragments)
        layer = LINK_TYPES.get(link)
        try:
            for _ in range(MAX_LAYERS):
                if layer is None:
                    break
                layer = layer(packet)
        except (IndexError, struct.error):  # a header reaches beyond the captured bytes
            self._count("packets_cut_in_headers")
            return None
        if packet.segment is None:
            self._count("packets_not_tcp")
        return packet.segment

    def _count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by


def _plain(link: int):
    """What ``segments`` needs for a link type: zeros and None where there is no short way."""
    if link not in PLAIN:
        return 0, None, None, 0
    header, ipv4, ipv6 = PLAIN[link]
    return header, ipv4.unpack_from, ipv6.unpack_from, header + 40
