"""What bytes are: a record of TLS, a hello, and whose. Bytes in, a verdict out; keeps no state.

The kernel's program asks the same of the beginning of a segment (``bpf/classify/start.h``).
"""

HANDSHAKE = 22
HEAD_BYTES = 5
"""Of a record (RFC 8446, section 5.1): type, version, length."""
MAX_RECORD = (1 << 14) + 2048
"""The longest that any version allows (RFC 5246, section 6.2.3)."""
MAX_SSL2 = 1 << 12
"""Longer than any ClientHello of SSL 2 needs to be."""
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_FIRST, _LAST = 20, 24
_MAJOR, _LAST_MINOR = 3, 4
_MESSAGE_HEAD = 4
_SURE = HEAD_BYTES + _MESSAGE_HEAD + 2
"""So many bytes of a hello leave hardly a doubt: both heads and the version."""


def is_record(head: bytes) -> bool:
    """Whether a record may begin with these bytes, as far as they go."""
    if not _FIRST <= head[0] <= _LAST or (len(head) > 1 and head[1] != _MAJOR) or (len(head) > 2 and head[2] > _LAST_MINOR):
        return False
    return len(head) < HEAD_BYTES or int.from_bytes(head[3:5], "big") <= MAX_RECORD


def is_ssl2(head: bytes) -> bool:
    """The same of a ClientHello in the form of SSL 2 that offers SSL 3 or TLS (RFC 5246, appendix E.2)."""
    if not head[0] & 0x80 or (len(head) > 2 and head[2] != _CLIENT_HELLO) or (len(head) > 3 and head[3] != _MAJOR):
        return False
    return len(head) < 2 or int.from_bytes(head[:2], "big") & 0x7FFF <= MAX_SSL2


def may_begin(data: bytes, *, opener: bool) -> bool | None:
    """Whether the client (True) or the server speaks TLS, where these are the first bytes of a direction; None: nobody does.

    ``opener``: they come from the end that asked for the connection, which is the client as long as no type of a message is seen.
    """
    if data[0] == HANDSHAKE and is_record(data):
        if len(data) <= HEAD_BYTES:
            return opener
        return {_CLIENT_HELLO: True, _SERVER_HELLO: False}.get(data[HEAD_BYTES])
    return True if opener and is_ssl2(data) and len(data) > 3 else None


def begins(data: bytes) -> bool | None:
    """The same in the middle of an unknown stream: lengths and versions have to agree, too."""
    if len(data) < _SURE or data[0] != HANDSHAKE or not is_record(data):
        return None
    record, message = int.from_bytes(data[3:5], "big"), int.from_bytes(data[6:9], "big")
    # A hello may go on in further records, and other messages may follow it in its own.
    fits = 38 <= message <= MAX_RECORD and record > _MESSAGE_HEAD
    if not fits or data[9] != _MAJOR or data[10] > _LAST_MINOR:
        return None
    return {_CLIENT_HELLO: True, _SERVER_HELLO: False}.get(data[HEAD_BYTES])
