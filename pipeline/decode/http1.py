"""One direction of an HTTP/1 connection: ordered bytes → messages, handed to the conversation as they begin and end.

A tolerant observer of RFC 9112: it decodes what servers and clients would make of the bytes, marks what is doubtful, and finds the
next message again behind a hole or behind bytes that are no HTTP. It never raises and holds no more than one head.
"""

import re
from enum import IntEnum
from typing import TYPE_CHECKING

from pipeline.decode.body import Chunks, Collector
from pipeline.decode.detect import KNOWN_METHODS, begins_request, begins_response, may_begin_request, may_begin_response
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, SIZE_ESTIMATED, TRUNCATED
from pipeline.decode.message import NO_FIELDS, Message, Request, Response, Shared
from pipeline.decode.startline import NO_STATUS_LINE, RequestLine, StatusLine, parse_request_line, parse_status_line
from pipeline.decode.tcp import MASK, UNKNOWN, Stream
from pipeline.model.records import ACK, FlowKey, Segment

if TYPE_CHECKING:
    from pipeline.decode.pairing import Conversation

CACHED_LINES = 2048
CACHED_LINE_BYTES = 512
"""Start lines repeat: health checks, polling, status lines. Full, the cache starts anew: at most 2 MB, commonly 0.5."""

_LAST_CHUNK = (b"\r\n0\r\n\r\n", b"\n0\n\n")
_REQUEST_INSIDE = re.compile(rb"\n\r?\n(?=(?:%s) [^\x00-\x20]+ HTTP/1\.\d\r?\n)" % b"|".join(sorted(KNOWN_METHODS)))


class Phase(IntEnum):
    """Where in a message the next byte stands."""

    HEAD = 0
    LENGTH = 1  # in a body of known length
    CHUNKED = 2
    CLOSE = 3  # in a body that ends with the connection
    ADRIFT = 4  # in a chunked body whose framing was lost
    SEEK = 5  # nowhere: looking for the next message
    OTHER = 6  # the connection speaks another protocol now


HEAD, LENGTH, CHUNKED, CLOSE, ADRIFT, SEEK, OTHER = (int(phase) for phase in Phase)


class Reader(Stream):
    """One direction: ``client`` when it carries requests."""

    __slots__ = ("_buffer", "_chunks", "_first", "_first_seq", "_left", "client", "conversation", "message", "phase")

    def __init__(self, key: FlowKey, shared: Shared, *, client: bool, next_seq: int = UNKNOWN) -> None:
        super().__init__(key, shared, next_seq)
        self.client = client
        self.phase = HEAD
        self.conversation: Conversation
        self.message: Message | None = None
        self._buffer = b""
        self._first: Segment | None = None
        self._first_seq = 0
        self._left = 0
        self._chunks: Chunks | None = None

    def data(self, data: bytes, seg: Segment, seq: int) -> None:
        """Read all of ``data``; how much each phase takes is its own business."""
        pos, size = 0, len(data)
        while pos < size:
            phase = self.phase
            if phase == HEAD:
                pos = self._head(data, pos, seg, seq)
            elif phase == LENGTH:
                pos = self._length(data, pos, seg, seq)
            elif phase == CHUNKED:
                pos = self._chunked(data, pos, seg)
            elif phase == SEEK:
                pos = self._seek(data, pos, seq)
            elif phase == OTHER:
                return
            else:
                pos = self._endless(data, pos, seg, seq)

    # -- heads -----------------------------------------------------------------------------------------------------------

    def _head(self, data: bytes, pos: int, seg: Segment, seq: int) -> int:
        """A head, or a part of one. Returns the place behind it, and behind the body where that is whole too."""
        if self._buffer:
            return self._head_continued(data, pos, seg)
        while data[pos] == 13 or data[pos] == 10:
            # RFC 9112, section 2.2: ignore empty lines before a start line.
            pos += 1
            if pos == len(data):
                return pos
        # A head ends with an empty line; a line ends with CRLF or a bare LF (RFC 9112, section 2.2).
        stop = data.find(b"\n\r\n", pos) + 3
        bare = data.find(b"\n\n", pos, stop if stop > 2 else len(data))
        if bare >= 0:
            stop = bare + 2
        elif stop == 2:
            return self._incomplete(data, pos, seg, seq + pos & MASK)
        return self._begin(data, pos, stop, seg, seg, seq + pos & MASK)

    def _head_continued(self, data: bytes, pos: int, seg: Segment) -> int:
        """More of a head that came in parts. What is held is bounded, so that joining it again for each part is, too."""
        held, first, first_seq = len(self._buffer), self._first or seg, self._first_seq
        joined = self._buffer + (data[pos:] if pos else data)
        resume = max(0, held - 2)
        stop = joined.find(b"\n\r\n", resume) + 3
        bare = joined.find(b"\n\n", resume, stop if stop > 2 else len(joined))
        if bare >= 0:
            stop = bare + 2
        elif stop == 2:
            self._hold(joined, first, first_seq)
            return len(data)
        self.release()
        return pos + max(0, self._begin(joined, 0, stop, seg, first, first_seq) - held)

    def _incomplete(self, data: bytes, start: int, seg: Segment, seq: int) -> int:
        """The end of the head is not here yet: keep what there is, unless it can be no head. Returns where to go on."""
        head = data[start:] if start else data
        if not (may_begin_request(head) if self.client else may_begin_response(head)):
            self._cruft(seg, seq)
            return start
        self._hold(head, seg, seq)
        return len(data)

    def _hold(self, head: bytes, first: Segment, first_seq: int) -> None:
        self._first, self._first_seq = first, first_seq
        self.shared.memory += len(head) - len(self._buffer)
        self._buffer = head
        if len(head) > self.shared.max_head:
            self._broken_head(TRUNCATED)

    def release(self) -> None:
        """Let go of a head that is not complete."""
        self.shared.memory -= len(self._buffer)
        self._buffer = b""
        self._first = None

    def _begin(self, data: bytes, start: int, stop: int, seg: Segment, first: Segment, first_seq: int) -> int:
        """A whole head, ``data[start:stop]``, begins a message, if it is one. Returns where to go on."""
        end = data.find(b"\n", start)
        line = data[start : end - 1 if data[end - 1] == 13 else end]
        shared = self.shared
        if self.client:
            request_line = shared.request_lines.get(line) or self._request_line(line, data, end, stop)
            if request_line is None:
                self._cruft(first, first_seq)
                return start
            fields = shared.request_fields.parse(data[end + 1 : stop])
            request = Request(
                fields, first.ts_ns, seg.ts_ns, first_seq, first.ack if first.flags & ACK else UNKNOWN, stop - start, 0,
                request_line.marks | fields.marks, None, data[start:stop] if shared.keep_heads else None, None, request_line, fields.bare,
            )  # fmt: skip
            if not fields.bare:
                self._expect_body(request)
            self.conversation.requested(request)
            return stop
        status_line = shared.status_lines.get(line) or self._status_line(line)
        if status_line is None:
            self._cruft(first, first_seq)
            return start
        fields = shared.response_fields.parse(data[end + 1 : stop])
        response = Response(
            fields, first.ts_ns, seg.ts_ns, first_seq, first.ack if first.flags & ACK else UNKNOWN, stop - start, 0,
            status_line.marks | fields.marks, None, data[start:stop] if shared.keep_heads else None, None, status_line,
        )  # fmt: skip
        return self._respond(response, data, stop)

    def _request_line(self, line: bytes, data: bytes, end: int, stop: int) -> RequestLine | None:
        parsed = parse_request_line(line)
        if parsed is None or (parsed.version == "0.9" and parsed.marks and b":" not in data[end:stop]):
            # A line without a version may be any protocol's, unless it is HTTP/0.9's only method or fields follow it.
            return None
        cache = self.shared.request_lines
        if len(line) <= CACHED_LINE_BYTES:
            if len(cache) >= CACHED_LINES:
                cache.clear()
            cache[line] = parsed
        return parsed

    def _status_line(self, line: bytes) -> StatusLine | None:
        parsed = parse_status_line(line)
        cache = self.shared.status_lines
        if parsed is not None and len(line) <= CACHED_LINE_BYTES:
            if len(cache) >= CACHED_LINES:
                cache.clear()
            cache[line] = parsed
        return parsed

    def _broken_head(self, mark: int) -> None:
        """The rest of a head will not be understood: report what its first line says, then look for the next message."""
        head, first, seq = self._buffer, self._first, self._first_seq
        self.release()
        self.phase = SEEK
        line, newline, rest = head.partition(b"\n")
        if first is None or not newline:
            self.conversation.lost(client=self.client)
            return
        line = line.removesuffix(b"\r")
        kept = head if self.shared.keep_heads else None
        ack = first.ack if first.flags & ACK else UNKNOWN
        complete = rest.rpartition(b"\n")[0] + b"\n"
        end_ns = first.last_ns or first.ts_ns
        if self.client:
            request_line = parse_request_line(line)
            if request_line is None:
                return
            fields = self.shared.request_fields.parse(complete)
            request = Request(
                fields, first.ts_ns, end_ns, seq, ack, len(head), None, request_line.marks | mark, None, kept, None, request_line
            )
            request.complete = True
            self.conversation.requested(request)
        else:
            status_line = parse_status_line(line)
            if status_line is None or (status_line.status or 0) < 200:
                return
            fields = self.shared.response_fields.parse(complete)
            response = Response(
                fields, first.ts_ns, end_ns, seq, ack, len(head), None, status_line.marks | mark, None, kept, None, status_line
            )
            response.request = self.conversation.match(response)
            self.conversation.answered(response, UNKNOWN)

    def interrupt(self) -> None:
        """The other side answers a head that is not complete: take it for what it is (HTTP/0.9 has no more than its line)."""
        if self.phase == HEAD and self._buffer:
            if b"\n" not in self._buffer:
                self._buffer += b"\n"
                self.shared.memory += 1
            line = parse_request_line(self._buffer.partition(b"\n")[0].removesuffix(b"\r"))
            self._broken_head(0 if line is not None and line.version == "0.9" else PROTOCOL_ERROR)

    # -- how the body is framed: RFC 9112, section 6.3 -------------------------------------------------------------------

    def _expect_body(self, request: Request) -> None:
        """A request whose fields say that a body follows."""
        fields = request.fields
        if fields.coded:
            # "the server MUST respond with the 400 status code and then close the connection": nobody knows where it ends.
            self.phase = SEEK
            request.complete = True
            return
        if fields.chunked:
            self._chunks = Chunks()
            self.phase = CHUNKED
        else:
            self._left = fields.length or 0
            self.phase = LENGTH
        self.message = request
        request.body = self._collector(request)

    def _respond(self, response: Response, data: bytes, stop: int) -> int:
        """A response whose head ends at ``data[stop]``. Returns where to go on: behind its body when that is here already."""
        conversation = self.conversation
        status = response.line.status or 0
        if status < 200 and status != 101 and status >= 100:
            conversation.interim(response)
            return stop
        request = response.request = conversation.match(response)
        fields = response.fields
        method = request.line.method if request is not None else None
        length = fields.length
        if method == "HEAD" or status == 204 or status == 304:
            length = 0
        elif status == 101 or (method == "CONNECT" and 200 <= status < 300):
            conversation.answered(response, UNKNOWN)
            conversation.switched(response, status)
            return stop
        elif length is None:
            if fields.chunked:
                self._chunks = Chunks()
                self.phase = CHUNKED
            else:
                self.phase = CLOSE
            self.message = response
            response.body = self._collector(response)
            return stop
        if length and (request is None or len(data) - stop < length or self.shared.bodies is not None):
            self._left = length
            self.phase = LENGTH
            self.message = response
            response.body = self._collector(response)
            return stop
        response.size += length
        response.body_size = length
        conversation.answered(response, response.seq + response.size & MASK)
        return stop + length

    @staticmethod
    def _end_of(message: Message) -> int:
        return message.seq + message.size & MASK

    def _collector(self, message: Message) -> Collector | None:
        bodies = self.shared.bodies
        if bodies is None:
            return None
        wanted, kind = bodies.content_types, message.fields.content_type
        if wanted:
            group = kind.partition(b"/")[0] + b"/*"
            if not any(name.lower().encode() in (kind, group, b"*/*") for name in wanted):
                return None
        return Collector(bodies.max_bytes)

    # -- bodies ----------------------------------------------------------------------------------------------------------

    def _length(self, data: bytes, pos: int, seg: Segment, seq: int) -> int:
        message = self.message
        if message is None:  # cannot be; but nothing off the wire may raise
            self.phase = SEEK
            return pos
        if not self.client and not pos and self._next_begins(data, seq, message):
            self._complete(message, message.body_size or 0, PROTOCOL_ERROR, None)
            return pos
        left = self._left
        rest = len(data) - pos
        if rest < left:
            stop, self._left = pos + rest, left - rest
        else:
            stop, self._left = pos + left, 0
        if message.body is not None:
            self._keep(message, data[pos:stop])
        message.size += stop - pos
        message.end_ns = seg.last_ns or seg.ts_ns
        if not self._left:
            self._complete(message, message.fields.length, 0, None)
        return stop

    def _next_begins(self, data: bytes, seq: int, message: Message) -> bool:
        """Whether the next response begins where this one's body should go on.

        Its body is shorter than its head said when the client, having received up to here, has already sent its next request.
        A response whose request was not seen may answer a HEAD: then what its head announces does not come.
        """
        return (
            self.conversation.expects(seq)
            or (message.size == seq - message.seq & MASK and isinstance(message, Response) and message.request is None)
        ) and begins_response(data)

    def _chunked(self, data: bytes, pos: int, seg: Segment) -> int:
        message, chunks = self.message, self._chunks
        if message is None or chunks is None:
            self.phase = SEEK
            return pos
        body = message.body
        before = body.kept if body is not None else 0
        stop = chunks.feed(data, pos, body)
        if body is not None:
            self.shared.memory += body.kept - before
        message.size += stop - pos
        message.end_ns = seg.last_ns or seg.ts_ns
        if chunks.done:
            self._complete(message, chunks.size, 0, None)
        elif chunks.broken:
            message.marks |= PROTOCOL_ERROR
            self._drift(message, chunks)
        return stop

    def _drift(self, message: Message, chunks: Chunks) -> None:
        """Chunk framing is lost: from here on bytes are counted as they come, framing and all."""
        message.marks |= SIZE_ESTIMATED
        message.body_size = chunks.size
        if message.body is not None:
            message.body.cut = True
        self._chunks = None
        self.phase = ADRIFT

    def _endless(self, data: bytes, pos: int, seg: Segment, seq: int) -> int:
        """A body until the connection closes, or one whose end must be guessed."""
        message = self.message
        if message is None:
            self.phase = SEEK
            return pos
        if not pos:
            adrift = self.phase == ADRIFT
            if begins_request(data) if self.client else begins_response(data) and (adrift or self.conversation.expects(seq)):
                self._complete(message, message.body_size, 0 if adrift else PROTOCOL_ERROR, None)
                return pos
        rest = data[pos:] if pos else data
        if message.body is not None:
            self._keep(message, rest)
        message.size += len(rest)
        message.body_size = (message.body_size or 0) + len(rest)
        message.end_ns = seg.last_ns or seg.ts_ns
        if self.phase == ADRIFT and (rest.endswith(_LAST_CHUNK) or rest == b"0\r\n\r\n"):
            self._complete(message, message.body_size - 5, 0, None)
        return len(data)

    def _keep(self, message: Message, data: bytes) -> None:
        body = message.body
        if body is not None:
            before = body.kept
            body.add(data)
            self.shared.memory += body.kept - before

    def _complete(self, message: Message, body_size: int | None, marks: int, error: str | None) -> None:
        """The message is as whole as it will get."""
        message.body_size = body_size
        message.marks |= marks
        message.error = error
        self.message = self._chunks = None
        self.phase = HEAD
        if isinstance(message, Request):
            message.complete = True
            self.conversation.uploaded(message)
        elif isinstance(message, Response):
            self.conversation.answered(message, self._end_of(message))

    # -- what is no message ----------------------------------------------------------------------------------------------

    def _cruft(self, first: Segment, seq: int) -> None:
        """No message begins here. Before a server's first response it may be the answer of an HTTP/0.9 server: nothing but a body."""
        self.phase = SEEK
        if self.client:
            self.conversation.cruft()
        elif self.conversation.answers_simply():
            response = Response(
                NO_FIELDS, first.ts_ns, first.ts_ns, seq, first.ack if first.flags & ACK else UNKNOWN, 0, 0, NO_STATUS_LINE.marks
            )
            response.request = self.conversation.match(response)
            self.message, self.phase = response, CLOSE

    def _seek(self, data: bytes, pos: int, seq: int) -> int:
        """Look for the next message: at the start of a segment, or where it surely begins."""
        rest = data[pos:] if pos else data
        if begins_request(rest) if self.client else begins_response(rest):
            self.phase = HEAD
            return pos
        if self.client:
            match = _REQUEST_INSIDE.search(data, pos)
            place = match.end() if match else len(data)
        else:
            place = self.conversation.boundary(seq, pos, len(data))
            if place < len(data) and not begins_response(data[place:]):
                place = len(data)
        if place < len(data):
            self.phase = HEAD
        return place

    # -- holes and ends --------------------------------------------------------------------------------------------------

    def hole(self, count: int, seg: Segment, *, lost: bool) -> None:
        """``count`` bytes are missing here."""
        phase, message = self.phase, self.message
        if phase == OTHER:
            return
        if message is None:
            if self._buffer:
                self._broken_head(GAP)
            else:
                self.phase = SEEK
            self.conversation.lost(client=self.client)
            return
        known = count
        if phase == LENGTH:
            known = min(count, self._left)
            self._left -= known
        elif phase == CHUNKED and self._chunks is not None and not self._chunks.skip(count):
            self._drift(message, self._chunks)
            phase = ADRIFT
        message.size += known
        message.end_ns = max(message.end_ns, seg.last_ns or seg.ts_ns)
        if lost:
            message.marks |= GAP
        if message.body is not None:
            message.body.cut = True
        if phase in {CLOSE, ADRIFT}:
            message.body_size = (message.body_size or 0) + known
        elif phase == LENGTH and not self._left:
            self._complete(message, message.fields.length, 0, None)
            if count > known:
                self.phase = SEEK
                self.conversation.lost(client=self.client)

    def end(self, now_ns: int, error: str | None = None) -> None:
        """The stream ends; a message that is not complete ends with it."""
        if self.ended:
            return
        message, phase = self.message, self.phase
        if message is not None:
            whole = phase == CLOSE and error is None
            size = message.body_size
            if phase == LENGTH:
                size = (message.fields.length or 0) - self._left
            elif phase == CHUNKED and self._chunks is not None:
                size = self._chunks.size
            elif phase == CLOSE and error == "timeout":
                message.marks |= SIZE_ESTIMATED
            self._complete(message, size, 0, None if whole else error or "closed")
        elif phase == HEAD and self._buffer:
            if self.client:
                self.interrupt()
            else:
                self._broken_head(PROTOCOL_ERROR)
        self.ended = True
        self.conversation.ended(self, now_ns, error or "closed")

    def finish_upload(self) -> None:
        """The answer is there and so is everything that came of the request: its framing was lost, so this is its end."""
        if self.phase == ADRIFT and self.message is not None:
            self._complete(self.message, self.message.body_size, 0, None)
