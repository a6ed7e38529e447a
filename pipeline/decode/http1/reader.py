"""One direction of an HTTP/1 connection: ordered bytes → messages, handed to the conversation as they begin and end.

A tolerant observer of RFC 9112: it decodes what servers and clients would make of the bytes, marks what is doubtful, and finds
the next message again behind a hole or behind bytes that are no HTTP. It never raises and holds no more than one head.
"""

import re

import msgspec

from pipeline.decode.http1.bodies import CLOSED, HEAD, OTHER, SEEK, UNSEEN, BodyStream
from pipeline.decode.http1.fields import RARELY
from pipeline.decode.http1.recognition import (
    BLANKS,
    COMMON_REQUESTS,
    MAX_DOUBT,
    STATUS,
    begins_request,
    interrupts,
    may_begin_request,
    may_begin_response,
    preamble,
    request_inside,
    resumes_response,
)
from pipeline.decode.http1.startline import RequestLine, StatusLine, parse_request_line, parse_status_line
from pipeline.decode.marks import AMBIGUOUS_FRAMING, GAP, PROTOCOL_ERROR, TRUNCATED
from pipeline.decode.message import NO_FIELDS, UNKNOWN, Request, Response
from pipeline.decode.transport.tcp import MASK
from pipeline.model.records import ACK, Segment

CHUNKED_TOO_EARLY: dict[str | None, int] = dict.fromkeys(("1.0", "0.9"), AMBIGUOUS_FRAMING | PROTOCOL_ERROR)
"""Marks by version: before HTTP/1.1 chunked framing must be taken for faulty (RFC 9112, section 6.1)."""
CACHED_LINES = 2048
CACHED_LINE_BYTES = 512
"""Start lines repeat: health checks, polling, status lines. Full, the cache starts anew: at most 2 MB, commonly 0.5."""

_NOT_YET = BLANKS + b"P"
"""With what the place where a head should be may begin instead: blanks; or a header of the PROXY protocol."""
_STATUS_BEHIND = re.compile(rb"(?<=\n)" + STATUS.pattern.replace(b"(?i)", b""), re.IGNORECASE).search
_EMPTY_LINE = re.compile(rb"\n\r?\n").search
"""A head ends with an empty line; a line ends with CRLF or a bare LF (RFC 9112, section 2.2)."""


class Partial(msgspec.Struct, gc=False):
    """A head of which not all is there: its bytes, and the segment and sequence number at which it begins."""

    data: bytes
    first: Segment
    seq: int


class Reader(BodyStream, gc=False, eq=False):
    """One direction of a connection. ``led`` counts the blanks that stand in front of a response's head."""

    partial: Partial | None = None
    led: int = 0

    def data(self, data: bytes, seg: Segment, seq: int) -> None:
        """Read all of ``data``; how much each phase takes is its own business."""
        pos, size = 0, len(data)
        while pos < size:
            phase = self.phase
            if phase == HEAD:
                pos = self._head(data, pos, seg, seq)
            elif phase == SEEK:
                pos = self._seek(data, pos, seg, seq)
            elif phase == OTHER:
                return
            else:
                pos = self.body(data, pos, seg, seq)

    # -- heads -----------------------------------------------------------------------------------------------------------

    def _head(self, data: bytes, pos: int, seg: Segment, seq: int) -> int:
        """A head, or a part of one. Returns the place behind it, and behind the body where that is whole too."""
        if self.partial is not None:
            return self._head_continued(self.partial, data, pos, seg)
        if data[pos] in _NOT_YET:
            start, pos = pos, self._lead_in(data, pos)
            if not self.client:
                self.led += pos - start
            if pos == len(data):
                return pos
        empty = _EMPTY_LINE(data, pos)
        if empty is None:
            return self._incomplete(data, pos, seg, seq + pos & MASK)
        return self._begin(data, pos, empty.end(), seg, seg, seq + pos & MASK)

    def _lead_in(self, data: bytes, pos: int) -> int:
        """The place behind what may stand in front of a start line."""
        if self.client and data[pos] in b"P\r" and not self.conversation.sequence and not self.conversation.pending:
            pos = min(pos + preamble(data, pos), len(data))
        while pos < len(data) and data[pos] in BLANKS:
            pos += 1
        return pos

    def _head_continued(self, partial: Partial, data: bytes, pos: int, seg: Segment) -> int:
        """More of a head that came in parts. What is held is bounded, so joining it again for each part is, too."""
        held = len(partial.data)
        if self.client and not pos and interrupts(data, partial.data):
            self.release()
            self.conversation.cruft()
            return pos
        if not (self.client or pos) and resumes_response(data) and self.conversation.expects(partial.seq + held & MASK):
            # The client took the head for whole, as it went on with a request: an empty line that was none, such as CR CR LF.
            self._break_off(PROTOCOL_ERROR)
            return pos
        joined = partial.data + (data[pos:] if pos else data)
        if partial.data.startswith(b"PROXY ") and (skip := preamble(joined)):
            self.release()
            return pos + skip - held
        empty = _EMPTY_LINE(joined, max(0, held - 2))
        if empty is None:
            if held >= MAX_DOUBT or (may_begin_request(joined) if self.client else may_begin_response(joined)):
                self._hold(partial, joined)
                return len(data)
            self.release()
            return self._disappointed(joined[:held], partial, pos, self._cruft(partial.first, partial.seq))
        self.release()
        done = self._begin(joined, 0, empty.end(), seg, partial.first, partial.seq)
        return self._disappointed(joined[:held], partial, pos, done)

    def _disappointed(self, held: bytes, partial: Partial, pos: int, done: int) -> int:
        """Where to go on in a segment when ``done`` bytes of what was held and of it are done with; none: they are a body."""
        if not done:
            self.body(held, 0, partial.first, partial.seq)
        return pos + max(0, done - len(held))

    def _incomplete(self, data: bytes, start: int, seg: Segment, seq: int) -> int:
        """The end of the head is not here yet: keep what there is, unless it can be no head. Returns where to go on."""
        head = data[start:] if start else data
        if not (may_begin_request(head) if self.client else may_begin_response(head)):
            return start + self._cruft(seg, seq)
        self._hold(Partial(b"", seg, seq), head)
        return len(data)

    def _hold(self, partial: Partial, head: bytes) -> None:
        self.shared.memory += len(head) - len(partial.data)
        partial.data = head
        self.partial = partial
        if len(head) > self.shared.max_head:
            self._break_off(TRUNCATED)

    def release(self) -> None:
        """Let go of a head that is not complete."""
        if self.partial is not None:
            self.shared.memory -= len(self.partial.data)
            self.partial = None

    def _begin(self, data: bytes, start: int, stop: int, seg: Segment, first: Segment, seq: int) -> int:  # noqa: PLR0913, PLR0917  hot
        """A whole head, ``data[start:stop]``, begins a message, if it is one. Returns where to go on."""
        end = data.find(b"\n", start)
        line = data[start : end - 1 if data[end - 1] == 13 else end]
        block = data[end:stop]
        shared = self.shared
        ack = first.ack if first.flags & ACK else UNKNOWN
        head = data[start:stop] if shared.keep_heads else None
        if self.client:
            request_line = shared.request_lines.get(line) or self._request_line(line, data, end, stop)
            if request_line is None:
                return start + self._cruft(first, seq)
            fields = shared.request_fields.seen.get(block) or shared.request_fields.whole(block)
            marks = request_line.marks | fields.marks | (fields.chunked and CHUNKED_TOO_EARLY.get(request_line.version, 0))
            if not fields.hosted and request_line.version == "1.1":
                marks |= PROTOCOL_ERROR  # RFC 9112, section 3.2
            request = Request(
                fields, first.ts_ns, seg.ts_ns, seq, ack, stop - start, 0, marks, None, head, None, 0, request_line, fields.bare
            )  # fmt: skip
            if fields.coded:
                # RFC 9112, section 6.3: "the server MUST respond with the 400 status code and then close the connection".
                self.phase = SEEK
                request.complete = True
            elif not fields.bare:
                self.begin_body(request, fields.length)
            self.conversation.requested(request)
            return stop
        status_line = shared.status_lines.get(line) or self._status_line(line)
        if status_line is None:
            behind = _STATUS_BEHIND(data, start, stop)
            if behind is None:
                return start + self._cruft(first, seq)
            self._junk(seq, behind.start() - start)
            return behind.start()
        fields = shared.response_fields.seen.get(block) or shared.response_fields.whole(block)
        marks = status_line.marks | fields.marks | (fields.chunked and CHUNKED_TOO_EARLY.get(status_line.version, 0))
        response = Response(
            fields, first.ts_ns, seg.ts_ns, seq, ack, stop - start, 0, marks, None, head, None, 0, status_line
        )  # fmt: skip
        if self.led:
            self._lead(response)
        return self._respond(response, data, stop)

    def _junk(self, seq: int, size: int) -> None:
        """Lines in front of a status line: what a script printed too early or, where more wait, the answer to another."""
        conversation = self.conversation
        if len(conversation.waiting) > 1:
            conversation.lost(self, seq, seq + size & MASK, 0, PROTOCOL_ERROR)
        elif conversation.pending:
            conversation.pending[0].marks |= PROTOCOL_ERROR

    def _request_line(self, line: bytes, data: bytes, end: int, stop: int) -> RequestLine | None:
        parsed = parse_request_line(line)
        if parsed is None:
            return None
        if parsed.version == "0.9" and not (line[:4] in COMMON_REQUESTS and line.count(b" ") == 1) and b":" not in data[end:stop]:
            # A line without a version may be any protocol's, unless it is a common method and a target, or fields follow it.
            return None
        shared = self.shared
        shared.lines_missed += 1
        if not shared.lines_missed & RARELY and len(line) <= CACHED_LINE_BYTES:
            cache = shared.request_lines
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

    def _lead(self, response: Response) -> None:
        """Blanks in front belong to it from where its request acknowledges what came before."""
        led, self.led = self.led, 0
        begin = response.seq - led & MASK
        place = min(self.conversation.boundaries(begin, 0, led), default=led)
        response.seq = begin + place & MASK
        response.size += led - place

    # -- heads that are not whole ----------------------------------------------------------------------------------------

    def _break_off(self, mark: int, error: str | None = None, added: int = 0) -> None:
        """The rest of a head will not be understood: report what its lines so far say, then look for the next message.

        ``error`` says what cut it off; ``added`` bytes of it are ours.
        """
        partial = self.partial
        self.release()
        self.phase = SEEK
        line, newline, rest = partial.data.partition(b"\n") if partial is not None else (b"", b"", b"")
        endless = not newline and self.client and mark == TRUNCATED  # a target that is longer than any head may be
        if endless:
            line += b" HTTP/1.1"
        if partial is None or not (newline or endless):
            begin = self.next_seq if partial is None else partial.seq
            end = begin if partial is None else begin + len(partial.data) & MASK
            if partial is not None and mark == PROTOCOL_ERROR:
                self.shared.count("decoder_skipped_bytes", len(partial.data))
                if not self.client:
                    self.conversation.uncalled_for(UNKNOWN, apart=True)
            self.conversation.lost(self, begin, end, 1, GAP if mark == GAP else PROTOCOL_ERROR)
            return
        line = line.removesuffix(b"\r")
        first, size = partial.first, len(partial.data) - added
        head = partial.data if self.shared.keep_heads else None
        ack = first.ack if first.flags & ACK else UNKNOWN
        lines = rest.rpartition(b"\n")[0] + b"\n"
        request_line = self._request_line(line, rest, 0, len(rest)) if self.client else None
        status_line = None if self.client else parse_status_line(line)
        if request_line is not None:
            if endless:
                request_line = msgspec.structs.replace(request_line, version=None)
            fields = self.shared.request_fields.parse(lines)
            body = 0 if request_line.version == "0.9" else None
            request = Request(
                fields, first.ts_ns, first.ts_ns, partial.seq, ack, size, body, request_line.marks | mark, None, head
            )
            request.line, request.complete = request_line, True
            self.conversation.requested(request)
        elif status_line is not None and (status_line.status or 0) >= 200:
            fields = self.shared.response_fields.parse(lines)
            response = Response(
                fields, first.ts_ns, first.ts_ns, partial.seq, ack, size, None, status_line.marks | mark, None, head
            )
            response.line, response.error = status_line, error or None
            if self.led:
                self._lead(response)
            response.request = self.conversation.match(response)
            self.conversation.answered(response, UNKNOWN)

    def interrupt(self, mark: int = PROTOCOL_ERROR) -> None:
        """The other side answers a head that is not complete, or it ends: take it for what it is (HTTP/0.9 is but a line)."""
        partial = self.partial
        if partial is not None:
            added = b"\n" not in partial.data
            if added:
                partial.data += b"\n"
                self.shared.memory += 1
            line = parse_request_line(partial.data.partition(b"\n")[0].removesuffix(b"\r"))
            simple = line is not None and line.version == "0.9" and mark == PROTOCOL_ERROR
            self._break_off(0 if simple else mark, added=added)

    # -- how a response's body is framed: RFC 9112, section 6.3 ----------------------------------------------------------

    def _respond(self, response: Response, data: bytes, stop: int) -> int:
        """A response whose head ends at ``data[stop]``. Returns where to go on: behind its body when that is here already."""
        conversation = self.conversation
        status = response.line.status or 0
        if 100 <= status < 200 and status != 101:
            conversation.interim(response.seq, response.seq + response.size & MASK)
            return stop
        request = response.request = conversation.match(response)
        length = response.fields.length
        method = request.line.method if request is not None else None
        if status == 101 or (method == "CONNECT" and 200 <= status < 300):
            conversation.answered(response, UNKNOWN)
            conversation.switched(status)
            return stop
        if method == "HEAD" or status in {204, 304}:
            length, stop = 0, self._uncalled_for(response, data, stop)
        elif length is None:
            self.begin_body(response, None)
            return stop
        if length and (request is None or len(data) - stop < length or self.shared.bodies is not None):
            self.begin_body(response, length)
            return stop
        if length < len(data) - stop:
            response.marks |= self.surplus(data, stop + length)
        response.size += length
        response.body_size = length
        conversation.answered(response, response.seq + response.size & MASK)
        return stop + length

    def _uncalled_for(self, response: Response, data: bytes, stop: int) -> int:
        """The place behind a body that comes with a response which has none (RFC 9110, sections 9.3.2, 15.3.5 and 15.4.5).

        Only what stands in the same segment can be told from the next response, and is a part of the response's size.
        """
        rest = data[stop : stop + MAX_DOUBT].lstrip(BLANKS)
        if not rest or may_begin_response(rest):
            return stop
        announced = stop + (response.fields.length or 0)
        if stop < announced <= len(data) and not data[announced:].strip(BLANKS):
            end = announced
        else:
            end = min(
                self.conversation.boundaries(response.seq + response.size - stop & MASK, stop, len(data)), default=len(data)
            )
            following = STATUS.search(data, stop, end)
            end = end if following is None else following.start()
            if self.conversation.waiting:
                # Some of it may be the answers to others.
                begin = response.seq + response.size & MASK
                self.conversation.lost(self, begin, begin + end - stop & MASK, 0, PROTOCOL_ERROR)
        response.size += end - stop
        response.marks |= PROTOCOL_ERROR
        return end

    # -- what is no message ----------------------------------------------------------------------------------------------

    def _cruft(self, first: Segment, seq: int) -> int:
        """No message begins here. A server's first bytes may be the answer of an HTTP/0.9 server: nothing but a body.

        Returns how many bytes are done with, so that no byte is looked at twice with the same eyes.
        """
        self.phase = SEEK
        if self.client:
            self.conversation.cruft()
        elif self.conversation.answers_simply():
            ack = first.ack if first.flags & ACK else UNKNOWN
            response = Response(NO_FIELDS, first.ts_ns, first.ts_ns, seq, ack, 0, 0)
            if self.led:
                self._lead(response)
            response.request = request = self.conversation.match(response)
            response.marks = 0 if request is not None and request.line.version == "0.9" else PROTOCOL_ERROR
            self.begin_body(response, None)
            return 0
        else:
            self.conversation.uncalled_for(first.ack if first.flags & ACK else UNKNOWN, apart=seq == first.seq)
            self.conversation.lost(self, seq, seq + 1 & MASK, 0, PROTOCOL_ERROR)
            self.led = 0
        self.shared.count("decoder_skipped_bytes", 1)
        return 1

    def _seek(self, data: bytes, pos: int, seg: Segment, seq: int) -> int:
        """Look for the next message: at the start of a segment, or where it surely begins."""
        if not pos and (self._request_resumes(data, seq) if self.client else resumes_response(data)):
            self.phase = HEAD
            return pos
        if self.client:
            place = request_inside(data, pos)
            if place < 0:
                place = len(data)
        else:
            place = self._response_inside(data, pos, seq)
        if place > pos:
            self.shared.count("decoder_skipped_bytes", place - pos)
            self.conversation.passed(self, seq + pos & MASK, seq + place & MASK, seg.ack if seg.flags & ACK else UNKNOWN)
        if place < len(data):
            self.phase = HEAD
        return place

    def _request_resumes(self, data: bytes, seq: int) -> bool:
        return begins_request(data) or (self.conversation.asks(seq) and may_begin_request(data))

    def _response_inside(self, data: bytes, pos: int, seq: int) -> int:
        """Where in ``data[pos:]`` a response begins, by the acknowledgement numbers of requests; its end for nowhere.

        Of a client that waits, whatever stands there: it may be no response, and then it is all that the request got.
        """
        for place in self.conversation.boundaries(seq, pos, len(data)):
            if self.conversation.turn(seq + place & MASK) or resumes_response(data[place:]):
                return place
        return len(data)

    # -- holes and ends --------------------------------------------------------------------------------------------------

    def hole(self, count: int, seg: Segment, *, lost: bool) -> None:
        """``count`` bytes are missing here."""
        if self.phase == OTHER:
            return
        message = self.message
        if isinstance(message, Response) and message.request is None and self.conversation.asks_head(message):
            self.bodiless(message)
            message = self.message
        elif message is not None and not self.client and self.outlived(message, self.next_seq - count & MASK):
            self.complete(message, self.so_far(message), PROTOCOL_ERROR, None)
            message = None
        if message is not None:
            if isinstance(message, Response) and message.request is None and not self.so_far(message):
                # It may answer a HEAD, and what is missing be the next response.
                self.conversation.lost(self, self.next_seq - count & MASK, self.next_seq, 0)
            count = self.body_hole(message, count, seg, lost=lost)
            if not count:
                return
        # Where a message must begin, one at least has begun in the hole.
        least = int(self.phase == HEAD and self.partial is None)
        if self.partial is not None:
            self._break_off(GAP)
        self.led, self.phase = 0, SEEK
        mark = 0 if self.unheard == self.next_seq else GAP  # a capture of one direction is not without anything
        self.conversation.lost(self, self.next_seq - count & MASK, self.next_seq, least, mark)

    def end(self, now_ns: int, error: str | None = None) -> None:  # noqa: ARG002  streams end at a time, messages with their last byte
        """The stream ends; a message that is not complete ends with it."""
        if self.ended:
            return
        if self.message is not None:
            self.body_end(self.message, error)
        elif self.partial is not None:
            mark = GAP if error == UNSEEN else PROTOCOL_ERROR
            if self.client:
                self.interrupt(mark)
            else:
                self._break_off(mark, CLOSED if error is None else error)
        self.ended, self.phase = True, OTHER
        self.conversation.ended(self, CLOSED if error is None else error)
