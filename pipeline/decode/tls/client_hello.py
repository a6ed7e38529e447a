"""ClientHello (RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.2; of SSL 2: RFC 5246, appendix E.2): bytes → what it offers."""

import msgspec

from pipeline.decode.tls.cursor import Cursor, ShortError, numbers, text

(
    SERVER_NAME, GROUPS, FORMATS, SIGNATURES, ALPN, TICKET, PRE_SHARED_KEY, EARLY_DATA, VERSIONS, KEY_SHARE, ECH,
) = 0, 10, 11, 13, 16, 35, 41, 42, 43, 51, 0xFE0D  # fmt: skip
"""IANA, "TLS ExtensionType Values"; ECH is encrypted_client_hello (RFC 9849)."""
QUIC_PARAMETERS = (57, 0xFFA5)
"""quic_transport_parameters (RFC 9001, section 8.2), and what it was in drafts."""
_HOST_NAME = 0


class ClientHello(msgspec.Struct, frozen=True, gc=False):
    """What a client offers, in its order, GREASE included; of ``extensions`` their types."""

    version: int
    ciphers: tuple[int, ...]
    extensions: tuple[int, ...] = ()
    server_name: str | None = None
    alpn: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    formats: bytes = b""
    signatures: tuple[int, ...] = ()

    @property
    def early_data(self) -> bool:
        """Whether application data may follow at once (RFC 8446, section 2.3)."""
        return EARLY_DATA in self.extensions

    @property
    def ech(self) -> bool:
        """Whether it is, or pretends to be, the outer one of two (RFC 9849): then its server name may not be the real one."""
        return ECH in self.extensions


def parse(message: bytes) -> ClientHello | None:
    """The body of a ClientHello; None where it contradicts itself in front of its extensions.

    An extension whose body contradicts itself counts as present and empty: a fingerprint needs no more than its type.
    """
    cursor = Cursor(message)
    try:
        version = cursor.number(2)
        cursor.take(32)
        cursor.vector(1)
        ciphers = numbers(cursor.vector(2))
        cursor.vector(1)
        bodies = extensions(cursor)
    except ShortError:
        return None
    held = dict(reversed(bodies))
    return ClientHello(
        version,
        ciphers,
        tuple([kind for kind, _ in bodies]),
        _server_name(held.get(SERVER_NAME, b"")),
        alpn(held.get(ALPN, b"")),
        numbers(vector(held.get(VERSIONS, b""), 1)),
        numbers(vector(held.get(GROUPS, b""), 2)),
        vector(held.get(FORMATS, b""), 1),
        numbers(vector(held.get(SIGNATURES, b""), 2)),
    )


def parse_ssl2(message: bytes) -> ClientHello | None:
    """The body, behind its type, of the CLIENT-HELLO of SSL 2, in which old clients offer TLS; suites of SSL 2 are left out."""
    cursor = Cursor(message)
    try:
        version, length = cursor.number(2), cursor.number(2)
        cursor.take(4)
        specs = cursor.take(length)
    except ShortError:
        return None
    return ClientHello(version, tuple([number for number in _triples(specs) if number < 1 << 16]))


def _triples(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 3], "big") for at in range(0, len(data) - 2, 3)]


def extensions(cursor: Cursor) -> list[tuple[int, bytes]]:
    """The extensions that end a hello: type and body. There may be none at all, not even their length."""
    found: list[tuple[int, bytes]] = []
    if not cursor:
        return found
    rest = Cursor(cursor.vector(2))
    while rest:
        found.append((rest.number(2), rest.vector(2)))
    return found


def vector(body: bytes, width: int) -> bytes:
    """What a body holds that is one vector; nothing where its length says something else."""
    return body[width:] if body and int.from_bytes(body[:width], "big") == len(body) - width else b""


def alpn(body: bytes) -> tuple[bytes, ...]:
    """The protocols of an extension of ALPN (RFC 7301, section 3.1)."""
    cursor, found = Cursor(vector(body, 2)), []
    try:
        while cursor:
            found.append(cursor.vector(1))
    except ShortError:
        pass
    return tuple(found)


def _server_name(body: bytes) -> str | None:
    """RFC 6066, section 3: the first host name of the list."""
    cursor = Cursor(vector(body, 2))
    try:
        while cursor:
            kind, name = cursor.number(1), cursor.vector(2)
            if kind == _HOST_NAME and name:
                return text(name)
    except ShortError:
        pass
    return None
