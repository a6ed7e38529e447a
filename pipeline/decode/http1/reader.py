"""One direction of an HTTP/1 connection: ordered bytes → messages, handed to pairing as they begin and end.

A tolerant observer of RFC 9112: it decodes what servers and clients would make of the bytes, marks what is doubtful, and finds
the next message again behind a gap or behind bytes that are not HTTP. It never raises and holds no more than one head.
"""

import re

from pipeline.decode.http1 import requests, response_bodies, responses
from pipeline.decode.http1.framing import CHUNKED, DESYNCHRONISED, LENGTH, UNTIL_CLOSE, Body
from pipeline.decode.http1.phase import BODY, FOUND, HEAD, OTHER, SEEK, UNREADABLE, Step
from pipeline.decode.http1.recognition import BLANKS, ENOUGH_OF_HEAD, may_begin_request, may_begin_response
from pipeline.decode.http1.state import Partial, State
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, SIZE_ESTIMATED, TRUNCATED
from pipeline.decode.position import MASK, UNKNOWN, At, StreamPosition, behind
from pipeline.decode.protocol import UNNAMED, End, Missing, Switch

_OTHERS = (b"\0", b"\x16", b"PRI")
"""With what another protocol may begin that is read here: HTTP/2 in the middle, TLS, HTTP/2."""
_NOT_YET = BLANKS + b"P\0\x16"
"""With what the place where a head should be may begin instead: blanks; a header of the PROXY protocol; another protocol."""
_EMPTY_LINE = re.compile(rb"\n\r?\n").search
"""A head ends with an empty line; a line ends with CRLF or a bare LF (RFC 9112, section 2.2)."""


class Reader(State, gc=False, eq=False):
    """Reads a direction: what comes in changes its ``State``."""

    # -- what the transport tells: ``Protocol`` ----------------------------------------------------------------------------

    def data(self, data: bytes, at: At) -> Switch | None:
        """Read all of ``data``; how much each phase takes is its own business."""
        pos, size = 0, len(data)
        while pos < size:
            phase = self.phase
            if phase is HEAD:
                pos = self._head(data, pos, at)
            elif phase is BODY:
                pos = self._in_body(data, pos, at)
            elif phase is SEEK:
                pos = self._seek(data, pos, at)
            else:
                if self.upgrade is None:
                    return None
                return Switch(self.upgrade, self.early + data[pos:], behind(at, pos), self.accepted)
        return None

    def gap(self, count: int, at: At, why: Missing) -> None:
        """``count`` bytes are missing here."""
        if self.phase is OTHER:
            self.skipped = True
            return
        end = at.seq + count & MASK
        if self.body is not None:
            count = self._gap_in_body(self.body, count, at, why)
            if not count:
                return
        # Where a message must begin, one at least has begun in the gap.
        least = int(self.phase is HEAD and self.partial is None)
        if self.partial is not None:
            self._break_off(GAP)
        self.led = 0
        self.go(Step.GAP)
        self.lost(end - count & MASK, end, least, 0 if why is Missing.UNSEEN else GAP)

    def end(self, why: End) -> None:
        """The stream ends; a message that is not complete ends with it."""
        if self.body is not None:
            self._end_in_body(self.body, why)
        elif self.partial is not None:
            mark = GAP if why is End.UNSEEN else PROTOCOL_ERROR
            if self.client:
                requests.take_as_it_is(self, mark)
            else:
                responses.break_off(self, mark, why.error)
        self.phase = OTHER
        self.pairing.ended(why.error, client=self.client)

    def caught_up(self) -> None:
        """Look at what has become certain about ambiguous pairs."""
        if self.pairing.ambiguous is not None:
            self.finish(self.pairing.review())

    def opened_at(self, seq: int) -> None:
        """The connection began with the client's byte ``seq``."""
        self.pairing.opened_at(seq)

    def overdue(self) -> None:
        """The requests that wait have waited for too long."""
        self.pairing.overdue()

    def release(self) -> None:
        """The connection is over. Nobody looks for cycles of readers: see ``Direction``."""
        for each in (self, self.peer):
            if each.partial is not None:
                each.take_head()
        del self.peer

    @property
    def waiting(self) -> bool:
        """Whether requests wait for their responses."""
        return bool(self.pairing.pending) or self.pairing.ambiguous is not None

    @property
    def busy(self) -> bool:
        """The same, or a response is being read."""
        return self.waiting or self.pairing.answering is not None

    @property
    def held_bytes(self) -> int:
        """Bytes of heads that are not whole, of bodies, and of what waits."""
        heads = sum(len(each.partial.data) for each in (self, self.peer) if each.partial is not None)
        return heads + self.pairing.held_bytes

    def behind_unread(self, upto: int) -> None:
        """Of this direction bytes have come that nobody could read; ``upto`` there they may have been a response, if known."""
        self.go(UNREADABLE)
        if upto != UNKNOWN:
            self.lost(upto - 1 & MASK, upto, 0, PROTOCOL_ERROR)

    def replaced(self, why: End) -> None:
        """Another protocol follows, so that nothing more comes of either direction; what waits is reported."""
        for each in (self, self.peer):
            each.end(why)  # type: ignore[attr-defined]  # a reader, too
        self.pairing.flush(why.error)
        self.release()

    # -- heads -----------------------------------------------------------------------------------------------------------

    def _head(self, data: bytes, pos: int, at: At) -> int:
        """A head, or a part of one. Returns the place behind it, and behind the body where that is whole too."""
        if self.partial is not None:
            return self._head_continued(self.partial, data, pos, at)
        if data[pos] in _NOT_YET:
            pos = requests.lead_in(self, data, pos) if self.client else responses.lead_in(self, data, pos)
            if pos == len(data) or self._is_other(data, pos):
                return pos
        empty = _EMPTY_LINE(data, pos)
        if empty is None:
            return self._incomplete(data, pos, at)
        if self.client:
            return requests.begins(self, data, pos, empty.end(), at, at.ts_ns, at.seq + pos & MASK)
        return responses.begins(self, data, pos, empty.end(), at, at.ts_ns, at.seq + pos & MASK)

    def _head_continued(self, partial: Partial, data: bytes, pos: int, at: At) -> int:
        """More of a head that came in parts. What is held is bounded, so joining it again for each part is, too."""
        held = len(partial.data)
        place = requests.interrupted(self, partial, data, pos) if self.client else responses.interrupted(self, partial, data, pos)
        if place is not None:
            return place
        joined = partial.data + (data[pos:] if pos else data)
        if self._is_other(joined, 0) or (not pos and self._is_other(data, 0)):
            self.early = partial.data if joined.startswith(_OTHERS) else b""
            self.take_head()
            return pos
        empty = _EMPTY_LINE(joined, max(0, held - 2))
        if empty is None and (held >= ENOUGH_OF_HEAD or self._may_begin(joined)):
            self._hold(partial, joined)
            return len(data)
        self.take_head()
        if empty is None:
            done = self._garbage(partial.at, partial.seq)
        elif self.client:
            done = requests.begins(self, joined, 0, empty.end(), partial.at, at.ts_ns, partial.seq)
        else:
            done = responses.begins(self, joined, 0, empty.end(), partial.at, at.ts_ns, partial.seq)
        if not done:  # a body and nothing else
            begun = partial.at
            self._in_body(joined[:held], 0, StreamPosition(partial.seq, begun.ts_ns, begun.last_ns, begun.ack))
        return pos + max(0, done - held)

    def _incomplete(self, data: bytes, start: int, at: At) -> int:
        """The end of the head is not here yet: keep what there is, unless it cannot be a head. Returns where to go on."""
        head = data[start:] if start else data
        seq = at.seq + start & MASK
        if not self._may_begin(head):
            return start + self._garbage(at, seq)
        self._hold(Partial(b"", at, seq), head)
        return len(data)

    def _hold(self, partial: Partial, head: bytes) -> None:
        if not self.hold(partial, head):
            self._break_off(TRUNCATED)

    def _may_begin(self, data: bytes) -> bool:
        """Whether this can be the beginning, however short, of a start line."""
        return may_begin_request(data) if self.client else may_begin_response(data)

    def _is_other(self, data: bytes, pos: int) -> bool:
        """Whether another protocol surely begins at ``data[pos:]``: then no more is read here."""
        found = data.startswith(_OTHERS, pos) and self.context.shared.other(data[pos:])
        if found:
            self.go(Step.SWITCHED)
            self.upgrade = UNNAMED
        return found

    def _garbage(self, first: At, seq: int) -> int:
        """No message begins at ``seq``. Returns how many bytes are done with, so that none is looked at again in the same way."""
        return requests.garbage(self) if self.client else responses.garbage(self, first, seq)

    def _break_off(self, mark: int) -> None:
        """The rest of a head will not be understood: report what its lines so far say, then look for the next message."""
        if self.client:
            requests.break_off(self, mark)
        else:
            responses.break_off(self, mark)

    # -- bodies ----------------------------------------------------------------------------------------------------------

    def _in_body(self, data: bytes, pos: int, at: At) -> int:
        """Bytes of the body in ``data[pos:]``. Returns the place behind those that belong to it."""
        body = self.body
        if body is None:  # cannot be
            self.phase = SEEK
            return pos
        client = self.client
        if not pos:
            next_begins = requests.next_begins if client else response_bodies.next_begins
            if next_begins(self, body, data, at.seq) or self.body is not body:
                return pos
        message = body.message
        message.end_ns = at.last_ns or at.ts_ns
        content, framing = message.content, message.framing
        if content is None:
            size = len(data) - pos
            if framing is LENGTH and size < message.fields.length - message.body_size:  # type: ignore[operator]  # as nearly always
                message.size += size
                message.body_size += size  # type: ignore[operator]  # both are known then
                return pos + size
            stop = body.feed(data, pos)
        else:
            before = content.kept
            stop = body.feed(data, pos)
            self.context.shared.memory += content.kept - before
        if body.done:
            self.end_body(message, 0 if client else response_bodies.surplus(self, data, stop), None)
        elif framing is CHUNKED and message.framing is DESYNCHRONISED and not client:
            response_bodies.desynchronised(self, message)
        return stop

    def _gap_in_body(self, body: Body, count: int, at: At, why: Missing) -> int:
        """``count`` bytes are missing inside the body. Returns how many of them lie behind it."""
        message = body.message
        if not self.client:
            beyond = response_bodies.ends_at_gap(self, body, count, at)
            if beyond is not None:
                return beyond
        body.cross(count)
        if message.framing is DESYNCHRONISED:
            self.lost(at.seq, at.seq + count & MASK, 0, GAP)
        beyond = body.skip(count)
        message.end_ns = max(message.end_ns, at.last_ns or at.ts_ns)
        if why is not Missing.LEFT_OUT:
            message.marks |= GAP
        if body.done:
            self.end_body(message, 0, None)
        return beyond

    def _end_in_body(self, body: Body, why: End) -> None:
        """The stream ends inside the body; only one that lasts until then is whole."""
        message = body.message
        endless = message.framing is UNTIL_CLOSE
        marks = 0
        if why is End.TIMEOUT:
            marks = SIZE_ESTIMATED  # more may come, and nobody will count it
        elif why is End.UNSEEN:
            marks = SIZE_ESTIMATED if endless else GAP
        self.end_body(message, marks, None if endless and why is End.FINISHED else why.error)

    # -- what is not a message ----------------------------------------------------------------------------------------------

    def _seek(self, data: bytes, pos: int, at: At) -> int:
        """Look for the next message: at the start of a segment, or where it surely begins."""
        if not pos and self._is_other(data, pos):
            return pos
        place = requests.resumes(self, data, pos, at.seq) if self.client else responses.resumes(self, data, pos, at.seq)
        if place > pos:
            self.context.shared.count("decoder_skipped_bytes", place - pos)
            self.passed(at.seq + pos & MASK, at.seq + place & MASK, at.ack)
        if place < len(data):
            self.go(FOUND)
        return place
