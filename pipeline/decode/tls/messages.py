"""Handshake messages (RFC 8446, section 4): the fragments that records hold → whole messages, in any cut.

Only those that say something are kept, up to a bound; of others the type alone is given.
"""

import msgspec

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE = 1, 2, 11, 12, 14
"""IANA, "TLS HandshakeType"."""
SSL2_CLIENT_HELLO = 0x100
"""No type of TLS: a ClientHello in the form of SSL 2."""
WANTED = frozenset((CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE))
MAX_MESSAGE = 128 << 10
"""Longest message that is kept: chains of certificates have some KiB, hellos with post-quantum keys two."""
_HEAD = 4

Message = tuple[int, bytes | None]
"""Type and body; None for a body that was not kept."""


class Messages(msgspec.Struct, gc=False):
    """``head`` is the beginning of a message whose length is not there yet, ``kept`` what is there of one that is wanted.

    ``lost``: bytes are missing in which the next message may have begun, so nothing is understood until a record begins.
    """

    head: bytes = b""
    kind: int = 0
    left: int = 0
    kept: bytearray | None = None
    lost: bool = False

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return len(self.head) + (0 if self.kept is None else len(self.kept))

    def feed(self, fragment: bytes) -> list[Message]:
        """The messages that are complete now."""
        found: list[Message] = []
        at, end = 0, len(fragment)
        while not self.lost:
            if self.left:
                piece = fragment[at : at + self.left]
                at += len(piece)
                self.left -= len(piece)
                if self.kept is not None:
                    self.kept += piece
                if self.left:
                    break
            elif self.kind:
                found.append((self.kind, None if self.kept is None else bytes(self.kept)))
                self.kind, self.kept = 0, None
            elif at >= end:
                break
            else:
                at += self._begin(fragment, at)
        return found

    def _begin(self, fragment: bytes, at: int) -> int:
        """Read the type and length of the next message; how many bytes that took."""
        taken = fragment[at : at + _HEAD - len(self.head)]
        self.head += taken
        if len(self.head) == _HEAD:
            self.kind, self.left = self.head[0], int.from_bytes(self.head[1:], "big")
            self.kept = bytearray() if self.kind in WANTED and self.left <= MAX_MESSAGE else None
            self.head = b""
            self.lost = not self.kind and self.left > MAX_MESSAGE  # a HelloRequest, of type 0, is empty: this is garbage
        return len(taken)

    def begin_ssl2(self, begin: bytes, left: int) -> None:
        """A ClientHello in the form of SSL 2 goes on with ``left`` bytes."""
        self.kind, self.left, self.kept = SSL2_CLIENT_HELLO, left, bytearray(begin)

    def skip(self, count: int) -> None:
        """So many bytes of a fragment are missing."""
        if self.left > count and not self.head:
            self.left -= count
            self.kept = None
        else:
            self.head, self.kind, self.left, self.kept, self.lost = b"", 0, 0, None, True

    def resume(self) -> None:
        """A record begins; where messages were lost, one begins with it, as nearly always."""
        self.lost = False
