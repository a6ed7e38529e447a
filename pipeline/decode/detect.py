"""Which protocol a connection speaks. The only module that makes protocols, and that changes them in the middle.

The transport asks here about bytes of connections that it does not follow (``transport.detector``), and hands here what a
protocol answers when both ends agreed to go on with another one (Upgrade: RFC 9110, section 7.8). A protocol of its own, such as
HTTP/2, is added here and nowhere else: what its first bytes look like, and what is made for both directions.
"""

from typing import TYPE_CHECKING, Any

from pipeline.config.options import DecodeOptions
from pipeline.decode.http1.context import Context
from pipeline.decode.http1.reader import Reader
from pipeline.decode.http1.recognition import (
    BLANKS,
    COMMON_REQUESTS,
    HTTP2,
    begins_request,
    begins_response,
    may_begin_request,
    may_begin_response,
    preamble,
)
from pipeline.decode.http2.connection import Http2
from pipeline.decode.marks import MID_STREAM
from pipeline.decode.message import Accepted
from pipeline.decode.pairing.pairing import Pairing
from pipeline.decode.protocol import UNNAMED, End, Protocol, Start, Switch
from pipeline.decode.shared import Shared
from pipeline.decode.standins import Behind, Undecided, Unread
from pipeline.decode.transport.direction import Direction
from pipeline.model.connection import Connection
from pipeline.model.records import Datagram

if TYPE_CHECKING:
    from pipeline.decode.tls.handshakes import Handshakes

SHORT = len(b"HTTP/")
"""Fewer bytes than these can begin a request as well as a response."""
WEBSOCKET = "websocket"
"""RFC 6455, section 4.1, and RFC 8441, section 4: what both sides call it."""


class Detect:
    """The detector of one decoder."""

    obvious = COMMON_REQUESTS

    def __init__(self, options: DecodeOptions, shared: Shared) -> None:
        self._shared = shared
        self._context = Context(options, shared)
        self._http2 = Http2(options, shared)
        self._tls = _tls(shared) if options.tls_handshakes else None
        self._websockets = options.websocket_messages

    # -- what bytes are --------------------------------------------------------------------------------------------------

    def first(self, data: bytes, *, opener: bool) -> bool | None:
        """See ``Detector``. Who asked for the connection is the client, unless what they say shows otherwise."""
        http2 = self._http2.first(data)
        if http2 is not None:
            return http2
        if data[0] in BLANKS and not preamble(data):
            data = data.lstrip(BLANKS)
            if not data:
                return opener
        if len(data) >= SHORT and may_begin_response(data):
            return False
        if may_begin_request(data) or preamble(data):
            return opener or begins_request(data)
        if self._tls is not None and (client := self._tls.first(data, opener=opener)) is not None:
            return client
        self._shared.count("decoder_not_http", 1)
        return None

    def midway(self, data: bytes) -> bool | None:
        """See ``Detector``."""
        if begins_response(data):
            return False
        if begins_request(data.lstrip(b"\r\n") if data[:1] in {b"\r", b"\n"} else data):
            return True
        client = self._http2.midway(data)
        return client if client is not None or self._tls is None else self._tls.midway(data)

    def begins(self, data: bytes) -> bool:
        """See ``Detector``."""
        http = begins_request(data) or begins_response(data) or self._http2.first(data) is True
        return http or (self._tls is not None and self._tls.midway(data) is not None)

    def other(self, data: bytes) -> bool:
        """Whether these bytes surely begin a protocol that is not HTTP/1."""
        preface = data.startswith(HTTP2) and self._http2.first(data) is True
        return preface or self._http2.midway(data) is not None or (self._tls is not None and self._tls.midway(data) is not None)

    def first_of_stream(self, data: bytes, *, whole: bool) -> bool | None:
        """See ``Detector``."""
        if begins_response(data):
            return False
        if begins_request(data) or (whole and may_begin_request(data)):
            return True
        return self._http2.first(data) if whole else self._http2.midway(data)

    # -- who reads them --------------------------------------------------------------------------------------------------

    def start(self, direction: Direction, start: Start) -> None:
        """What the first bytes are of, else HTTP/1; where others came first, those that are missing decide when they come."""
        if start.first and self.speak(direction, start.first, midway=start.mid_stream):
            return
        client = direction if start.client else direction.other
        asks, answers = self._http1(client)
        pairing = asks.pairing
        if start.mid_stream:
            direction.connection.marks = MID_STREAM
        if start.rejoined:
            pairing.rejoined = 0
        if start.unread:
            (answers if start.client else asks).behind_unread(start.unread_upto)
        if not start.first:
            for each in (client, client.other):
                each.protocol = Undecided(each, self.speak)

    def speak(self, direction: Direction, data: bytes, *, midway: bool = False) -> bool:
        """Give both directions the protocol that ``data`` of one begins, where that is not HTTP/1. False where it is."""
        client = self._http2.midway(data) if midway else self._http2.first(data)
        if client is not None:
            requests = direction if client else direction.other
            self._http2.start(requests, requests.other, joined=midway)
        elif self._tls is not None and (client := self._tls.first(data, opener=direction.client)) is not None:
            requests = direction if client else direction.other
            readers = self._tls.readers(requests, requests.other, requests.connection)
            requests.protocol, requests.other.protocol = readers
        return client is not None

    def resume(self, client: Direction, http2: tuple[Any, ...] | None) -> None:
        """See ``Detector``."""
        if http2 is None:
            self._http1(client)
        else:
            self._http2.resume(client, client.other, http2)

    def _http1(self, client: Direction) -> tuple[Reader, Reader]:
        """HTTP/1 for both directions: who reads requests, and who reads responses."""
        pairing = Pairing(client, client.other, client.connection, self._shared)
        asks, answers = Reader(True, self._context, pairing), Reader(False, self._context, pairing)
        asks.peer, answers.peer = answers, asks
        client.protocol, client.other.protocol = asks, answers
        return asks, answers

    def switch(self, direction: Direction, switch: Switch) -> None:
        """Both directions go on with another protocol, and ``switch.rest`` is for the new one. Of most nothing is read.

        What follows CONNECT (RFC 9110, section 9.3.6) is not a switch: anything may come in a tunnel, HTTP/1 too, and HTTP/1's
        readers find it.
        """
        other = direction.other
        if switch.protocol in {"h2c", UNNAMED}:
            requests, responses = (direction, other) if direction.client else (other, direction)
            before = direction.protocol
            if switch.protocol == UNNAMED:
                self.speak(direction, switch.rest, midway=self._http2.first(switch.rest) is not True)
            else:
                asked = None if switch.accepted is None else switch.accepted.request
                self._http2.start(requests, responses, joined=False, asked=asked)
            if isinstance(before, Reader):
                before.replaced(End.UNSEEN if switch.protocol == UNNAMED else End.FINISHED)
        else:
            pair = self._next(direction, switch)
            for each in (direction, other):
                each.protocol = Unread(each.protocol) if pair is None else Behind(each.protocol, pair[0 if each.client else 1])
        direction.take(switch.rest, len(switch.rest), switch.at, cut=False)

    def tunnel(
        self, protocol: str, accepted: Accepted, connection: Connection, lost: tuple[bool, bool] = (False, False)
    ) -> tuple[Protocol, Protocol] | None:
        """What reads a protocol that both ends agreed to, the client's side first; None where nobody asked for that.

        Of a whole connection, or of one stream (RFC 8441). ``lost``: of which sides it is not known where it begins.
        """
        if protocol != WEBSOCKET or not self._websockets:
            return None
        from pipeline.decode.websocket.reader import readers  # noqa: PLC0415  only who asks for messages pays for the import

        return readers(accepted, connection, self._shared, lost)

    def _next(self, direction: Direction, switch: Switch) -> tuple[Protocol, Protocol] | None:
        """What reads both directions behind a switch, None for nobody."""
        if switch.accepted is None:
            return None
        client, server = (direction, direction.other) if direction.client else (direction.other, direction)
        lost = (_skipped(client.protocol), _skipped(server.protocol))
        return self.tunnel(switch.protocol, switch.accepted, direction.connection, lost)

    # -- what has no connection in the table -----------------------------------------------------------------------------

    def datagram(self, datagram: Datagram) -> None:
        """See ``Detector``."""
        if self._tls is not None:
            self._tls.quic.feed(datagram)

    def expire(self, now_ns: int) -> None:
        """See ``Detector``."""
        if self._tls is not None:
            self._tls.quic.expire(now_ns)

    def finish(self) -> None:
        """See ``Detector``."""
        if self._tls is not None:
            self._tls.quic.finish()


def _skipped(before: Protocol) -> bool:
    """Whether bytes are missing, or were read, where the first one of the next protocol should be."""
    return not isinstance(before, Reader) or before.skipped


def _tls(shared: Shared) -> "Handshakes":
    from pipeline.decode.tls.handshakes import Handshakes  # noqa: PLC0415  only who asks for handshakes pays for the import

    return Handshakes(shared)
