"""The handshakes of one decoder: which bytes begin one, who reads them, and what becomes of one that is over."""

from pipeline.decode.shared import Shared
from pipeline.decode.tls.build import build
from pipeline.decode.tls.handshake import Handshake, Side
from pipeline.decode.tls.messages import Messages
from pipeline.decode.tls.reader import Reader
from pipeline.decode.tls.recognition import begins, may_begin
from pipeline.decode.transport.direction import Direction


class Handshakes:
    """What ``detect`` asks where handshakes are reported."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.first = may_begin
        self.midway = begins

    def start(self, requests: Direction, responses: Direction) -> None:
        """Both directions are read from here on."""
        self._shared.held += 1
        handshake = Handshake(requests, responses, requests.connection, self._shared, self._report, Side(), Side())
        requests.protocol = Reader(True, handshake, Messages())
        responses.protocol = Reader(False, handshake, Messages())

    def _report(self, handshake: Handshake) -> None:
        self._shared.events.append(build(handshake))
