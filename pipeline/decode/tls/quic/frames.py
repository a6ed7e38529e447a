"""The frames that an Initial may hold (RFC 9000, sections 12.4 and 19) → what they carry of the handshake."""

from typing import NamedTuple

from pipeline.decode.tls.cursor import Cursor, ShortError
from pipeline.decode.tls.quic.packets import variable

_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO, _CLOSE = 0, 1, 2, 3, 6, 0x1C
_MAX_RANGES = 1 << 10


class Frames(NamedTuple):
    """``crypto``: pieces of the stream of handshake messages, by their place; ``closed``: why the connection is given up."""

    crypto: list[tuple[int, bytes]]
    closed: int | None


def parse(payload: bytes) -> Frames | None:
    """None where it is no row of frames that belong in an Initial: then it was decrypted with the wrong keys."""
    crypto: list[tuple[int, bytes]] = []
    closed = None
    cursor = Cursor(payload)
    try:
        while cursor:
            kind = cursor.number(1)
            if kind == _PADDING:
                cursor.at = len(payload) - len(payload[cursor.at :].lstrip(b"\0"))
            elif kind == _CRYPTO:
                place = variable(cursor)
                crypto.append((place, cursor.take(variable(cursor))))
            elif kind in {_ACK, _ACK_ECN}:
                _skip_ack(cursor, counts=kind == _ACK_ECN)
            elif kind == _CLOSE:
                closed = variable(cursor)
                variable(cursor)
                cursor.take(variable(cursor))
            elif kind != _PING:
                return None
    except ShortError:
        return None
    return Frames(crypto, closed)


def _skip_ack(cursor: Cursor, *, counts: bool) -> None:
    variable(cursor)
    variable(cursor)
    ranges = variable(cursor)
    if ranges > _MAX_RANGES:
        raise ShortError
    for _ in range(1 + 2 * ranges + 3 * counts):
        variable(cursor)
