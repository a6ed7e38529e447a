"""Datagrams → Initial packets, and what protects them taken off (RFC 9000, section 17.2.2; RFC 9001, sections 5.2 to 5.4)."""

import hmac
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pipeline.decode.tls.cursor import Cursor, ShortError
from pipeline.decode.tls.quic import aes

_LONG, _FIXED = 0x80, 0x40
_TAG = 16
_SAMPLE = 16
FRAMES = b"\x00\x01\x02\x03\x06\x1c"
"""The types of frames that an Initial may hold: PADDING, PING, ACK twice, CRYPTO, CONNECTION_CLOSE (RFC 9000, section 12.4)."""
MAX_ID = 20
"""Of a connection id (RFC 9000, section 17.2)."""


class Version(NamedTuple):
    """What the keys and the packet types of a version are made with."""

    salt: bytes
    labels: str
    initial: int


_V1 = Version(bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), "quic", 0)
_V2 = Version(bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"), "quicv2", 1)
_DRAFT_29 = Version(bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"), "quic", 0)
_DRAFT_22 = Version(bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a"), "quic", 0)
_DRAFT_23 = Version(bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502"), "quic", 0)
VERSIONS: dict[int, Version] = {
    1: _V1,  # RFC 9001, section 5.2
    0x6B3343CF: _V2,  # RFC 9369, sections 3.2 and 3.3
    **dict.fromkeys((0xFF000016, 0xFACEB001), _DRAFT_22),
    **dict.fromkeys((0xFACEB002, 0xFACEB00E), _DRAFT_23),
    **dict.fromkeys(range(0xFF000017, 0xFF00001D), _DRAFT_23),
    **dict.fromkeys(range(0xFF00001D, 0xFF000021), _DRAFT_29),
    **dict.fromkeys(range(0xFF000021, 0xFF000023), _V1),
}
"""By their numbers; the drafts are those of draft-ietf-quic-tls, section 5.2, and 0xFACEB… what mvfst called some of them."""


class Keys(NamedTuple):
    """What protects the packets of one end."""

    key: bytes
    iv: bytes
    mask: bytes


class Initial(NamedTuple):
    """A protected packet: from its first byte to its last, and where its packet number begins."""

    version: int
    destination: bytes
    source: bytes
    packet: bytes
    number_at: int


def initials(datagram: bytes) -> Iterator[Initial]:
    """The Initials of a datagram. Several packets may be coalesced in it (RFC 9000, section 12.2); padding may follow."""
    at = 0
    try:
        while at < len(datagram) and datagram[at] & (_LONG | _FIXED) == _LONG | _FIXED:
            cursor = Cursor(datagram[at:])
            first, number = cursor.number(1), cursor.number(4)
            version = VERSIONS.get(number)
            destination, source = cursor.vector(1), cursor.vector(1)
            if version is None or len(destination) > MAX_ID or len(source) > MAX_ID:
                return
            kind = (first >> 4) & 3
            if kind == (version.initial + 3) % 4:  # a Retry has no length, and nothing behind it
                return
            if kind == version.initial:
                cursor.take(variable(cursor))
            length = variable(cursor)
            number_at = cursor.at
            cursor.take(length)
            if kind == version.initial:
                yield Initial(number, destination, source, cursor.data[: cursor.at], number_at)
            at += cursor.at
    except ShortError:
        return


def variable(cursor: Cursor) -> int:
    """A number of 1, 2, 4 or 8 bytes, as its first two bits say (RFC 9000, section 16)."""
    first = cursor.number(1)
    rest = (1 << (first >> 6)) - 1
    return (first & 0x3F) << 8 * rest | cursor.number(rest)


@lru_cache(maxsize=1024)  # both ends of a connection, for each of its packets; 0.5 MB when full
def keys_of(version: int, destination: bytes, *, client: bool) -> Keys:
    """The keys of one end, from the first destination that a client chose."""
    found = VERSIONS[version]
    secret = hmac.digest(found.salt, destination, "sha256")
    own = _expand(secret, "client in" if client else "server in", 32)
    return Keys(*[_expand(own, f"{found.labels} {name}", size) for name, size in (("key", 16), ("iv", 12), ("hp", 16))])


def _expand(secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, section 7.1) for at most 32 bytes: one round of HKDF (RFC 5869, section 2.3)."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.digest(secret, info + b"\x01", "sha256")[:size]


def unprotect(initial: Initial, keys: Keys) -> bytes | None:
    """The frames of a packet; None where these are not its keys, or bytes of it have changed.

    Its number is taken as written, as it is small still.
    """
    packet, at = initial.packet, initial.number_at
    sample = packet[at + 4 : at + 4 + _SAMPLE]
    if len(sample) < _SAMPLE:
        return None
    mask = aes.encrypt(keys.mask, sample)
    flags = packet[0] ^ (mask[0] & 0x0F)
    if flags & 0x0C:  # reserved bits (RFC 9000, section 17.2)
        return None
    size = (flags & 3) + 1
    number = int.from_bytes(packet[at : at + size], "big") ^ int.from_bytes(mask[1 : 1 + size], "big")
    nonce = (int.from_bytes(keys.iv, "big") ^ number).to_bytes(12, "big")
    protected = packet[at + size : -_TAG]
    first = aes.decrypt_gcm(keys.key, nonce, protected[:_SAMPLE])
    head = bytes([flags]) + packet[1:at] + number.to_bytes(size, "big")
    if first[:1] not in FRAMES or aes.tag(keys.key, nonce, head, protected) != packet[-_TAG:]:
        return None
    return aes.decrypt_gcm(keys.key, nonce, protected)
