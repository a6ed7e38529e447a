"""What the transport asks about bytes of a connection that is not followed. Answered by ``detect``, which it does not know."""

from typing import Any, Protocol

from pipeline.decode.protocol import Start
from pipeline.decode.transport.direction import Direction
from pipeline.model.records import Datagram


class Detector(Protocol):
    """Which protocol it is, and who speaks: True the client, False the server, None where it is nothing that is read."""

    obvious: frozenset[bytes]
    """Four bytes with which a client commonly begins."""

    def first(self, data: bytes, *, opener: bool) -> bool | None:
        """Of the first bytes of a direction; ``opener``: from the end that asked for the connection. Counted where None."""

    def midway(self, data: bytes) -> bool | None:
        """Of bytes in the middle of an unknown stream: only what can hardly be anything else."""

    def begins(self, data: bytes) -> bool:
        """Whether a message surely begins with these bytes."""

    def first_of_stream(self, data: bytes, *, whole: bool) -> bool | None:
        """Of the first bytes of a byte stream; ``whole``: nothing is missing in front of them."""

    def start(self, direction: Direction, start: Start) -> None:
        """Give both directions the protocol that they speak."""

    def resume(self, client: Direction, http2: tuple[Any, ...] | None) -> None:
        """Give both directions what they have spoken elsewhere: HTTP/1, or HTTP/2, of which so much is known."""

    def datagram(self, datagram: Datagram) -> None:
        """One that may belong to a QUIC handshake."""

    def expire(self, now_ns: int) -> None:
        """Time goes on, for what stands in no table of connections."""

    def finish(self) -> None:
        """The end of input, for the same."""
