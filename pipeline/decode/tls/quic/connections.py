"""QUIC connections that begin: their Initials → handshakes. Bounded in number, in bytes, and in what is decrypted a second.

A client's Initial is read with the keys of its own destination, everything behind it with those of the first one that worked
(RFC 9001, section 5.2); behind a Retry the client begins again with another destination. A handshake is reported when both
hellos have been seen, or the client's alone for a while.
"""

from collections.abc import Callable

import msgspec

from pipeline.decode.shared import Shared
from pipeline.decode.tls.facts import Facts, Side
from pipeline.decode.tls.messages import Messages
from pipeline.decode.tls.quic.frames import Frames, parse
from pipeline.decode.tls.quic.packets import Initial, initials, keys_of, unprotect
from pipeline.decode.tls.quic.stream import Stream
from pipeline.model.connection import Connection
from pipeline.model.records import Datagram, FlowKey, reverse

MAX_CONNECTIONS = 4096
"""Connections that are followed: they take some milliseconds each."""
MAX_HELD = 16 << 20
"""Bytes that all of them hold."""
WAIT_NS = 3_000_000_000
"""How long a client's hello waits for the server's: as long as clients repeat theirs (RFC 9002, section 6.2.2)."""
MAX_DECRYPTED = 400
"""Packets that are decrypted a second, at 2 ms each; more are counted. A browser needs two or three for a connection."""
SECOND = 1_000_000_000


class QuicConnection(msgspec.Struct, gc=False, eq=False):
    """``destination`` is the one that keys follow from, ``answered_by`` the one that the server chose for itself.

    One that is ``reported`` is kept for a while, so that copies are known.
    """

    facts: Facts
    version: int
    destination: bytes
    client: Stream
    server: Stream
    answered_by: bytes | None = None
    reported: bool = False

    @property
    def held(self) -> int:
        """Bytes that are held."""
        return self.client.held + self.server.held

    @property
    def complete(self) -> bool:
        """Whether nothing more is to be learnt."""
        return self.facts.offer is not None and (self.facts.choice is not None or self.facts.error is not None)


class QuicConnections:
    """Those of one decoder, by the direction from their client. ``report`` is given each that is over, once."""

    def __init__(self, shared: Shared, report: Callable[[Facts], None]) -> None:
        self._shared = shared
        self._report = report
        self._known: dict[FlowKey, QuicConnection] = {}
        self._held = 0
        self._second = self._decrypted = 0

    def feed(self, datagram: Datagram) -> None:
        """One datagram of any kind."""
        for initial in initials(datagram.payload):
            self._read(initial, datagram)

    def expire(self, now_ns: int) -> None:
        """Report what has waited for long enough, and forget it."""
        for key, connection in list(self._known.items()):
            if now_ns - connection.facts.begin_ns >= WAIT_NS:
                self._forget(key)

    def finish(self) -> None:
        """The end of input."""
        for key in list(self._known):
            self._forget(key)

    # -- packets ---------------------------------------------------------------------------------------------------------

    def _read(self, initial: Initial, datagram: Datagram) -> None:
        key = datagram.key
        connection, server = self._known.get(key), self._known.get(reverse(key))
        if connection is not None and self._continue(connection, initial, datagram, client=True):
            return
        if connection is None and server is not None:
            server.answered_by = initial.source
            self._continue(server, initial, datagram, client=False)
            return
        frames = self._open(initial, initial.destination, datagram, client=True)
        if frames is None:
            return
        if connection is not None and not connection.reported:  # behind a Retry, with the same hello
            connection.version, connection.destination = initial.version, initial.destination
        else:  # also where another one has taken the ports of one that has been reported
            connection = self._begin(initial, datagram)
        self._take(connection, frames, datagram, client=True)

    def _continue(self, connection: QuicConnection, initial: Initial, datagram: Datagram, *, client: bool) -> bool:
        """A packet of a connection whose keys are known; whether it is one."""
        destination = connection.destination
        if connection.reported:
            return initial.destination in {destination, connection.answered_by}
        frames = self._open(initial, destination, datagram, client=client)
        if frames is not None:
            self._take(connection, frames, datagram, client=client)
        return frames is not None or initial.destination in {destination, connection.answered_by}

    def _open(self, initial: Initial, destination: bytes, datagram: Datagram, *, client: bool) -> Frames | None:
        """The frames of a packet; None where these are not its keys, or where enough has been decrypted this second."""
        second = datagram.ts_ns // SECOND
        if second != self._second:
            self._second, self._decrypted = second, 0
        if self._decrypted >= MAX_DECRYPTED:
            self._shared.count("decoder_quic_not_read", 1)
            return None
        self._decrypted += 1
        payload = unprotect(initial, keys_of(initial.version, destination, client=client))
        return parse(payload) if payload else None

    def _begin(self, initial: Initial, datagram: Datagram) -> QuicConnection:
        if datagram.key in self._known:
            self._forget(datagram.key)
        elif len(self._known) >= MAX_CONNECTIONS:
            self._forget(next(iter(self._known)))
        self._shared.held += 1
        facts = Facts(Connection(datagram.key, datagram.ts_ns), Side(), Side(), begin_ns=datagram.ts_ns)
        made = QuicConnection(facts, initial.version, initial.destination, Stream(Messages()), Stream(Messages()))
        self._known[datagram.key] = made
        return made

    def _take(self, connection: QuicConnection, frames: Frames, datagram: Datagram, *, client: bool) -> None:
        facts, before = connection.facts, connection.held
        facts.connection.last_ns = datagram.ts_ns
        stream = connection.client if client else connection.server
        if not client:
            facts.answer_ns = facts.answer_ns or datagram.ts_ns
        for place, piece in frames.crypto:
            for message in stream.add(place, piece):
                facts.message(message, client=client)
        if frames.closed is not None:
            facts.gives_up(frames.closed, client=client)
        self._held += connection.held - before
        if connection.complete:
            self._tell(connection)
        while self._held > MAX_HELD:
            self._forget(next(iter(self._known)))

    # -- ends ------------------------------------------------------------------------------------------------------------

    def _tell(self, connection: QuicConnection) -> None:
        """Report it, once, and let go of what is held."""
        if connection.reported:
            return
        connection.reported = True
        self._shared.held -= 1
        self._held -= connection.held
        connection.client, connection.server = Stream(Messages()), Stream(Messages())
        if connection.facts.offer is not None:
            self._report(connection.facts)

    def _forget(self, key: FlowKey) -> None:
        self._tell(self._known.pop(key))
