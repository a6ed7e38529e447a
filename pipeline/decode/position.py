"""Places in a stream. Nouns that every room of decode knows, and the arithmetic of their numbers; nothing else.

TCP numbers its bytes modulo 2³² (RFC 9293, section 3.4), a byte stream's bytes are numbered from 0 in the same way.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

UNKNOWN = -1
"""A number of a stream that is not known."""
MASK = 0xFFFFFFFF
HALF = 0x80000000


def ahead(seq: int, reference: int) -> int:
    """How far ``seq`` lies ahead of ``reference``; negative when behind."""
    return ((seq - reference + HALF) & MASK) - HALF


class At(Protocol):
    """Where some bytes stand in their stream, and when they were seen.

    A segment that brings nothing but the next bytes is its own position (making another object of each would cost 3 % of all
    time); everywhere else it is a ``StreamPosition``.
    """

    @property
    def seq(self) -> int:
        """The number of the first byte."""

    @property
    def ts_ns(self) -> int:
        """When the first byte was captured."""

    @property
    def last_ns(self) -> int:
        """When the last byte was captured; 0 for the same."""

    @property
    def ack(self) -> int:
        """Up to where their sender had received the other direction, UNKNOWN where nothing says so."""


class StreamPosition(msgspec.Struct, frozen=True, gc=False):
    """See ``At``."""

    seq: int
    ts_ns: int
    last_ns: int = 0
    ack: int = UNKNOWN


def behind(at: At, count: int) -> StreamPosition:
    """The place ``count`` bytes further on, of bytes that came together."""
    return StreamPosition(at.seq + count & MASK, at.ts_ns, at.last_ns, at.ack)


class Progress(Protocol):
    """How far one direction has been read. Its transport alone changes it; who stands behind may look."""

    next_seq: int
    """The next byte to come, UNKNOWN before the first."""
    ended: bool

    @property
    def incomplete(self) -> bool:
        """Whether bytes are missing that may still come."""

    def awaits(self, ack: int) -> bool:
        """Whether bytes before ``ack`` may still come: some are missing, or none has come at all."""

    def early(self) -> Iterator[tuple[int, bytes]]:
        """The first of what came behind missing bytes: what its sender had received (as ``At.ack``), and the bytes."""
