"""How the end of a body is found (RFC 9112, section 6), and a body while it is being read. Bytes in, counts out.

Two tables. Which framing a message has, the first line that applies (section 6.3):

==========================================  ==================================================================================
a response                                  framing
==========================================  ==================================================================================
to HEAD; with status 204 or 304             none
with status 1xx                             none, and the final response is still to come
101, or 2xx to CONNECT                      none, and another protocol follows
with a last coding that is chunked          chunked
with Content-Length                         length
any other                                   until the connection closes
==========================================  ==================================================================================

A request has none without Content-Length and Transfer-Encoding; one whose last coding is not chunked cannot be framed at all.

And what becomes of a framing on the way (``Framing``), here as lines of one table:

================  ========================  ===================================================================================
framing           what happens              then
================  ========================  ===================================================================================
LENGTH            so many bytes             done
LENGTH            a gap                     LENGTH, with fewer bytes to come; a gap may reach beyond the end
CHUNKED           the last chunk            done
CHUNKED           a gap inside a chunk      CHUNKED
CHUNKED           another gap, or a line    DESYNCHRONISED: bytes are counted as they come, framing and all
                  that is not a chunk size
DESYNCHRONISED    a last chunk that ends a  done
                  segment
DESYNCHRONISED    a request line inside a   done: a server that does not see the fault takes it for the next request
                  faulty upload             (section 7.1)
UNTIL_CLOSE       the end of the stream     done
================  ========================  ===================================================================================
"""

from collections.abc import Mapping

import msgspec

from pipeline.decode.http1.chunked import Chunks
from pipeline.decode.http1.recognition import request_inside
from pipeline.decode.marks import AMBIGUOUS_FRAMING, GAP, PROTOCOL_ERROR, SIZE_ESTIMATED
from pipeline.decode.message import Framing, Message

NONE, LENGTH, CHUNKED, UNTIL_CLOSE, DESYNCHRONISED = Framing
CHUNKED_TOO_EARLY: Mapping[str | None, int] = dict.fromkeys(("1.0", "0.9"), AMBIGUOUS_FRAMING | PROTOCOL_ERROR)
"""Marks by version: before HTTP/1.1 chunked framing must be taken for faulty (RFC 9112, section 6.1)."""
_LAST_CHUNK = (b"\r\n0\r\n\r\n", b"\n0\n\n")
_LONE_LAST_CHUNK = b"0\r\n\r\n"


class Body(msgspec.Struct, gc=False):
    """A body while it is being read. Its message counts the bytes."""

    message: Message
    client: bool
    chunks: Chunks | None = None
    done: bool = False

    @property
    def left(self) -> int:
        """The bytes to come of a body of known length."""
        return (self.message.fields.length or 0) - (self.message.body_size or 0)

    def feed(self, data: bytes, pos: int) -> int:
        """Take from ``data[pos:]`` what belongs to it. Returns the place behind that; ``done`` where it is whole then."""
        message = self.message
        framing = message.framing
        if framing is CHUNKED and self.chunks is not None:
            chunks = self.chunks
            stop = chunks.feed(data, pos, message.content)
            message.size += stop - pos
            message.body_size = chunks.size
            self.done = chunks.done
            if chunks.broken:
                message.marks |= PROTOCOL_ERROR
                self._lose_place()
            return stop
        if framing is DESYNCHRONISED:
            return self._desynchronised(data, pos)
        size = len(data) - pos
        if framing is LENGTH:
            left = self.left
            size = min(size, left)
            self.done = size == left
        if message.content is not None:
            message.content.add(data[pos : pos + size])
        message.size += size
        message.body_size += size  # type: ignore[operator]  # known while it is read
        return pos + size

    def cross(self, count: int) -> None:
        """``count`` bytes are missing here: find out whether the place in the framing is still known."""
        if self.message.framing is CHUNKED and not (self.chunks is not None and self.chunks.skip(count)):
            self._lose_place()

    def skip(self, count: int) -> int:
        """Count bytes that are missing, behind ``cross``. Returns how many lie behind the body; ``done`` where it ends there."""
        message = self.message
        if message.content is not None:
            message.content.cut = True
        if message.framing is CHUNKED and self.chunks is not None:
            message.size += count
            message.body_size = self.chunks.size
            return 0
        known = count
        if message.framing is LENGTH:
            known = min(count, self.left)
            self.done = known == self.left
        message.size += known
        message.body_size = (message.body_size or 0) + known
        return count - known

    def _desynchronised(self, data: bytes, pos: int) -> int:
        """Count bytes until the last chunk ends a segment, or until a client's next request.

        RFC 9112, section 7.1: a chunk size that overflows is an error; a server that does not see it takes what follows for a
        request. Behind a gap such a line is more likely a part of the body.
        """
        message = self.message
        stop = request_inside(data, pos) if self.client and message.marks & (PROTOCOL_ERROR | GAP) == PROTOCOL_ERROR else -1
        part = data[pos:] if stop < 0 else data[pos:stop]
        if message.content is not None:
            message.content.add(part)
        message.size += len(part)
        message.body_size = (message.body_size or 0) + len(part)
        if stop >= 0:
            self.done = True
        elif part.endswith(_LAST_CHUNK) or part == _LONE_LAST_CHUNK:
            message.body_size -= len(_LONE_LAST_CHUNK)
            self.done = True
        return pos + len(part)

    def _lose_place(self) -> None:
        """From here on bytes are counted as they come, framing and all."""
        message = self.message
        message.marks |= SIZE_ESTIMATED
        if message.content is not None:
            message.content.cut = True
        self.chunks = None
        message.framing = DESYNCHRONISED
