"""What both directions of a connection show of one handshake, and when it is over: the facts of an event to be.

==============  ===========================================================================================================
version         it has come to its end when
==============  ===========================================================================================================
up to TLS 1.2   both ends have changed to encryption and sent an encrypted message: Finished (RFC 5246, section 7.4.9)
TLS 1.3         the client has sent an encrypted record that is no early data: its Finished (RFC 8446, section 4.4.4)
==============  ===========================================================================================================

Application data stands for a Finished that the capture lost. An encrypted alert is known by its length in TLS 1.3, where its type
is hidden (RFC 8446, section 5.2): two bytes, the type and a tag of 16. What it says is not known.
"""

from collections.abc import Callable

from pipeline.decode.marks import GAP, MID_STREAM, PROTOCOL_ERROR, TRUNCATED
from pipeline.decode.position import UNKNOWN, At, Progress, ahead
from pipeline.decode.protocol import End
from pipeline.decode.shared import Shared
from pipeline.decode.tls import names
from pipeline.decode.tls.facts import Facts

FATAL = 2
ENCRYPTED_ALERT = "encrypted_alert"
NOT_TLS = "not_tls"
_ALERT_1_3 = 2 + 1 + 16


class Handshake(Facts, gc=False, eq=False, kw_only=True):
    """Of one connection. ``report`` is given it once, as soon as nothing more is to be learnt; it is ``over`` then."""

    requests: Progress
    responses: Progress
    shared: Shared
    report: Callable[["Handshake"], None]
    answer_seq: int = UNKNOWN
    one_sided: bool = False
    held: int = 0
    over: bool = False

    @property
    def unsure(self) -> bool:
        """Whether something was not captured that may have been its end."""
        return self.one_sided or bool(self.marks & (GAP | TRUNCATED))

    def holds(self, more: int) -> None:
        """So many bytes more of messages that are not complete, or fewer; none once it is over."""
        if not self.over:
            self.held += more
            self.shared.memory += more

    # -- what the readers find -------------------------------------------------------------------------------------------

    def speaks(self, at: At, seq: int, *, client: bool) -> None:
        """A record begins at ``seq``."""
        if client:
            self.begin_ns = self.begin_ns or at.ts_ns
        elif not self.answer_ns:
            self.answer_ns, self.answer_seq = at.ts_ns, seq

    def changes(self, *, client: bool) -> None:
        """ChangeCipherSpec; in TLS 1.3 it means nothing (RFC 8446, appendix D.4)."""
        if not self.is_1_3:
            self.side(client=client).changed = True

    def finishes(self, at: At, *, client: bool) -> None:
        """An encrypted handshake message."""
        side = self.side(client=client)
        side.finished_ns = side.finished_ns or at.ts_ns
        if self.client.finished_ns and self.server.finished_ns and not self.is_1_3:
            self.done(max(self.client.finished_ns, self.server.finished_ns), established=True)

    def encrypts(self, length: int, at: At, *, client: bool) -> None:
        """A record of application data begins; in TLS 1.3 it may hold anything."""
        if not self.is_1_3:
            self.finishes(at, client=client)
        elif length == _ALERT_1_3:
            self.alerts_encrypted(at, client=client)
        elif client and self.choice is not None and not self._is_early(at):
            self.done(at.ts_ns, established=True)

    def alerts(self, level: int, description: int, at: At, *, client: bool) -> None:
        """An alert in clear (RFC 8446, section 6)."""
        name = names.alert_name(description)
        if self.alert is None:
            self.alert, self.alert_by_client = name, client
        if level == FATAL:
            self.error = name
            self.done(at.ts_ns, established=False)

    def alerts_encrypted(self, at: At, *, client: bool) -> None:
        """An alert of which only its length is known. Where nothing is missing the handshake has failed."""
        missing = self.requests.incomplete or self.responses.incomplete or not self.begin_ns or not self.answer_ns
        if not (missing or self.unsure):
            self.error, self.alert_by_client = ENCRYPTED_ALERT, client
            self.done(at.ts_ns, established=False)

    def garbles(self, at: At, *, client: bool) -> None:
        """What comes is no record: of nothing that was ever TLS nothing is reported."""
        if self.offer is None and self.choice is None:
            self.shared.count("decoder_not_http", 1)
            self.leave()
            return
        self.marks |= PROTOCOL_ERROR
        if not client and self.choice is None:
            self.error = NOT_TLS
        self.done(at.ts_ns, established=False if self.error else None)

    def misses(self, *, on_purpose: bool) -> None:
        """Bytes are missing."""
        self.marks |= TRUNCATED if on_purpose else GAP

    def closes(self, why: End, *, client: bool) -> None:
        """A direction ends. The other one may go on, unless the whole connection is over."""
        self.side(client=client).ended = True
        if why is not End.FINISHED or (self.client.ended and self.server.ended):
            self.breaks_off(why)

    def breaks_off(self, why: End) -> None:
        """Nothing more comes, and it has not come to its end: that is known where both directions were seen whole."""
        if self.over:
            return
        unknown = not why.error or self.unsure or self.offer is None
        self.error = self.alert or (None if unknown else why.error)
        self.done(0, established=None if unknown else False)

    # -- when it is over -------------------------------------------------------------------------------------------------

    def done(self, end_ns: int, *, established: bool | None) -> None:
        """Report what is known, and let go of the connection."""
        if self.over:
            return
        self.established, self.end_ns = established, end_ns if established else 0
        if self.offer is None and self.choice is not None:
            self.marks |= MID_STREAM
        if self.offer is not None or self.choice is not None:
            self.report(self)
        self.leave()

    def leave(self) -> None:
        """Nothing of this connection is wanted any more."""
        if not self.over:
            self.over = True
            self.shared.held -= 1
            self.shared.memory -= self.held
            self.held = 0
            self.shared.over[self.requests] = None

    def _is_early(self, at: At) -> bool:
        """Whether a client's record is early data: it was sent before the server's answer had been received."""
        if self.offer is None or not self.offer.early_data or at.ack == UNKNOWN:
            return False
        return self.answer_seq == UNKNOWN or ahead(at.ack, self.answer_seq) <= 0
