"""Packets → pcapng (draft-ietf-opsawg-pcapng), the capture file of Wireshark, tshark and tcpdump. Pure.

A section: its header, then a block for each interface before the first packet of it, and a block for each packet. Times are
nanoseconds. Another section may follow in the same file, so whoever goes on with a file begins one.
"""

from collections.abc import Iterable
from mmap import mmap
from struct import Struct

from pipeline.model.packet import Interface, Packet

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
ENHANCED_PACKET = 6
ORDER_MAGIC = 0x1A2B3C4D

COMMENT = 1
"""The option of every block that is text for people."""
SECTION_APPLICATION = 4
INTERFACE_NAME, INTERFACE_TEXT, INTERFACE_RESOLUTION = 2, 3, 9
NANOSECONDS = b"\x09"
"""Ten to the power of minus nine, as if_tsresol has it."""

MOST_TEXT = 4000
"""Bytes of a text; an option holds 65,535."""

_SIGNED_BYTES = 36
_LENGTHS = (slice(4, 8), slice(26, 28))
"""Of the block, of its first option."""

_BLOCK = Struct("<II")
_END = Struct("<I")
_OPTION = Struct("<HH")
_SECTION = Struct("<IHHq")
_INTERFACE = Struct("<HHI")
_PACKET = Struct("<IIIII")


class Section:
    """One section of a file, made piece by piece: what ``beginning`` and ``packets`` return, one behind the other."""

    def __init__(self) -> None:
        self._interfaces: dict[Interface, int] = {}

    @staticmethod
    def beginning(version: str, comment: str = "") -> bytes:
        """The header, made by this version of httpipe."""
        body = _SECTION.pack(ORDER_MAGIC, 1, 0, -1)
        return _block(SECTION_HEADER, body, [(SECTION_APPLICATION, _text(f"httpipe {version}")), *_comment(comment)])

    def packets(self, packets: Iterable[Packet]) -> bytes:
        """Packets, and before them the interfaces that are new."""
        blocks = []
        for ts_ns, interface, data, length, comment in packets:
            number = self._interfaces.get(interface)
            if number is None:
                number = self._interfaces[interface] = len(self._interfaces)
                blocks.append(_interface(interface))
            time = max(0, ts_ns)
            body = _PACKET.pack(number, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF, len(data), max(len(data), length))
            blocks.append(_block(ENHANCED_PACKET, body + _padded(data), _comment(comment)))
        return b"".join(blocks)


def _interface(interface: Interface) -> bytes:
    """Its packets are as long as they are: no snap length."""
    options = [(INTERFACE_NAME, _text(interface.name)), (INTERFACE_RESOLUTION, NANOSECONDS)]
    if interface.description:
        options.insert(1, (INTERFACE_TEXT, _text(interface.description)))
    return _block(INTERFACE_DESCRIPTION, _INTERFACE.pack(interface.link_type, 0, 0), options)


def _block(kind: int, body: bytes, options: list[tuple[int, bytes]]) -> bytes:
    """Type, length, body, options, and the length again."""
    tail = b"".join(_OPTION.pack(code, len(value)) + _padded(value) for code, value in options)
    if options:
        tail += _OPTION.pack(0, 0)
    length = 12 + len(body) + len(tail)
    return _BLOCK.pack(kind, length) + body + tail + _END.pack(length)


def _comment(text: str) -> list[tuple[int, bytes]]:
    return [(COMMENT, _text(text))] if text else []


def _text(text: str) -> bytes:
    """UTF-8, cut between two characters."""
    return text.encode("utf-8", "replace")[:MOST_TEXT].decode("utf-8", "ignore").encode()


def _padded(data: bytes) -> bytes:
    """To whole words."""
    return data + bytes(-len(data) % 4)


def whole_blocks(data: "bytes | mmap") -> int:
    """How many bytes of a file are whole blocks of ours; 0 where not even its first one is."""
    at, size = 0, len(data)
    while size - at >= 12:
        _, length = _BLOCK.unpack_from(data, at)
        if length < 12 or length % 4 or length > size - at or _END.unpack_from(data, at + length - 4)[0] != length:
            break
        at += length
    return at


def is_ours(data: bytes) -> bool:
    """Whether a file that begins so was begun by httpipe, as far as it is there: its header says first who made it."""
    return _signed(data) == _signed(Section.beginning(""))[: len(data)]


def _signed(header: bytes) -> bytes:
    """Up to the name of its maker, the lengths that the version changes apart."""
    signed = bytearray(header[:_SIGNED_BYTES])
    for length in _LENGTHS:
        signed[length] = bytes(len(signed[length]))
    return bytes(signed)
