"""The streams of one connection: what both directions say of each → exchanges. They pair by their number, so nothing is guessed.

Bounded: too many streams that are open at once are reported as they are, the oldest first (a client may open and reset them as
fast as it can), and so many numbers are remembered of streams that are over and of which more may come.
"""

import msgspec

from pipeline.decode.begun import begun
from pipeline.decode.content import Collector
from pipeline.decode.grpc import Messages
from pipeline.decode.grpc_web import WEB, CallBody, lines
from pipeline.decode.http2.context import Context
from pipeline.decode.http2.exchange import exchange_of
from pipeline.decode.http2.heads import Block, Head, status_line
from pipeline.decode.http2.stream import Stream, Tunnel, error_name
from pipeline.decode.marks import (
    GAP,
    HPACK_PARTIAL,
    MID_STREAM,
    PROTOCOL_ERROR,
    SIZE_ESTIMATED,
    TRUNCATED,
)
from pipeline.decode.message import Accepted, Fields, Framing, Message, Request, RequestLine, Response, StatusLine
from pipeline.decode.position import UNKNOWN, Progress
from pipeline.decode.protocol import End, Missing
from pipeline.decode.shared import Shared
from pipeline.model.connection import Connection

STREAM_BYTES = 1500
"""What an open stream costs beside its texts."""
MAX_DROPPED = 1024
"""Numbers of streams that are over, and of which frames may still be under way."""
_LOOK_NS = 1_000_000_000
_UNKNOWN_LINE = RequestLine(None, None, None, None, None, None, None, None, "2")
_UNKNOWN_STATUS = StatusLine("2", None)
_NO_ERROR = 0
_MARKS = {End.TIMEOUT: SIZE_ESTIMATED, End.UNSEEN: GAP}
"""Of a message that is not whole when no more of it comes: more may come that nobody counts, or has been lost."""


class Streams(msgspec.Struct, gc=False, eq=False):
    """``open`` by number; ``dropped`` are numbers of which nothing more is reported; ``tunnels`` carry other protocols.

    ``joined``: the connection is older than what was seen of it; ``lowest`` is the first stream whose request was,
    ``gapped``: others were lost. ``doubtful`` streams are open that may be over, which was looked at last at ``looked_ns``.
    """

    connection: Connection
    shared: Shared
    context: Context
    requests: Progress
    responses: Progress
    joined: bool
    open: dict[int, Stream] = {}
    dropped: dict[int, None] = {}
    tunnels: dict[int, Tunnel] = {}
    lowest: int = 0
    gapped: bool = False
    doubtful: int = 0
    looked_ns: int = 0

    # -- header blocks ---------------------------------------------------------------------------------------------------

    def asks(self, block: Block, head: Head) -> None:
        """A header block of the client: a request begins, or its trailers end it."""
        stream = self.open.get(block.stream)
        if stream is None:
            if block.stream in self.dropped or block.stream in self.tunnels:
                return
            stream = self._begin(block.stream, block.end_ns)
        request = stream.request
        if request is None:
            request = stream.request = self._request(stream, block, head)
        else:
            _add_trailers(request, block, head.fields)
        if block.ended:
            self.ended(stream, client=True)

    def upgraded(self, asked: Request) -> None:
        """What HTTP/1 asked before both ends went on with HTTP/2 is the request of stream 1 (RFC 7540, section 3.2)."""
        stream = self._begin(1, asked.end_ns)
        line = msgspec.structs.replace(asked.line, marks=0)
        stream.request = Request(
            asked.fields, asked.start_ns, asked.end_ns, UNKNOWN, asked.ack, asked.size, asked.body_size,
            asked.marks & (GAP | TRUNCATED), None, asked.head,
            None, 0, 1, Framing.NONE, line, True,
        )  # fmt: skip
        self.lowest = 1

    def promises(self, promised: int, block: Block, head: Head) -> None:
        """PUSH_PROMISE: the server says what it answers unasked (RFC 9113, section 8.4)."""
        if promised and promised not in self.open and promised not in self.dropped:
            stream = self._begin(promised, block.end_ns)
            stream.request = self._request(stream, block, head)
            stream.request.complete = True

    def answers(self, block: Block, head: Head) -> None:
        """A header block of the server: an informational response, the final one, or its trailers."""
        stream = self.open.get(block.stream)
        if stream is None:
            if block.stream in self.dropped or block.stream in self.tunnels:
                if block.ended:
                    self.dropped.pop(block.stream, None)
                return
            stream = self._begin(block.stream, block.end_ns)
        status = head.status
        if status is not None and status < 200 and not block.ended:
            return
        response = stream.response
        if response is None or (status is not None and response.line.status is None):
            response = self._response(stream, block, head, response)
        else:
            _add_trailers(response, block, head.fields)
        if head.grpc_status is not None:
            stream.grpc_status = head.grpc_status
        if block.ended:
            self.ended(stream, client=False)
        elif (
            status is not None and 200 <= status < 300 and stream.request is not None and stream.request.line.method == "CONNECT"
        ):
            self._tunnel(stream, Accepted(stream.request, response, self.connection.exchanges, head.extensions))

    def lost(self, block: Block, mark: int, *, client: bool) -> None:
        """A header block whose fields cannot be known. That its message began, or ended, is."""
        head = Head(Fields(marks=mark), _UNKNOWN_LINE)
        (self.asks if client else self.answers)(block, head)

    def restore(self, stream: Stream) -> None:
        """One that was open elsewhere."""
        self.open[stream.id] = stream
        self.shared.held += 1
        self.shared.memory += stream.held

    def leave(self) -> None:
        """All that are open go on elsewhere."""
        for stream in self.open.values():
            self.shared.held -= 1
            self.shared.memory -= stream.held
        self.open.clear()

    def _begin(self, number: int, now_ns: int) -> Stream:
        self._look(now_ns)
        if len(self.open) >= self.shared.max_pending or self.shared.held > self.shared.max_held:
            self._overflow()
        stream = self.open[number] = Stream(number)
        self.shared.held += 1
        self._hold(stream, STREAM_BYTES)
        return stream

    def _hold(self, stream: Stream, size: int) -> None:
        stream.held += size
        self.shared.memory += size

    def _request(self, stream: Stream, block: Block, head: Head) -> Request:
        """A request begins."""
        line = head.line or _UNKNOWN_LINE
        fields = head.fields
        request = Request(
            fields, block.start_ns, block.end_ns, UNKNOWN, block.ack, block.size, 0, fields.marks | line.marks, None, head.raw,
            self._collector(fields, web=head.call == WEB), 0, stream.id, Framing.NONE, line,
        )  # fmt: skip
        if self.shared.in_progress and head.line is not None:
            self.shared.events.append(begun(request, self.connection, self.shared))
        if not self.lowest or stream.id < self.lowest:
            self.lowest = stream.id
        stream.protocol = head.protocol
        stream.partial_host = line.address is None and (line is _UNKNOWN_LINE or bool(fields.marks & HPACK_PARTIAL))
        if head.call is not None:
            stream.call = head.call
            stream.asked = None if head.call == WEB else Messages()
        self._hold(stream, line.size + fields.size + len(head.raw or b""))
        return request

    def _response(self, stream: Stream, block: Block, head: Head, before: Response | None) -> Response:
        """The final response begins, which may turn out only now: ``before`` had no status that is known."""
        fields = head.fields
        response = stream.response = Response(
            fields, block.start_ns, block.end_ns, UNKNOWN, block.ack, block.size, 0, fields.marks, None, head.raw,
            self._collector(fields, web=stream.call == WEB) if before is None else before.content, 0, stream.id, Framing.NONE,
            status_line(head.status) if head.status is not None else _UNKNOWN_STATUS,
        )  # fmt: skip
        if head.call is not None:
            stream.call = head.call
            stream.answered = None if head.call == WEB else Messages()
        if head.status is None and block.ended:
            response.body_size = None  # it may be what stands behind a body that was not seen
        if stream.request is None:
            response.why = self._why_alone(stream.id)
        self._hold(stream, fields.size + len(head.raw or b""))
        return response

    def _collector(self, fields: Fields, *, web: bool) -> Collector | None:
        """What keeps a body, or counts the messages of gRPC-Web in it, whose trailers stand there, too."""
        kept = self.context.collector(fields.content_type)
        return CallBody(lines(fields.content_type, fields.content_encoding), kept) if web else kept

    def _why_alone(self, number: int) -> int:
        """Why a response's request was not seen."""
        if self.joined and number % 2 and (not self.lowest or number < self.lowest):
            return MID_STREAM
        return GAP if self.gapped else 0

    def _tunnel(self, stream: Stream, accepted: Accepted) -> None:
        """CONNECT was answered: the exchange is over, and the stream carries something else (RFC 9113, section 8.5)."""
        pair = self.shared.tunnel(stream.protocol, accepted, self.connection) if stream.protocol is not None else None
        accepted.response.done = True
        if stream.request is not None:
            stream.request.complete = True
        number = stream.id
        self._report(stream, 0)
        if pair is not None and len(self.tunnels) < self.shared.max_pending:
            self.tunnels[number] = Tunnel(number, *pair)
        else:
            self._drop(number)

    # -- ends ------------------------------------------------------------------------------------------------------------

    def ended(self, stream: Stream, *, client: bool) -> None:
        """One side of a stream has said all."""
        if client:
            request = stream.request
            if request is None:
                return
            request.complete = True
            _check_length(request, bodiless=False)
        else:
            response = stream.response
            if response is None:
                return
            response.done = True
            head = stream.request is not None and stream.request.line.method == "HEAD"
            _check_length(response, bodiless=head or response.line.status == 304 or stream.request is None)
        self._finish(stream)

    def _finish(self, stream: Stream) -> None:
        """Report a stream that is over: both sides are, or nothing more of the other one can come."""
        request, response = stream.request, stream.response
        if response is None or not response.done:
            return
        if request is None:
            if not self.requests.awaits(response.ack):
                self._report(stream, 0)
        elif request.complete or (request.marks & GAP and stream.doubtful_ns):
            self._report(stream, 0)

    def tunnel_ended(self, tunnel: Tunnel, *, client: bool) -> None:
        """One side of a tunnel has said all."""
        if self.tunnels.get(tunnel.id) is tunnel:
            tunnel.end(End.FINISHED, client=client)
            if not tunnel.open:
                self._close(tunnel, End.FINISHED)

    def _close(self, tunnel: Tunnel, why: End) -> None:
        del self.tunnels[tunnel.id]
        self._drop(tunnel.id)
        tunnel.release(why)

    def reset(self, number: int, code: int | None) -> None:
        """RST_STREAM, from either end (RFC 9113, section 6.4). An answer that is whole needs no more of its request."""
        tunnel = self.tunnels.get(number)
        if tunnel is not None:
            self._close(tunnel, End.RESET)
        stream = self.open.get(number)
        if stream is None:
            return
        response = stream.response
        whole = response is not None and response.done
        if not whole:
            stream.fail(End.RESET.error)
        if code is not None and (code != _NO_ERROR or not whole):
            stream.error_code = error_name(code)
        self._report(stream, 0)
        self._drop(number)

    def gone_away(self, last: int, code: int, *, client: bool) -> None:
        """GOAWAY: nothing was done for streams of the other end beyond ``last`` (RFC 9113, section 6.8)."""
        for stream in [each for each in self.open.values() if each.id > last and each.id % 2 != client and each.response is None]:
            stream.error_code = error_name(code)
            stream.fail(End.FINISHED.error)
            self._report(stream, 0)
            self._drop(stream.id)

    def missing(self, now_ns: int, why: Missing, *, client: bool) -> None:
        """Bytes of one side are missing that may have been of any stream."""
        self.gapped |= client and why is not Missing.UNSEEN
        for stream in list(self.open.values()):
            if stream.is_over(client=client):
                continue
            if why is Missing.UNSEEN:
                if stream.request is not None and stream.request.complete:
                    self._report(stream, 0)
                continue
            message = stream.message(client=client) or stream.message(client=not client)
            if message is not None:
                message.marks |= GAP
            if client and stream.response is not None and stream.response.done:
                self._report(stream, 0)
            elif not stream.doubtful_ns:
                stream.doubtful_ns = now_ns
                self.doubtful += 1
            messages = stream.asked if client else stream.answered
            if messages is not None:
                messages.exact = False
        for tunnel in list(self.tunnels.values()):
            self._close(tunnel, End.UNSEEN)

    def _look(self, now_ns: int) -> None:
        """Report streams whose end may have been lost, and of which nothing came for as long as an answer may take."""
        if not self.doubtful or now_ns - self.looked_ns < _LOOK_NS:
            return
        self.looked_ns = now_ns
        for stream in [each for each in self.open.values() if 0 < each.doubtful_ns <= now_ns - self.context.response_ns]:
            stream.fail(End.TIMEOUT.error)
            self._report(stream, 0)

    def _overflow(self) -> None:
        """Too many are open: the oldest is reported as it is."""
        oldest = next(iter(self.open.values()), None)
        if oldest is not None:
            self.shared.count("decoder_pipeline_overflow", 1)
            self._report(oldest, SIZE_ESTIMATED if oldest.response is not None else 0)
            self._drop(oldest.id)

    def _drop(self, number: int) -> None:
        """What still comes of a stream is not reported again."""
        if len(self.dropped) >= MAX_DROPPED:
            del self.dropped[next(iter(self.dropped))]
        self.dropped[number] = None

    def review(self) -> None:
        """Look at answers that waited for a request that may have been late."""
        for stream in [each for each in self.open.values() if each.request is None]:
            self._finish(stream)

    def flush(self, why: End) -> None:
        """Nothing more will come: all that is open is reported."""
        marks = _MARKS.get(why, 0)
        for stream in list(self.open.values()):
            request, response = stream.request, stream.response
            if response is not None and not response.done:
                response.marks |= marks
            elif response is not None and request is not None and not request.complete:
                request.marks |= marks
            stream.fail(why.error)
            self._report(stream, 0)
        for tunnel in list(self.tunnels.values()):
            self._close(tunnel, why)

    @property
    def held_bytes(self) -> int:
        """What is held for streams."""
        tunnels = sum(tunnel.client.held_bytes for tunnel in self.tunnels.values())
        return tunnels + sum(stream.held_bytes for stream in self.open.values())

    # -- what comes out --------------------------------------------------------------------------------------------------

    def _report(self, stream: Stream, marks: int) -> None:
        shared, connection = self.shared, self.connection
        del self.open[stream.id]
        self.doubtful -= bool(stream.doubtful_ns)
        shared.held -= 1
        shared.memory -= stream.held
        request, response = stream.request, stream.response
        if request is None and response is None:
            return
        marks |= connection.marks
        connection.marks = 0
        shared.events.append(exchange_of(stream, connection, marks, shared))
        connection.exchanges += 1


def _add_trailers(message: Message, block: Block, fields: Fields) -> None:
    """Fields behind a body are reported as those in front of it are."""
    message.end_ns = block.end_ns
    message.size += block.size
    message.marks |= fields.marks
    if fields.reported:
        both = dict(message.fields.reported)
        for name, values in fields.reported.items():
            both[name] = (*both.get(name, ()), *values)
        message.fields = msgspec.structs.replace(message.fields, reported=both, size=message.fields.size + fields.size)


def _check_length(message: Message, *, bodiless: bool) -> None:
    """RFC 9113, section 8.1.1: a message of another length than it says is malformed; where bytes were lost it says how many."""
    length, size = message.fields.length, message.body_size
    if length is None or size is None:
        message.marks |= SIZE_ESTIMATED if message.marks & GAP and not bodiless else 0
    elif size != length and not (bodiless and not size):
        if message.marks & GAP:
            message.body_size = length
        else:
            message.marks |= PROTOCOL_ERROR
