"""ServerHello (RFC 8446, section 4.1.3; RFC 5246, section 7.4.1.3): bytes → what is chosen; a ServerKeyExchange's curve."""

import hashlib

import msgspec

from pipeline.decode.tls.client_hello import ALPN, KEY_SHARE, PRE_SHARED_KEY, VERSIONS, alpn, extensions
from pipeline.decode.tls.cursor import Cursor, ShortError

RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
"""The random value by which a HelloRetryRequest is known."""
_NAMED_CURVE = 3


class ServerHello(msgspec.Struct, frozen=True, gc=False):
    """What a server chooses. ``legacy_version`` is as its field has it, ``version`` the chosen one; ``group`` is 0 for none."""

    legacy_version: int
    version: int
    cipher: int
    extensions: tuple[int, ...]
    alpn: bytes
    group: int
    retry: bool

    @property
    def pre_shared(self) -> bool:
        """Whether TLS 1.3 goes on with a key that both had (RFC 8446, section 4.2.11)."""
        return PRE_SHARED_KEY in self.extensions


def parse(message: bytes) -> ServerHello | None:
    """The body of a ServerHello or a HelloRetryRequest; None where it contradicts itself."""
    cursor = Cursor(message)
    try:
        version, random = cursor.number(2), cursor.take(32)
        # Drafts of TLS 1.3 up to 21 left out session and compression (draft-ietf-tls-tls13-21, section 4.1.3).
        early_draft = version & 0xFF00 == 0x7F00
        if not early_draft:
            cursor.vector(1)
        cipher = cursor.number(2)
        cursor.take(0 if early_draft else 1)
        bodies = extensions(cursor)
    except ShortError:
        return None
    held = dict(reversed(bodies))
    chosen, share = held.get(VERSIONS, b""), held.get(KEY_SHARE, b"")
    return ServerHello(
        version,
        int.from_bytes(chosen, "big") if len(chosen) == 2 else version,
        cipher,
        tuple([kind for kind, _ in bodies]),
        next(iter(alpn(held.get(ALPN, b""))), b""),
        int.from_bytes(share[:2], "big"),
        random == RETRY,
    )


def curve(key_exchange: bytes) -> int:
    """The group that the beginning of a ServerKeyExchange of ECDHE names (RFC 8422, section 5.4); 0 for none."""
    named = len(key_exchange) >= 3 and key_exchange[0] == _NAMED_CURVE
    return int.from_bytes(key_exchange[1:3], "big") if named else 0
