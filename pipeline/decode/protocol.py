"""The border between a transport and a protocol: what one direction of a connection is told, and what it may answer.

A transport (``transport/``) tells the protocol of a direction ``data``, ``gap`` and ``end``, in the order of the stream and each
byte once. A protocol (``http1/``) knows positions and no segments. It answers at most that from here on another protocol is
spoken; ``detect``, who made it, then makes the next one.
"""

from enum import Enum
from typing import Protocol as Interface

import msgspec

from pipeline.decode.message import Accepted
from pipeline.decode.position import UNKNOWN, At


class Missing(Enum):
    """Why bytes are not there."""

    LOST = "lost"  # by the capture
    LEFT_OUT = "left_out"  # on purpose, by a source that copies the beginnings of bodies only
    UNSEEN = "unseen"  # of a direction of which the capture shows nothing at all


CLOSED = "closed"


class End(Enum):
    """Why no more bytes of a direction come.

    ``error`` is what an exchange that is not whole then reports as its ``error.type``; empty where nobody knows.
    """

    FINISHED = ("finished", CLOSED)  # its sender said so
    REPLACED = ("replaced", CLOSED)  # another connection between the same ports began
    RESET = ("reset", "reset")
    TIMEOUT = ("timeout", "timeout")
    UNSEEN = ("unseen", "")  # the capture ended, or the connection was let go

    def __init__(self, _name: str, error: str) -> None:
        self.error = error


class Start(msgspec.Struct, frozen=True):
    """How a connection was found, for the protocol that is made for it.

    ``client``: the direction that was read first carries requests. ``mid_stream``: the connection is older than what was seen of
    it. ``rejoined``: and where it was found a request begins. ``unread``: the other direction has already carried bytes that
    nobody could read, up to ``unread_upto`` where they may have been an answer, else UNKNOWN. ``first`` are the bytes that were
    found; none where others are missing in front of them.
    """

    client: bool
    mid_stream: bool = False
    rejoined: bool = False
    unread: bool = False
    unread_upto: int = UNKNOWN
    first: bytes = b""


UNNAMED = ""


class Switch(msgspec.Struct, frozen=True):
    """From ``at`` on both directions speak ``protocol`` (RFC 9110, section 7.8); ``rest`` are its first bytes.

    ``accepted`` is the exchange in which both agreed to it. UNNAMED is one that nobody named and its first bytes show: in a
    tunnel, behind STARTTLS, or behind a header of the PROXY protocol.
    """

    protocol: str
    rest: bytes
    at: At
    accepted: Accepted | None = None


class Protocol(Interface):
    """One direction of a connection, as the transport sees it."""

    def data(self, data: bytes, at: At) -> Switch | None:
        """The next bytes."""

    def gap(self, count: int, at: At, why: Missing) -> None:
        """The next ``count`` bytes, from ``at`` on, are not there."""

    def end(self, why: End) -> None:
        """No more bytes will come."""

    # -- of both directions; either is asked ------------------------------------------------------------------------------

    def caught_up(self) -> None:
        """Both directions have been given all that is there up to now."""

    def opened_at(self, seq: int) -> None:
        """It has turned out that the connection began with the client's byte ``seq``."""

    def overdue(self) -> None:
        """Whatever waits for an answer has waited for too long."""

    def release(self) -> None:
        """The connection is over: let go of what is held for both directions, and of one of them."""

    @property
    def waiting(self) -> bool:
        """Whether something waits for an answer."""

    @property
    def busy(self) -> bool:
        """The same, or an answer is being read."""

    @property
    def held_bytes(self) -> int:
        """Bytes held for both directions."""


class Unasked:
    """What a protocol says in which nothing waits for an answer. ``held_bytes`` is for who holds some."""

    __slots__ = ()

    def caught_up(self) -> None:
        """Nothing becomes certain."""

    def opened_at(self, seq: int) -> None:
        """It does not matter."""

    def overdue(self) -> None:
        """Nothing waits."""

    def release(self) -> None:
        """Nothing is held once both directions have ended."""

    @property
    def waiting(self) -> bool:
        """Nothing does."""
        return False

    @property
    def busy(self) -> bool:
        """As ``waiting``."""
        return False
