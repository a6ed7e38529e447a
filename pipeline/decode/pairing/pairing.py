"""The pairing of one connection: messages in, exchanges out. It never guesses which response answers which request.

Responses come in the order of their requests (RFC 9112, section 9.3.2), so while nothing is lost the first response answers the
first request: the two are in sync. Where a gap may have swallowed a request or a response, and where a response comes while its
request may be late, both wait in ``Ambiguous`` until it is certain which belong together.

Readers tell what they find, and ask what the other direction shows. Pairing calls nobody. Where it turns out that a message is
over, though its reader cannot see that, it is reported and returned, and its reader lets go of it.
"""

from pipeline.decode.begun import begun
from pipeline.decode.marks import GAP, MID_STREAM, PROTOCOL_ERROR, SIZE_ESTIMATED, UNMATCHED_REQUEST, UNMATCHED_RESPONSE
from pipeline.decode.message import Framing, Message, Request, Response
from pipeline.decode.pairing.ambiguous import Ambiguous
from pipeline.decode.pairing.build import build
from pipeline.decode.pairing.gaps import Behaviour, MessageGap, Pair, possible
from pipeline.decode.pairing.multipath import subflow_marks
from pipeline.decode.pairing.waiting import Waiting
from pipeline.decode.position import MASK, UNKNOWN, Progress, ahead
from pipeline.decode.protocol import CLOSED

WAITING_BYTES = 700
"""What a request or a response costs while it waits, beside its own texts: its fields and what decode says of it."""
MAX_LATE = 1024
"""So many more may wait while segments of the other direction wait for one that is late: as many as these are at the most."""


class Pairing(Waiting, gc=False, eq=False):
    """Joins what waits with what comes."""

    # -- what the readers tell -------------------------------------------------------------------------------------------

    def requested(self, request: Request) -> Message | None:
        """A request begins: its head is complete."""
        shared = self.shared
        shared.held += 1
        if shared.in_progress:
            shared.events.append(begun(request, self.connection, shared))
        pending = self.pending
        if self.ambiguous is not None:
            return self._requested_while_ambiguous(self.ambiguous, request)
        if pending:
            return self._pipelined(pending, request)
        current = self.answering
        if current is not None and current.request is None and possible(request, current):
            current.request = request  # streams without acknowledgement numbers do not tell that a request is late
        else:
            pending.append(request)
        return None

    def uploaded(self, request: Request) -> None:
        """A request ends; its response may have been there before."""
        self.asking = None
        response = request.response
        if response is not None:
            request.response = None
            self._emit(request, response)
        elif self.responses.ended and not self.requests.incomplete:
            self.flush(CLOSED)

    def match(self, response: Response) -> Request | None:
        """The request that a final response answers, no longer pending; None where both are not in sync, or nothing waits."""
        pending = self.pending
        if not pending:
            return None
        request = pending[0]
        if request.ack == response.seq:
            return pending.pop(0)
        if not possible(request, response):
            return None
        if request.ack != UNKNOWN and self.last_informational != (request.ack, response.seq):
            # It was sent before all responses before this one had been received.
            self._pipelines(in_batch=request.ack == self.batch)
        return pending.pop(0)

    def defer(self, response: Response) -> Message | None:
        """A final response begins for which ``match`` found nothing: its request may only be late."""
        if self.ambiguous is None and not self.requests.awaits(response.ack):
            return None
        ambiguous = self._ambiguous(0)
        ambiguous.respond(response)
        self._hold(response, 0)
        self.shared.held += 1
        over = self._resolve(self._asked, response.seq)
        if self._full(len(ambiguous.responses), self.requests):
            return self._overflow() or over
        return over

    def informational(self, seq: int, end: int) -> None:
        """A 1xx response: the final one is still to come (RFC 9110, section 15.2)."""
        begin = seq if self.last_informational is None or self.last_informational[1] != seq else self.last_informational[0]
        self.last_informational = (begin, end)

    def answered(self, response: Response, end: int) -> Message | None:
        """A response ends, in front of sequence number ``end``; UNKNOWN where that is not certain."""
        self.answers += 1
        self.replied = response.ack
        self.answering = None
        request = response.request
        if request is None:
            # It is the latest, with a gap behind it at the most.
            if self.ambiguous is not None and any(each is response for each in self.ambiguous.responses[-2:]):
                response.done = True
                return self._resolve(self._asked, response.seq if end == UNKNOWN else end)
            self._emit(None, response)
            return None
        if self.pending and end != UNKNOWN:
            ack = self.pending[0].ack
            if ack != UNKNOWN and ahead(ack, end) < 0:
                # It was sent before this response had been received.
                self._pipelines(in_batch=ack == request.ack)
        if end == UNKNOWN or request.complete:
            self._emit(request, response)
            return None
        return self._join(request, response)

    def switched(self, *, tunnel: bool) -> None:
        """What follows is another protocol, or whatever comes in a tunnel."""
        self.answers, self.tunnel = int(tunnel), True

    def lost(self, seq: int, end: int, least: int, mark: int, *, client: bool) -> Message | None:
        """What a direction said from ``seq`` to ``end`` is missing or not understood: ``least`` messages began there, or more."""
        if self.last_informational is not None and not client:
            least = 0
        self._ambiguous(mark).gap(client=client, seq=seq, end=end, least=least)
        if client:
            return self._resolve(end, self._answered)
        # Of a client that pipelines the next response may say more.
        return self._resolve(self._asked, end if self.behaviour is Behaviour.WAITS else UNKNOWN)

    def passed(self, seq: int, upto: int, ack: int, *, client: bool) -> Message | None:
        """What a direction said from ``seq`` to ``upto``, having received all before ``ack``, was not a message that is known."""
        if self.ambiguous is not None:
            self.ambiguous.extend(client=client, end=upto)
        elif not client and (self.pending or self.requests.awaits(ack)):
            # A request that waits, or is late, may have got that.
            return self.lost(seq, upto, 0, PROTOCOL_ERROR, client=False)
        return None

    def garbage(self) -> None:
        """The client sent what is not a request: it belongs to the one before, if to any."""
        for request in self.waiting[-1:]:
            if isinstance(request, Request):
                request.marks |= PROTOCOL_ERROR

    def uncalled_for(self, ack: int, *, apart: bool) -> None:
        """The server, having received all before ``ack``, sent what is not a response; ``apart``: in a segment of its own.

        It is on the exchange that waits, if there is one; else on the one whose upload goes on, or on the next: see ``_emit``.
        """
        waiting, uploading = self.waiting, self.asking
        if self.tunnel or self.requests.awaits(ack):
            return
        if waiting:
            if len(waiting) == 1 and isinstance(waiting[0], Request):
                waiting[0].marks |= PROTOCOL_ERROR
        elif uploading is not None and uploading.response is not None:
            uploading.marks |= PROTOCOL_ERROR
        elif apart:
            self.connection.marks |= PROTOCOL_ERROR

    def opened_at(self, seq: int) -> None:
        """The connection began with the client's byte ``seq``: if the first request stands there, nothing was in front of it."""
        if not self.connection.exchanges and [request.seq for request in self.pending[:1]] == [seq]:
            self.connection.marks = 0

    def ended(self, error: str, *, client: bool) -> None:
        """One direction has ended."""
        if client:
            if self.responses.ended:
                self.flush(error)
        elif self.requests.ended or (not self.requests.incomplete and self.asking is None):
            # Else what the client sent may only be late in the capture, or it is still sending: it ends, too.
            self.flush(error)

    def overdue(self) -> None:
        """The requests that wait have waited for too long."""
        self.flush("timeout")

    # -- in sync ---------------------------------------------------------------------------------------------------------

    def _pipelined(self, pending: list[Request], request: Request) -> Message | None:
        """A request while others wait."""
        ack, before = request.ack, pending[-1].ack
        pending.append(request)
        self._hold(request, request.line.size)
        if ack == before:
            if ack != UNKNOWN:
                if self.behaviour is Behaviour.MAY_BATCH and ack != self.batch and len(pending) == 2:
                    self.behaviour = Behaviour.BATCHES  # all of the batch before was answered
                self.batch = ack
                self.behaviour = max(self.behaviour, Behaviour.MAY_BATCH)
                if self.rejoined == self.answers:
                    # It was not a client that waits: what was taken for the first of a batch may have been another of it.
                    self.rejoined, first = UNKNOWN, pending[0].seq
                    self._ambiguous(0 if self.connection.marks & MID_STREAM else GAP).begin(first)
        elif ahead(ack, self.responses.next_seq) <= 0:
            self.behaviour = Behaviour.WINDOW
        return self._overflow() if self._full(len(pending), self.responses) else None

    def _pipelines(self, *, in_batch: bool) -> None:
        """A request was sent before the one in front of it was answered."""
        self.behaviour = max(self.behaviour, Behaviour.MAY_BATCH if in_batch else Behaviour.WINDOW)

    def _full(self, count: int, other: Progress) -> bool:
        """Whether too many of one side wait; more may while segments of the other wait for one that is late."""
        allowed = self.shared.max_pending + (MAX_LATE if other.incomplete else 0)
        return count > allowed or self.shared.held > self.shared.max_held

    def _hold(self, message: Message, size: int) -> None:
        """It is one of many that may wait."""
        message.held = WAITING_BYTES + size + message.fields.size + len(message.head or b"")
        self.shared.memory += message.held

    def _overflow(self) -> Message | None:
        """Too many wait: they are reported as they are, and what comes is ambiguous."""
        self.shared.count("decoder_pipeline_overflow", sum(isinstance(each, Request) for each in self.waiting))
        over = self._report(self._ambiguous(0).end(closed=False), 0)
        asked, answered = self.requests.next_seq, self.responses.next_seq
        self.ambiguous = Ambiguous(self.behaviour)
        self.ambiguous.gap(client=True, seq=asked, end=asked, least=0)
        self.ambiguous.gap(client=False, seq=answered, end=answered, least=0)
        return over

    # -- while it is ambiguous -------------------------------------------------------------------------------------------

    def _ambiguous(self, mark: int) -> Ambiguous:
        """The two are not in sync, or no longer."""
        ambiguous = self.ambiguous
        if ambiguous is None:
            ambiguous = self.ambiguous = Ambiguous(self.behaviour)
            ambiguous.requests.extend(self.pending)
            self.pending.clear()
        ambiguous.marks |= mark
        return ambiguous

    def _requested_while_ambiguous(self, ambiguous: Ambiguous, request: Request) -> Message | None:
        if request.ack == UNKNOWN:
            request.ack = self.responses.next_seq
        before = ambiguous.requests[-1] if ambiguous.requests else None
        if before is not None and before.ack == request.ack:
            ambiguous.behaviour = max(ambiguous.behaviour, Behaviour.MAY_BATCH)
        ambiguous.requests.append(request)
        self._hold(request, request.line.size)
        over = self._resolve(request.seq + request.size & MASK, self._answered)
        if self._full(len(self.waiting), self.responses):
            return self._overflow() or over
        return over

    @property
    def _asked(self) -> int:
        """Up to where all requests have been read; a FIN takes a number, too."""
        asked = self.requests.next_seq
        return asked if asked == UNKNOWN else asked + self.requests.ended & MASK

    @property
    def _answered(self) -> int:
        """Up to where all responses have been read. A body without a known end may hold others."""
        current = self.answering
        if current is None:
            return self.responses.next_seq
        lost_place = current.framing is Framing.DESYNCHRONISED and not current.marks & GAP
        return current.seq if lost_place or current.framing is Framing.UNTIL_CLOSE else self.responses.next_seq

    def review(self) -> Message | None:
        """Look at what has become certain, as both directions have been read as far as they came."""
        return self._resolve(self._asked, self._answered)

    def _resolve(self, asked: int, answered: int) -> Message | None:
        """The same, where they have been read up to ``asked`` and ``answered``."""
        ambiguous = self.ambiguous
        if ambiguous is None:
            return None
        gaps = bool(ambiguous.requests) and isinstance(ambiguous.requests[0], MessageGap)
        pairs = ambiguous.resolve(asked, answered)
        self.behaviour = ambiguous.behaviour
        if ambiguous.over:
            self.ambiguous = None
            self.pending.extend(each for each in ambiguous.requests if isinstance(each, Request))
            self.rejoined = self.answers if gaps else UNKNOWN
        return self._report(pairs, ambiguous.marks) if pairs else None

    def _report(self, pairs: list[Pair], mark: int) -> Message | None:
        """Report what belongs together, and what belongs to nothing; what is not whole yet when it is.

        A response to HEAD has no body, whatever its head announces (RFC 9110, section 9.3.2). At most one message turns out to
        be over: the latest of its direction.
        """
        over: Message | None = None
        for request, response in pairs:
            if response is None:
                if request is not None:
                    self._unmatched(request, None, mark)
                continue
            self.shared.held -= 1
            if request is None:
                response.why = mark
                if response.done:
                    self._emit(None, response)
                continue
            response.request = request
            if response.done:
                over = self._join(request, response) or over
            elif request.line.method == "HEAD" and response is self.answering and not response.body_size:
                over = response
                self.answered(response, response.seq + response.size & MASK)
        return over

    def flush(self, error: str) -> None:
        """No response will come any more."""
        ambiguous, self.ambiguous = self.ambiguous, None
        if ambiguous is not None:
            pairs = ambiguous.end(closed=error == CLOSED)
            for request, response in pairs:
                if request is not None and response is None:
                    request.error = error or request.error
            self._report(pairs, ambiguous.marks)
        pending, self.pending = self.pending, []
        for request in pending:
            self._unmatched(request, error, 0)

    # -- what comes out --------------------------------------------------------------------------------------------------

    def _unmatched(self, request: Request, error: str | None, mark: int) -> None:
        request.marks |= mark
        request.error = error or request.error
        self._emit(request, None)

    def _join(self, request: Request, response: Response) -> Request | None:
        """A response is whole: so is the exchange, or it waits for the rest of its upload.

        Everything that came of the request is there: where its framing was lost, this is its end.
        """
        if request.complete or response.error is not None or self.requests.ended:
            self._emit(request, response)
            return None
        if request.framing is not Framing.DESYNCHRONISED:
            request.response = response
            return None
        self.passed(request.seq, request.seq + request.size & MASK, request.ack, client=True)
        request.complete, self.asking = True, None
        self._emit(request, response)
        return request

    def _emit(self, request: Request | None, response: Response | None) -> None:
        shared, connection = self.shared, self.connection
        marks = connection.marks
        if response is not None and response.held:
            shared.memory -= response.held
        if request is None:
            marks |= UNMATCHED_RESPONSE | (response.why if response is not None else 0)
        else:
            shared.held -= 1
            shared.memory -= request.held
            if response is None:
                marks |= UNMATCHED_REQUEST
                if not request.complete:  # given up while it was being sent: more may come, and nobody will count it
                    marks |= SIZE_ESTIMATED
        if connection.multipath:
            marks = subflow_marks(request, response, marks)
            for message in (request, response):
                if message is not None:
                    message.marks = 0  # all are in these
        shared.events.append(build(request, response, connection, marks, shared))
        connection.exchanges += 1
        if connection.marks:
            # What a server sent between two exchanges is marked on the second: the first is out by then.
            connection.marks = connection.marks & ~PROTOCOL_ERROR if self.waiting or response is None else 0
