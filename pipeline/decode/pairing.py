"""Which response answers which request: the conversation on one connection. Messages in, exchanges out; it never guesses.

Responses come in the order of their requests (RFC 9112, section 9.3.2), so while nothing is lost the first response answers the
first request. What makes it right under loss is TCP's own bookkeeping. A request carries, as its acknowledgement number, how much
the client had received when it was sent; a response, how much the server had. So

* a response never answers a request whose sender had already received a part of that response;
* a response never answers a request that its sender had not received;
* where the client waits for each response before it sends the next request, a response begins exactly at the acknowledgement
  number of its request: that pairs them again behind a hole, whatever was in it.

Where a hole leaves more than one possibility, both halves are reported unmatched and marked.
"""

import msgspec

from pipeline.decode.bodies import ADRIFT, HEAD, OTHER
from pipeline.decode.build import build
from pipeline.decode.http1 import Reader
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, UNMATCHED_REQUEST, UNMATCHED_RESPONSE
from pipeline.decode.message import NO_FIELDS, UNKNOWN, Request, Response, Shared
from pipeline.decode.startline import NO_REQUEST_LINE
from pipeline.decode.tcp import HALF, MASK, Stream, ahead
from pipeline.model.connection import Connection

LOST = Request(NO_FIELDS, 0, 0, UNKNOWN, UNKNOWN, 0)
LOST_AND_ANSWERED = Request(NO_FIELDS, 0, 0, UNKNOWN, UNKNOWN, 0)
"""What stands in the queue for an unknown number of requests that the capture lost; whether responses to them may have come."""


class Conversation(msgspec.Struct, gc=False, eq=False):
    """Both directions of one connection and what waits for the other half. Why ``gc=False``: see ``Stream``."""

    client: Reader
    server: Reader
    shared: Shared
    last_ns: int
    marks: int = 0
    due: int = 0
    generation: int = 0
    answers: int = 0
    sequence: int = 0
    closed: bool = False
    connection: Connection | None = None
    pending: list[Request] = []  # a list of its own for each: msgspec copies it
    _orphans: list[Response] | None = None
    _doubt: bool = False  # there is a hole among the responses that came before their requests
    _pipelined: bool = False
    _sync: bool = True  # the next response answers the oldest request
    _gap: bool = False  # something was lost since the two were last in step
    _holes: int = 0  # in the responses since then: each swallowed one of them, or more

    # -- what the readers tell -------------------------------------------------------------------------------------------

    def requested(self, request: Request) -> None:
        """A request begins: its head is complete."""
        pending = self.pending
        if (self._orphans or self.server.message is not None) and self._late(request):
            return
        if not pending:
            self.shared.held += 1
            pending.append(request)
            return
        self.shared.held += 1
        if pending[-1].ack == request.ack != UNKNOWN:
            self._pipelined = True
        pending.append(request)
        if len(pending) > self.shared.max_pending or self.shared.held > self.shared.max_held:
            self.shared.count("decoder_pipeline_overflow", 1)
            self._unmatched(pending.pop(0), None, 0)
            self._sync = False

    def uploaded(self, request: Request) -> None:
        """A request ends; its response may have been there before."""
        response = request.response
        if response is not None:
            request.response = None
            self._emit(request, response)

    def match(self, response: Response) -> Request | None:
        """The request that a final response answers, no longer pending; None where there is none or no certainty."""
        pending = self.pending
        if not pending and self.client.phase == HEAD:
            self.client.interrupt()
        if pending and self._sync:
            request = pending[0]
            if request.ack == response.seq:
                return pending.pop(0)
            if request is not LOST and request is not LOST_AND_ANSWERED:
                return pending.pop(0) if self._possible(request, response) else None
        return self._match_behind_hole(response) if pending else None

    def answered(self, response: Response, end: int) -> None:
        """A response ends, in front of sequence number ``end``."""
        self.answers += 1
        request = response.request
        if self.pending and end != UNKNOWN:
            ack = self.pending[0].ack
            if ack != UNKNOWN and ahead(ack, end) < 0 and (request is not None or ahead(ack, response.seq) > 0):
                self._pipelined = True  # it was sent before this response had been received
        if request is None:
            self._unrequested(response)
            return
        if request.complete or response.error is not None or end == UNKNOWN or self.client.ended:
            self._emit(request, response)
        else:
            request.response = response
            self.client.finish_upload()

    def switched(self, status: int) -> None:
        """The connection is no longer HTTP (101), or a tunnel in which anything may follow, HTTP included (CONNECT)."""
        if status == 101:
            self.client.phase = self.server.phase = OTHER
            self.client.message = self.server.message = None
        self.answers = 0 if status == 101 else 1

    def lost(self, *, client: bool, whole: bool = True) -> None:
        """Behind a hole in one direction: an unknown number of messages is missing; one at least where a ``whole`` one may be."""
        self._gap = True
        if client:
            answered = not whole
            # What the server sent when it had received no more than what is lost answers that.
            while self._orphans and not self.client.missing_before(self._orphans[0].ack):
                self._release_orphan(GAP)
                answered = True
            if self.pending and self.pending[-1].seq == UNKNOWN:
                self.pending.pop()
            self.pending.append(LOST_AND_ANSWERED if answered else LOST)
            return
        self._sync = False
        self._doubt = bool(self._orphans)
        self._holes += whole
        self._answer_lost()
        if not self._pipelined:
            self._retire()

    def cruft(self) -> None:
        """The client sent what is no request: it belongs to the one before, if to any."""
        if self.pending and self.pending[-1].seq != UNKNOWN:
            self.pending[-1].marks |= PROTOCOL_ERROR

    def answers_simply(self) -> bool:
        """Whether bytes that are no response can be one of HTTP/0.9: the first ones on a connection with a request."""
        if not self.pending and self.client.phase == HEAD:
            self.client.interrupt()
        return bool(self.pending) and self._sync and not self.answers and not self.marks

    def expects(self, seq: int) -> bool:
        """Whether the client, having received everything before ``seq``, has sent another request."""
        return bool(self.pending) and self.pending[0].ack == seq

    def boundary(self, seq: int, pos: int, size: int) -> int:
        """Where in ``size`` bytes at ``seq`` a response begins, by the acknowledgement number of a request; else ``size``."""
        for request in self.pending:
            place = request.ack - seq & MASK
            if request.ack != UNKNOWN and pos <= place < size:
                return place
        return size

    def ended(self, reader: Stream, error: str) -> None:
        """One direction has ended."""
        if reader is self.client:
            if self.server.ended:
                self._flush(error)
        elif self.client.ended or self.client.disorder is None:
            # Else what the client sent may only be late in the capture: it ends, too, when that is settled.
            self._flush(error)
        if reader.other.closing:
            reader.other.surrender(self.last_ns)
        self.closed = self.client.ended and self.server.ended

    # -- how they are paired ---------------------------------------------------------------------------------------------

    @staticmethod
    def _possible(request: Request, response: Response) -> bool:
        """Whether by causality the response may answer the request."""
        if request.ack == UNKNOWN:
            return True
        if (response.seq - request.ack & MASK) >= HALF:
            return False
        return response.ack == UNKNOWN or (response.ack - request.seq - 1 & MASK) < HALF

    def _fits(self, request: Request, response: Response) -> bool:
        """Whether a response that came before its request, or is under way, certainly answers this one."""
        if request.ack == response.seq and not self._pipelined:
            return not (self.pending and self.pending[0] is LOST)
        return self._sync and not self.pending and not self._doubt and self._possible(request, response)

    def _in_step(self) -> None:
        self._doubt = self._doubt and bool(self._orphans)
        # A response whose framing was lost may have swallowed the next ones.
        self._sync, self._gap, self._holes = not self._doubt and self.server.phase != ADRIFT, self._doubt, 0

    def _match_behind_hole(self, response: Response) -> Request | None:
        pending = self.pending
        if not self._pipelined:
            for place, request in enumerate(pending):
                if request is LOST:
                    break  # the response may answer one of those
                if request.ack == response.seq:
                    self._abandon(place)
                    self._in_step()
                    return pending.pop(0)
        request = pending[0]
        known = len(pending) == 1 and request.seq != UNKNOWN and not self.client.missing_before(response.ack)
        if known and self._possible(request, response):
            # Every request that the server had is known, and this one alone is not answered.
            self._in_step()
            return pending.pop(0)
        if self._gap:
            response.marks |= GAP
        if self._pipelined:
            self._count_down()
        return None

    def _count_down(self) -> None:
        """A response answers the oldest request or a later one: what is pending stays bounded by what is outstanding.

        Each hole has swallowed a response at least, and no more responses come than requests were sent: so when as many requests
        are left as there were holes, all of them have been answered.
        """
        if any(request.seq == UNKNOWN for request in self.pending):
            return
        self._abandon(1)
        if len(self.pending) <= self._holes:
            self._abandon(len(self.pending))
            self._in_step()

    def _answer_lost(self) -> None:
        """A response, or a hole that may have been one, where lost requests are the oldest."""
        if self.pending and self.pending[0] is LOST:
            self.pending[0] = LOST_AND_ANSWERED

    def _abandon(self, count: int) -> None:
        for _ in range(min(count, len(self.pending))):
            self._unmatched(self.pending.pop(0), None, GAP)

    def _retire(self) -> None:
        """Requests behind which the client has received more and sent another will not be answered any more."""
        pending, reached = self.pending, self.server.next_seq
        count = 0
        for place in range(1, len(pending)):
            ack = pending[place].ack
            if (
                ack == UNKNOWN
                or pending[place - 1].ack == UNKNOWN
                or ahead(ack, reached) > 0
                or ahead(ack, pending[place - 1].ack) <= 0
            ):
                break
            count = place
        self._abandon(count)

    def _unrequested(self, response: Response) -> None:
        """A response without a request: hold it while bytes of the client are missing, for they may only be late."""
        if response.error is None and self.client.missing_before(response.ack):
            if self._orphans is None:
                self._orphans = []
            self._orphans.append(response)
            self.shared.held += 1
            if len(self._orphans) > self.shared.max_pending:
                self._release_orphan(GAP)
        else:
            self._emit(None, response)
            if self.pending and self.pending[0].seq != UNKNOWN:
                self._sync = False
            self._answer_lost()

    def _late(self, request: Request) -> bool:
        """A late request: its response may be there already, or be under way."""
        while self._orphans:
            response = self._orphans[0]
            if self._fits(request, response) and self._possible(request, response):
                self._orphans.pop(0)
                self.shared.held -= 1
                self._claim(request, response)
                if request.complete:
                    self._emit(request, response)
                else:
                    request.response = response
                return True
            if request.ack == UNKNOWN or (response.seq - request.ack & MASK) < HALF:
                return False  # it answers this request, one that is still missing, or a later one: nobody knows
            self._release_orphan(GAP)  # this request was sent later
        current = self.server.message
        if isinstance(current, Response) and current.request is None and self._fits(request, current):
            self._claim(request, current)
            return True
        return False

    def _claim(self, request: Request, response: Response) -> None:
        self._abandon(len(self.pending))
        self._in_step()
        self.shared.held += 1
        response.request = request

    def _release_orphan(self, mark: int) -> None:
        if self._orphans:
            response = self._orphans.pop(0)
            self.shared.held -= 1
            response.marks |= mark
            self._emit(None, response)
            self._answer_lost()

    def _flush(self, error: str) -> None:
        """No response will come any more."""
        while self._orphans:
            self._release_orphan(GAP)
        for request in self.pending:
            self._unmatched(request, error, GAP if self._gap else 0)
        self.pending.clear()

    def overdue(self) -> None:
        """The requests that wait have waited for too long."""
        pending, self.pending = self.pending, []
        for request in pending:
            self._unmatched(request, "timeout", GAP if self._gap else 0)

    # -- what comes out --------------------------------------------------------------------------------------------------

    def _unmatched(self, request: Request, error: str | None, mark: int) -> None:
        if request.seq == UNKNOWN and request.line is NO_REQUEST_LINE:
            return  # LOST: nothing is known of it
        request.marks |= mark
        request.error = error or request.error
        self._emit(request, None)

    def _emit(self, request: Request | None, response: Response | None) -> None:
        shared = self.shared
        connection = self.connection
        if connection is None:
            connection = self.connection = Connection.from_client_key(self.client.key, self.generation)
        marks = self.marks
        if request is None:
            marks |= UNMATCHED_RESPONSE
        else:
            shared.held -= 1
            if response is None:
                marks |= UNMATCHED_REQUEST
        shared.events.append(build(request, response, connection, self.sequence, marks, shared))
        self.sequence += 1
        if self.marks and not self.pending and response is not None:
            self.marks = 0
