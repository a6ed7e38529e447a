"""The conversation on one connection: messages in, exchanges out. It never guesses which response answers which request.

Responses come in the order of their requests (RFC 9112, section 9.3.2), so while nothing is lost the first response answers the
first request. Where a hole may have swallowed a request or a response, and where a response comes while its request may be late,
both wait in a ``Doubt`` until it is certain which belong together.
"""

from collections.abc import Iterator
from itertools import islice

import msgspec

from pipeline.decode.http1.bodies import ADRIFT, CLOSE, CLOSED, HEAD, OTHER, SEEK
from pipeline.decode.http1.reader import Reader
from pipeline.decode.http1.recognition import begins_request
from pipeline.decode.marks import GAP, MID_STREAM, PROTOCOL_ERROR, SIZE_ESTIMATED, UNMATCHED_REQUEST, UNMATCHED_RESPONSE
from pipeline.decode.message import UNKNOWN, Message, Request, Response, Shared
from pipeline.decode.pairing.ambiguous import Doubt
from pipeline.decode.pairing.build import build
from pipeline.decode.pairing.gaps import Habit, Hole, Pair, possible
from pipeline.decode.pairing.multipath import subflow_marks
from pipeline.decode.transport.tcp import MASK, MAX_WAITING_SEGMENTS, Stream, ahead
from pipeline.model.connection import Connection
from pipeline.model.records import Segment

WAITING_BYTES = 700
"""What a request or a response weighs while it waits, beside its own texts: its fields and what decode says of it."""
MAX_LATE = 16
"""Segments behind a hole that are looked at: more than a client that waits for each response sends meanwhile."""


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
    replied: int = UNKNOWN  # what the server had received when it sent its latest response
    sequence: int = 0
    closed: bool = False
    tunnel: bool = False  # what follows may be anything
    multipath: bool = False  # one of the subflows of MPTCP: what is missing may have gone another way
    interims: tuple[int, int] | None = None  # from where to where the server last said 1xx, which answers nothing
    connection: Connection | None = None
    pending: list[Request] = []  # in step: what waits for its response. A list of its own for each: msgspec copies it
    doubt: Doubt | None = None
    _habit: Habit = Habit.WAITS
    _batch: int = UNKNOWN  # the acknowledgement number that the requests of a batch share
    rejoined: int = UNKNOWN  # how many answers there had been when the two came in step behind requests that were not seen

    # -- what the readers tell -------------------------------------------------------------------------------------------

    def requested(self, request: Request) -> None:
        """A request begins: its head is complete."""
        self.shared.held += 1
        pending = self.pending
        if self.doubt is not None:
            self._requested_in_doubt(self.doubt, request)
        elif pending:
            self._pipelined(pending, request)
        else:
            current = self.server.message
            if isinstance(current, Response) and current.request is None and possible(request, current):
                current.request = request  # streams without acknowledgement numbers do not tell that a request is late
            else:
                pending.append(request)

    def uploaded(self, request: Request) -> None:
        """A request ends; its response may have been there before."""
        response = request.response
        if response is not None:
            request.response = None
            self._emit(request, response)
        elif self.server.ended and self.client.disorder is None:
            self._flush(CLOSED)

    def match(self, response: Response) -> Request | None:
        """The request that a final response answers, no longer pending; None where there is none or no certainty."""
        pending = self.pending
        if pending:
            request = pending[0]
            if request.ack == response.seq:
                return pending.pop(0)
            if not possible(request, response):
                return None
            if request.ack != UNKNOWN and self.interims != (request.ack, response.seq):
                # It was sent before all responses before this one had been received.
                self._pipelines(in_batch=request.ack == self._batch)
            return pending.pop(0)
        return self._match_in_doubt(response)

    def interim(self, seq: int, end: int) -> None:
        """A 1xx response: the final one is still to come (RFC 9110, section 15.2)."""
        begin = seq if self.interims is None or self.interims[1] != seq else self.interims[0]
        self.interims = (begin, end)

    def answered(self, response: Response, end: int) -> None:
        """A response ends, in front of sequence number ``end``."""
        self.answers += 1
        self.replied = response.ack
        request = response.request
        if request is None:
            # It is the latest, with a hole behind it at the most.
            if self.doubt is not None and any(each is response for each in self.doubt.responses[-2:]):
                response.done = True
                self._settle(self._asked, response.seq if end == UNKNOWN else end)
            else:
                self._emit(None, response)
            return
        if self.pending and end != UNKNOWN:
            ack = self.pending[0].ack
            if ack != UNKNOWN and ahead(ack, end) < 0:
                # It was sent before this response had been received.
                self._pipelines(in_batch=ack == request.ack)
        if end == UNKNOWN:
            self._emit(request, response)
        else:
            self._join(request, response)

    def switched(self, status: int) -> None:
        """The connection is no longer HTTP (101), or a tunnel in which anything may follow, HTTP included (CONNECT)."""
        if status == 101:
            self.client.phase = self.server.phase = OTHER
            self.client.message = self.server.message = None
        self.answers = 0 if status == 101 else 1
        self.tunnel = True

    def lost(self, reader: Stream, seq: int, end: int, least: int, mark: int = GAP) -> None:
        """What a direction said from ``seq`` to ``end`` is missing or not understood: ``least`` messages began there, or more."""
        if self.interims is not None and not reader.client:
            least = 0
        self._doubt(mark).hole(client=reader.client, seq=seq, end=end, least=least)
        if reader.client:
            self._settle(end, self._answered)
        else:
            # Of a client that pipelines the next response may say more.
            self._settle(self._asked, end if self._habit is Habit.WAITS else UNKNOWN)

    def passed(self, reader: Stream, seq: int, upto: int, ack: int) -> None:
        """What a direction said from ``seq`` to ``upto``, having received all before ``ack``, was no message that is known."""
        if self.doubt is not None:
            self.doubt.extend(client=reader.client, end=upto)
        elif not reader.client and (self.pending or self.client.awaits(ack)):
            self.lost(reader, seq, upto, 0, PROTOCOL_ERROR)  # a request that waits, or is late, may have got that

    def cruft(self) -> None:
        """The client sent what is no request: it belongs to the one before, if to any."""
        for request in self.waiting[-1:]:
            if isinstance(request, Request):
                request.marks |= PROTOCOL_ERROR

    def uncalled_for(self, ack: int, *, apart: bool) -> None:
        """The server, having received all before ``ack``, sent what is no response; ``apart``: in a segment of its own.

        It is on the exchange that waits, if there is one; else on the one whose upload goes on, or on the next: see ``_emit``.
        """
        waiting, uploading = self.waiting, self.client.message
        if self.tunnel or self.client.awaits(ack):
            return
        if waiting:
            if len(waiting) == 1 and isinstance(waiting[0], Request):
                waiting[0].marks |= PROTOCOL_ERROR
        elif isinstance(uploading, Request) and uploading.response is not None:
            uploading.marks |= PROTOCOL_ERROR
        elif apart:
            self.marks |= PROTOCOL_ERROR

    @property
    def waiting(self) -> "list[Request] | list[Request | Hole]":
        """Requests that wait for their responses, holes among them."""
        return self.pending if self.doubt is None else self.doubt.requests

    def answers_simply(self) -> bool:
        """Whether bytes that are no response can be one of HTTP/0.9: the first ones on a connection with a request."""
        if not self.waiting and self.client.phase == HEAD and self.client.disorder is None:
            self.client.interrupt()
        return bool(self.pending) and not (self.answers or self.marks or self.interims)

    def asks_head(self, response: Response) -> bool:
        """Whether the request of a response that is not known yet must be a HEAD: its client waited for all before."""
        if self._habit is not Habit.WAITS:
            return False
        seq = response.seq
        heads = {request.line.method == "HEAD" for request in self.waiting if isinstance(request, Request) and request.ack == seq}
        heads |= {late.payload.startswith(b"HEAD ") for late in self._late() if late.ack == seq}
        return heads == {True}

    def _late(self) -> Iterator[Segment]:
        """The first of what the client said behind bytes that are missing, and that cannot be read yet."""
        if self.client.disorder is not None:
            yield from (late for _, late in islice(self.client.disorder.segments, MAX_LATE) if late.payload)

    def _acknowledged(self, seq: int) -> Iterator[int]:
        """Up to where the client had received the answers when it sent the requests that wait, or that seem to be late.

        The latest first, as far as they do not lie before ``seq``: thousands may wait that do.
        """
        yield from (late.ack for late in self._late() if begins_request(late.payload))
        for request in reversed(self.waiting):
            if request.ack != UNKNOWN:
                if ahead(request.ack, seq) < 0:
                    return
                yield request.ack

    def expects(self, seq: int) -> bool:
        """Whether the client, having received everything before ``seq``, has sent another request."""
        return seq in self._acknowledged(seq)

    def turn(self, seq: int) -> bool:
        """Whether the response to a request that waits must begin at ``seq``, as its client has the one before."""
        if self._habit is Habit.WAITS:
            return self.expects(seq)
        return self.server.phase == SEEK and bool(self.pending) and self.pending[0].ack == seq

    def asks(self, seq: int) -> bool:
        """Whether the next request must begin at ``seq``, as its server has answered everything before."""
        return self._habit is Habit.WAITS and self.replied == seq and not self.waiting

    def boundaries(self, seq: int, pos: int, size: int) -> list[int]:
        """Where in ``size`` bytes at ``seq``, not before ``pos``, responses may begin: what waiting requests acknowledge."""
        begin = seq + pos & MASK
        return sorted({pos + ahead(ack, begin) for ack in self._acknowledged(begin) if 0 <= ahead(ack, begin) < size - pos})

    def ended(self, reader: Stream, error: str) -> None:
        """One direction has ended."""
        if reader is self.client:
            if self.server.ended:
                self._flush(error)
        elif self.client.ended or (self.client.disorder is None and self.client.message is None):
            # Else what the client sent may only be late in the capture, or it is still sending: it ends, too.
            self._flush(error)
        if reader.other.closing:
            reader.other.surrender(self.last_ns)
        self.closed = self.client.ended and self.server.ended

    def overdue(self) -> None:
        """The requests that wait have waited for too long."""
        self._flush("timeout")

    @property
    def held_bytes(self) -> int:
        """Bytes held for it: segments that wait for others, heads that are not whole, bodies."""
        held = 0
        for reader in (self.client, self.server):
            held += reader.disorder.bytes if reader.disorder is not None else 0
            held += len(reader.partial.data) if reader.partial is not None else 0
        asking, answering = self.client.message, self.server.message
        messages = [asking, answering, *self.waiting, *(self.doubt.responses if self.doubt is not None else ())]
        if isinstance(asking, Request):
            messages.append(asking.response)
        return held + sum(each.held_bytes for each in {id(each): each for each in messages}.values() if isinstance(each, Message))

    # -- in step ---------------------------------------------------------------------------------------------------------

    def _pipelined(self, pending: list[Request], request: Request) -> None:
        """A request while others wait."""
        ack, before = request.ack, pending[-1].ack
        pending.append(request)
        self._hold(request, request.line.weight)
        if ack == before:
            if ack != UNKNOWN:
                if self._habit is Habit.MAY_BATCH and ack != self._batch and len(pending) == 2:
                    self._habit = Habit.BATCHES  # all of the batch before was answered
                self._batch = ack
                self._habit = max(self._habit, Habit.MAY_BATCH)
                if self.rejoined == self.answers:
                    # It was no client that waits: what was taken for the first of a batch may have been another of it.
                    self.rejoined, first = UNKNOWN, pending[0].seq
                    self._doubt(0 if self.marks & MID_STREAM else GAP).begin(first)
        elif ahead(ack, self.server.next_seq) <= 0:
            self._habit = Habit.WINDOW
        if self._full(len(pending), self.server):
            self._overflow()

    def _pipelines(self, *, in_batch: bool) -> None:
        """A request was sent before the one in front of it was answered."""
        self._habit = max(self._habit, Habit.MAY_BATCH if in_batch else Habit.WINDOW)

    def _full(self, count: int, other: Stream) -> bool:
        """Whether too many of one side wait; more may while segments of the other wait for one that is late."""
        allowed = self.shared.max_pending + (MAX_WAITING_SEGMENTS if other.disorder is not None else 0)
        return count > allowed or self.shared.held > self.shared.max_held

    def _hold(self, message: Message, weight: int) -> None:
        """It is one of many that may wait."""
        message.held = WAITING_BYTES + weight + message.fields.weight + len(message.head or b"")
        self.shared.memory += message.held

    def _overflow(self) -> None:
        """Too many wait: they are reported as they are, and what comes is in doubt."""
        self.shared.count("decoder_pipeline_overflow", sum(isinstance(each, Request) for each in self.waiting))
        self._settled(self._doubt(0).end(closed=False), 0)
        asked, answered = self.client.next_seq, self.server.next_seq
        self.doubt = Doubt(self._habit)
        self.doubt.hole(client=True, seq=asked, end=asked, least=0)
        self.doubt.hole(client=False, seq=answered, end=answered, least=0)

    # -- in doubt --------------------------------------------------------------------------------------------------------

    def _doubt(self, mark: int) -> Doubt:
        """The two are not in step, or no longer."""
        doubt = self.doubt
        if doubt is None:
            doubt = self.doubt = Doubt(self._habit)
            doubt.requests.extend(self.pending)
            self.pending.clear()
        doubt.marks |= mark
        return doubt

    def _requested_in_doubt(self, doubt: Doubt, request: Request) -> None:
        if request.ack == UNKNOWN:
            request.ack = self.server.next_seq
        before = doubt.requests[-1] if doubt.requests else None
        if before is not None and before.ack == request.ack:
            doubt.habit = max(doubt.habit, Habit.MAY_BATCH)
        doubt.requests.append(request)
        self._hold(request, request.line.weight)
        self._settle(request.seq + request.size & MASK, self._answered)
        if self._full(len(self.waiting), self.server):
            self._overflow()

    def _match_in_doubt(self, response: Response) -> Request | None:
        if self.client.phase == HEAD and not self.waiting and self.client.disorder is None:
            self.client.interrupt()
            if self.pending:
                return self.match(response)
        if self.doubt is None and not self.client.awaits(response.ack):
            return None
        doubt = self._doubt(0)  # its request may only be late
        doubt.respond(response)
        self._hold(response, 0)
        self.shared.held += 1
        self._settle(self._asked, response.seq)
        if self._full(len(doubt.responses), self.client):
            self._overflow()
        return response.request

    @property
    def _asked(self) -> int:
        """Up to where all requests have been read; a FIN takes a number, too."""
        return self.client.next_seq if self.client.next_seq == UNKNOWN else self.client.next_seq + self.client.ended & MASK

    @property
    def _answered(self) -> int:
        """Up to where all responses have been read. A body without a known end may hold others."""
        server, message = self.server, self.server.message
        endless = server.phase == CLOSE or (server.phase == ADRIFT and message is not None and not message.marks & GAP)
        return message.seq if endless and message is not None else server.next_seq

    def review(self) -> None:
        """Look at what has become certain, as both directions have been read as far as they came."""
        self._settle(self._asked, self._answered)

    def _settle(self, asked: int, answered: int) -> None:
        """The same, where they have been read up to ``asked`` and ``answered``."""
        doubt = self.doubt
        if doubt is None:
            return
        holes = bool(doubt.requests) and isinstance(doubt.requests[0], Hole)
        pairs = doubt.settle(asked, answered)
        self._habit = doubt.habit
        if doubt.over:
            self.doubt = None
            self.pending.extend(each for each in doubt.requests if isinstance(each, Request))
            self.rejoined = self.answers if holes else UNKNOWN
        self._settled(pairs, doubt.marks)

    def _settled(self, pairs: list[Pair], mark: int) -> None:
        """Report what belongs together, and what belongs to nothing; what is not whole yet when it is."""
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
            if request.line.method == "HEAD" and not response.done:
                self.server.bodiless(response)
            elif response.done:
                self._join(request, response)

    def _flush(self, error: str) -> None:
        """No response will come any more."""
        doubt, self.doubt = self.doubt, None
        if doubt is not None:
            pairs = doubt.end(closed=error == CLOSED)
            for request, response in pairs:
                if request is not None and response is None:
                    request.error = error or request.error
            self._settled(pairs, doubt.marks)
        pending, self.pending = self.pending, []
        for request in pending:
            self._unmatched(request, error, 0)

    # -- what comes out --------------------------------------------------------------------------------------------------

    def _unmatched(self, request: Request, error: str | None, mark: int) -> None:
        request.marks |= mark
        request.error = error or request.error
        self._emit(request, None)

    def _join(self, request: Request, response: Response) -> None:
        """A response is whole: so is the exchange, or it waits for the rest of its upload."""
        if request.complete or response.error is not None or self.client.ended:
            self._emit(request, response)
        else:
            request.response = response
            self.client.finish_upload()

    def _emit(self, request: Request | None, response: Response | None) -> None:
        shared = self.shared
        connection = self.connection
        if connection is None:
            connection = self.connection = Connection.from_client_key(self.client.key, self.generation)
        marks = self.marks
        if response is not None and response.held:
            shared.memory -= response.held
        if request is None:
            marks |= UNMATCHED_RESPONSE | (response.why if response is not None else 0)
        else:
            shared.held -= 1
            shared.memory -= request.held
            if response is None:
                marks |= UNMATCHED_REQUEST
                if request is self.client.message:  # given up while it was being sent: more may come, and nobody will count it
                    request.body_size = self.client.so_far(request)
                    marks |= SIZE_ESTIMATED
        if self.multipath:
            marks = subflow_marks(request, response, marks)
            for message in (request, response):
                if message is not None:
                    message.marks = 0  # all are in these
        shared.events.append(build(request, response, connection, self.sequence, marks, shared))
        self.sequence += 1
        if self.marks:
            # What a server sent between two exchanges is marked on the second: the first is out by then.
            self.marks = self.marks & ~PROTOCOL_ERROR if self.waiting or response is None else 0
