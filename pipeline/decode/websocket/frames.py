"""Frames (RFC 6455, section 5.2): the header of one, what makes it faulty, and its mask. Pure."""

from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}

FIN, RSV1, RSV, CONTROL = 0x80, 0x40, 0x70, 0x08
"""Of the first byte; an opcode with CONTROL is that of a control frame, which may stand between the frames of a message."""
MASKED, LENGTH = 0x80, 0x7F
_LENGTH_16 = 126
"""The length stands in the next 16 bits; beyond it, in the next 64."""
MAX_CONTROL = 125
"""Section 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented"."""
MAX_HEADER = 14


class Header(NamedTuple):
    """``first`` is the first byte (FIN, RSV, opcode), ``size`` the bytes of the header; ``shortest``: as section 5.2 wants it."""

    first: int
    masked: bool
    length: int
    key: bytes
    size: int
    shortest: bool = True

    @property
    def opcode(self) -> int:
        """What the frame is."""
        return self.first & 0x0F

    @property
    def final(self) -> bool:
        """Whether it is the last frame of its message."""
        return self.first >= FIN


def header(data: bytes, pos: int) -> Header | None:
    """The header at ``data[pos]``; None where not all of it is there."""
    if len(data) - pos < 2:
        return None
    first, second = data[pos], data[pos + 1]
    length, at, shortest = second & LENGTH, pos + 2, True
    if length >= _LENGTH_16:
        begin, at = at, at + (2 if length == _LENGTH_16 else 8)
        if at > len(data):
            return None
        least = _LENGTH_16 if length == _LENGTH_16 else 1 << 16
        length = int.from_bytes(data[begin:at], "big")
        shortest = length >= least
    if second < MASKED:
        return Header(first, False, length, b"", at - pos, shortest)
    if at + 4 > len(data):
        return None
    return Header(first, True, length, data[at : at + 4], at + 4 - pos, shortest)


def is_faulty(frame: Header, *, fragmented: bool, reserved: int) -> bool:
    """Whether nobody can say what it means: sections 5.2, 5.4 and 5.5. Its receiver must fail the connection.

    ``fragmented``: a message has begun and goes on. ``reserved``: the RSV bits that an extension gave a meaning.
    """
    opcode = frame.opcode
    if frame.first & RSV & ~reserved or frame.length >> 63:
        return True
    if opcode >= CLOSE:
        return opcode > PONG or not frame.final or frame.length > MAX_CONTROL or bool(frame.first & RSV1 and reserved == RSV1)
    if opcode == CONTINUATION:
        return not fragmented or bool(frame.first & RSV1 and reserved == RSV1)
    return opcode > BINARY or fragmented


def unmasked(data: bytes, key: bytes, offset: int) -> bytes:
    """Payload without its mask (section 5.3); ``offset`` is the place of ``data`` in the payload."""
    if not key or not data:
        return data
    turn, size = offset & 3, len(data)
    mask = ((key[turn:] + key[:turn]) * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")
