"""One direction inside message bodies: known length, chunked, until the connection closes, and chunked with its framing lost.

Ordered bytes and holes in, counted bodies out; heads are another's business (``http1``). RFC 9112, section 6.
"""

from typing import TYPE_CHECKING

from pipeline.decode.http1.body import Chunks, Collector
from pipeline.decode.http1.recognition import (
    BLANKS,
    MAX_DOUBT,
    begins_request,
    may_begin_response,
    request_inside,
    resumes_response,
)
from pipeline.decode.marks import AMBIGUOUS_FRAMING, GAP, PROTOCOL_ERROR, SIZE_ESTIMATED
from pipeline.decode.message import Message, Request, Response
from pipeline.decode.transport.tcp import MASK, Stream
from pipeline.model.records import Segment

if TYPE_CHECKING:
    from pipeline.decode.pairing.pairing import Conversation

HEAD, LENGTH, CHUNKED, CLOSE, ADRIFT, SEEK, OTHER = range(7)
"""Where the next byte stands: in a head; in a body of known length, a chunked one, one that ends with the connection, a chunked
one whose framing was lost; nowhere: the next message must be found; in another protocol that the connection switched to."""

CLOSED, UNSEEN = "closed", ""
"""How a stream ended, where not by reset or time-out: its sender closed it; or nobody saw, as the capture ended or we let go."""

_LAST_CHUNK = (b"\r\n0\r\n\r\n", b"\n0\n\n")
_LONE_LAST_CHUNK = b"0\r\n\r\n"


class BodyStream(Stream, gc=False, eq=False):
    """One direction, with ``message`` while it is in a body."""

    conversation: "Conversation" = None  # type: ignore[assignment]  # as ``other``
    phase: int = HEAD
    message: Message | None = None
    left: int = 0
    chunks: Chunks | None = None

    # -- a body begins ---------------------------------------------------------------------------------------------------

    def begin_body(self, message: Message, length: int | None) -> None:
        """What follows is the body of ``message``; ``length`` None: chunked, or until the connection closes."""
        self.message = message
        if self.shared.bodies is not None:
            message.body = self._collector(message)
        if length is not None:
            self.left, self.phase = length, LENGTH
        elif message.fields.chunked:
            self.chunks, self.phase = Chunks(), CHUNKED
        else:
            self.phase = CLOSE

    def _collector(self, message: Message) -> Collector | None:
        bodies = self.shared.bodies
        if bodies is None:
            return None
        kind = message.fields.content_type.partition(b";")[0].strip().lower()
        names = (kind, kind.partition(b"/")[0] + b"/*", b"*/*")
        if bodies.content_types and not any(name.lower().encode() in names for name in bodies.content_types):
            return None
        return Collector(bodies.max_bytes)

    # -- bytes of it -----------------------------------------------------------------------------------------------------

    def body(self, data: bytes, pos: int, seg: Segment, seq: int) -> int:
        """Bytes of the body in ``data[pos:]``. Returns the place behind those that belong to it."""
        message, phase = self.message, self.phase
        if message is None:  # cannot be
            self.phase = SEEK
            return pos
        if not pos and self._next_begins(data, seq, message):
            marks = PROTOCOL_ERROR if phase != ADRIFT and self.conversation.expects(seq) else 0
            if message.marks & GAP or self.so_far(message):
                # What is missing was not of this body, or not all of it; or what came was not.
                self.conversation.lost(self, message.seq, seq, 0, GAP if message.marks & GAP else PROTOCOL_ERROR)
            self.complete(message, self.so_far(message), marks, None)
            return pos
        message.end_ns = seg.last_ns or seg.ts_ns
        if phase == CHUNKED and self.chunks is not None:
            return self._chunked(message, self.chunks, data, pos)
        if phase == ADRIFT:
            return self._adrift(message, data, pos)
        size = len(data) - pos
        if phase == LENGTH:
            size = min(size, self.left)
            self.left -= size
        if message.body is not None:
            self._keep(message.body, data[pos : pos + size])
        message.size += size
        if phase != LENGTH:
            message.body_size = (message.body_size or 0) + size
        elif not self.left:
            self.complete(message, message.fields.length, self.surplus(data, pos + size), None)
        return pos + size

    def surplus(self, data: bytes, end: int) -> int:
        """The mark of a response whose body ends at ``data[end]`` when bytes stand behind it that nobody asked for."""
        if end == len(data) or self.client or self.conversation.waiting:
            return 0
        rest = data[end : end + MAX_DOUBT].lstrip(BLANKS)
        return PROTOCOL_ERROR if rest and not may_begin_response(rest) else 0

    def _next_begins(self, data: bytes, seq: int, message: Message) -> bool:
        """Whether another message begins in a segment where this one's body should go on.

        A response's body is shorter than its head said when the client, having received everything up to here, has already
        sent its next request. A response whose request was not seen may answer a HEAD: then what its head announces does not
        come. Where framing was lost, any message that begins a segment is the next one. And a client that was refused before it
        sent any of its body need not send it (RFC 9110, section 10.1.1).
        """
        if self.client:
            answered = isinstance(message, Request) and message.response is not None
            whole = self.left == message.fields.length or self.conversation.multipath
            return (self.phase == ADRIFT or (answered and whole)) and begins_request(data)
        if not may_begin_response(data):
            return self.outlived(message, seq)
        unasked = isinstance(message, Response) and message.request is None and message.size == (seq - message.seq & MASK)
        if (self.phase == ADRIFT or unasked or self.conversation.expects(seq)) and resumes_response(data):
            return True
        if self.conversation.turn(seq):
            return True
        if self.conversation.waiting and resumes_response(data):
            # By its framing this is of the body; by what it says it is the next answer of a server that announced too much.
            message.marks |= AMBIGUOUS_FRAMING
            self.conversation.lost(self, seq, seq, 0, AMBIGUOUS_FRAMING)
        return False

    def outlived(self, message: Message, seq: int) -> bool:
        """Whether a body that says nothing of its end is over at ``seq``, as its client has gone on with the next request."""
        endless = self.phase == CLOSE and isinstance(message, Response) and message.line.status is None
        return (endless or self.phase == ADRIFT) and self.conversation.turn(seq)

    def _chunked(self, message: Message, chunks: Chunks, data: bytes, pos: int) -> int:
        body = message.body
        before = body.kept if body is not None else 0
        stop = chunks.feed(data, pos, body)
        if body is not None:
            self.shared.memory += body.kept - before
        message.size += stop - pos
        if chunks.done:
            self.complete(message, chunks.size, self.surplus(data, stop), None)
        elif chunks.broken:
            message.marks |= PROTOCOL_ERROR
            self._drift(message, chunks)
            if not self.client and self.conversation.waiting:
                # What follows may be the answers to others.
                end = message.seq + message.size & MASK
                self.conversation.lost(self, end, end, 0, PROTOCOL_ERROR)
        return stop

    def _adrift(self, message: Message, data: bytes, pos: int) -> int:
        """Bytes behind lost chunk framing: counted until the last chunk ends a segment, or until a client's next request.

        RFC 9112, section 7.1: a chunk size that overflows is an error; a server that does not see it takes what follows for a
        request. Behind a hole such a line is more likely a part of the body.
        """
        stop = request_inside(data, pos) if self.client and message.marks & (PROTOCOL_ERROR | GAP) == PROTOCOL_ERROR else -1
        part = data[pos:] if stop < 0 else data[pos:stop]
        if message.body is not None:
            self._keep(message.body, part)
        message.size += len(part)
        message.body_size = (message.body_size or 0) + len(part)
        if stop >= 0:
            self.complete(message, message.body_size, 0, None)
        elif part.endswith(_LAST_CHUNK) or part == _LONE_LAST_CHUNK:
            self.complete(message, message.body_size - len(_LONE_LAST_CHUNK), 0, None)
        return pos + len(part)

    def _drift(self, message: Message, chunks: Chunks) -> None:
        """Chunk framing is lost: from here on bytes are counted as they come, framing and all."""
        message.marks |= SIZE_ESTIMATED
        message.body_size = chunks.size
        if message.body is not None:
            message.body.cut = True
        self.chunks = None
        self.phase = ADRIFT

    def _keep(self, body: Collector, data: bytes) -> None:
        before = body.kept
        body.add(data)
        self.shared.memory += body.kept - before

    # -- it ends ---------------------------------------------------------------------------------------------------------

    def so_far(self, message: Message) -> int | None:
        """The size of the body as far as it came."""
        if self.phase == LENGTH:
            return (message.fields.length or 0) - self.left
        return self.chunks.size if self.chunks is not None else message.body_size

    def complete(self, message: Message, body_size: int | None, marks: int, error: str | None) -> None:
        """The message is as whole as it will get."""
        if self.phase == ADRIFT:
            end = message.seq + message.size & MASK
            self.conversation.passed(self, message.seq, end, message.ack)
        message.body_size = body_size
        message.marks |= marks
        message.error = error or None
        self.message = self.chunks = None
        self.phase = HEAD
        if isinstance(message, Request):
            message.complete = True
            self.conversation.uploaded(message)
        elif isinstance(message, Response):
            self.conversation.answered(message, message.seq + message.size & MASK)

    def bodiless(self, message: Message) -> None:
        """It turns out that the message answers a HEAD: what its head announces does not come."""
        if message is self.message and not self.so_far(message):
            self.complete(message, 0, 0, None)

    def finish_upload(self) -> None:
        """The answer is there and so is everything that came of the request: where its framing was lost, this is its end."""
        if self.phase == ADRIFT and self.message is not None:
            self.complete(self.message, self.message.body_size, 0, None)

    def body_hole(self, message: Message, count: int, seg: Segment, *, lost: bool) -> int:
        """``count`` bytes are missing inside the body. Returns how many of them lie behind it."""
        if self.phase == CHUNKED and self.chunks is not None and not self.chunks.skip(count):
            self._drift(message, self.chunks)
        if self.phase == ADRIFT:
            self.conversation.lost(self, self.next_seq - count & MASK, self.next_seq, 0)
        known = min(count, self.left) if self.phase == LENGTH else count
        message.size += known
        message.end_ns = max(message.end_ns, seg.last_ns or seg.ts_ns)
        if lost:
            message.marks |= GAP
        if message.body is not None:
            message.body.cut = True
        if self.phase == LENGTH:
            self.left -= known
            if not self.left:
                self.complete(message, message.fields.length, 0, None)
        elif self.phase != CHUNKED:
            message.body_size = (message.body_size or 0) + known
        return count - known

    def body_end(self, message: Message, error: str | None) -> None:
        """The stream ends inside the body; only one that lasts until then is whole."""
        marks = 0
        if self.phase == CLOSE and error is None:
            error = UNSEEN  # and nothing is missing
        elif error == "timeout":
            marks = SIZE_ESTIMATED  # more may come, and nobody will count it
        elif error == UNSEEN:
            marks = SIZE_ESTIMATED if self.phase == CLOSE else GAP
        self.complete(message, self.so_far(message), marks, CLOSED if error is None else error)
