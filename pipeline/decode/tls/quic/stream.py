"""The stream of handshake messages of one end: pieces of CRYPTO frames in any order → messages (RFC 9000, section 19.6)."""

import msgspec

from pipeline.decode.tls.messages import Message, Messages

MAX_STREAM = 1 << 16
"""How far the stream of an Initial is followed: hellos with post-quantum keys have two KiB."""
MAX_PIECES = 256
"""Pieces that wait for others; Chrome makes about ten of a hello, in any order."""


class Stream(msgspec.Struct, gc=False):
    """``next`` is the place of the next byte, ``pieces`` are those behind it."""

    messages: Messages
    next: int = 0
    pieces: dict[int, bytes] = {}

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return self.messages.held + sum(map(len, self.pieces.values()))

    def add(self, place: int, piece: bytes) -> list[Message]:
        """The messages that are complete now."""
        if place + len(piece) <= self.next or place + len(piece) > MAX_STREAM:
            return []
        if len(self.pieces) < MAX_PIECES and len(piece) > len(self.pieces.get(place, b"")):
            self.pieces[place] = piece
        found: list[Message] = []
        while (start := min(self.pieces, default=self.next + 1)) <= self.next:
            data = self.pieces.pop(start)[self.next - start :]
            self.next += len(data)
            found += self.messages.feed(data)
        return found
