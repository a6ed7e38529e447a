"""The packet on its way inwards: a cursor that layer functions move, and the tables by which they name what comes next.

A layer function reads one header at ``packet.at``, moves the cursor behind it and returns the function for what follows, or
None when the packet is of no interest. It may read beyond the captured bytes: that raises, and the dissector counts it. It
never copies a payload. The tables are empty here, because layers nest in each other; ``table.py`` fills them.
"""

from collections.abc import Callable
from struct import Struct

from pipeline.model.records import Captured
from pipeline.sources.pcap.layers.fragments import Fragments

_U16 = Struct(">H").unpack_from
_U32 = Struct(">I").unpack_from


class Packet:
    """A cursor over one captured packet.

    ``data``  the captured bytes; ``at``  where the next header begins; ``end``  where its content ends by what the headers so
    far said, which lies beyond ``data`` where the capture cut the packet. ``source`` and ``destination`` are the addresses of
    the innermost IP header, ``vlan`` the innermost tag, ``segment`` the result, which may be a datagram where
    ``quic`` asks for those of QUIC handshakes. ``more`` is what to go on with once that is
    found: the next of several packets that one frame carries.
    """

    __slots__ = (
        "at", "data", "destination", "end", "fragments", "interface", "more", "quic", "segment", "source", "ts_ns", "vlan",
    )  # fmt: skip

    def __init__(self, data: bytes, wire_length: int, ts_ns: int, interface: int, fragments: Fragments) -> None:
        self.data = data
        self.at = 0
        self.end = max(wire_length, len(data))
        self.ts_ns = ts_ns
        self.interface = interface
        self.fragments = fragments
        self.vlan = 0
        self.source = b""
        self.destination = b""
        self.segment: Captured | None = None
        self.quic = False
        self.more: Layer | None = None

    def u8(self, offset: int = 0) -> int:
        """The byte ``offset`` bytes behind the cursor."""
        return self.data[self.at + offset]

    def u16(self, offset: int = 0) -> int:
        """Two bytes in network byte order."""
        return int(_U16(self.data, self.at + offset)[0])

    def u32(self, offset: int = 0) -> int:
        """Four bytes in network byte order."""
        return int(_U32(self.data, self.at + offset)[0])

    def skip(self, count: int) -> None:
        """Move the cursor; a header that reaches beyond the captured bytes is an ``IndexError``."""
        self.at += count
        if self.at > len(self.data):
            raise IndexError

    def narrow(self, length: int) -> None:
        """The content ends ``length`` bytes behind the cursor: what lies behind is padding or a trailer."""
        self.end = self.at + length


Layer = Callable[[Packet], "Layer | None"]

LINK_TYPES: dict[int, Layer] = {}
ETHERTYPES: dict[int, Layer] = {}
IP_PROTOCOLS: dict[int, Layer] = {}
UDP_PORTS: dict[int, Layer] = {}
PPP_PROTOCOLS: dict[int, Layer] = {}


def ethertype(packet: Packet) -> Layer | None:
    """An EtherType at the cursor, then what it names."""
    kind = packet.u16()
    packet.skip(2)
    return ETHERTYPES.get(kind)


def ip(packet: Packet) -> Layer | None:
    """IP of whichever version the first four bits say."""
    return IP_BY_VERSION.get(packet.u8() >> 4)


IP_BY_VERSION: dict[int, Layer] = {}
