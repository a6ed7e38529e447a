"""The handshakes of one decoder: which bytes begin one, who reads them, and what becomes of one that is over."""

from pipeline.decode.position import Progress
from pipeline.decode.shared import Shared
from pipeline.decode.tls.build import QUIC, build
from pipeline.decode.tls.facts import Side
from pipeline.decode.tls.handshake import Handshake
from pipeline.decode.tls.messages import Messages
from pipeline.decode.tls.quic.connections import QuicConnections
from pipeline.decode.tls.reader import Reader
from pipeline.decode.tls.recognition import begins, may_begin
from pipeline.model.connection import Connection


class Handshakes:
    """What ``detect`` asks where handshakes are reported."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.first = may_begin
        self.midway = begins
        self.quic = QuicConnections(shared, lambda facts: shared.events.append(build(facts, shared, QUIC)))

    def readers(self, requests: Progress, responses: Progress, connection: Connection) -> tuple[Reader, Reader]:
        """Those of a client and of its server."""
        self._shared.held += 1
        handshake = Handshake(
            connection, Side(), Side(), requests=requests, responses=responses, shared=self._shared, report=self._report
        )
        return Reader(True, handshake, Messages()), Reader(False, handshake, Messages())

    def _report(self, handshake: Handshake) -> None:
        self._shared.events.append(build(handshake, self._shared))
