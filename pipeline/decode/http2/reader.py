"""One direction of an HTTP/2 connection: ordered bytes → frames → bodies, counted, and fragments of header blocks.

It holds a part of one frame at the most; a body is never held. Bytes that are missing inside a frame cost that frame, as its
header says where the next one begins; others cost the place, and then the next frame is looked for. Flow control, priorities
and what else does not change a message pass by. What header blocks say is not its business, but that of ``HeaderBlocks``.
"""

from enum import IntEnum

import msgspec

from pipeline.decode.grpc import Messages
from pipeline.decode.http2 import frames
from pipeline.decode.http2.context import Context
from pipeline.decode.http2.frames import (
    CONTINUATION,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADER,
    PADDED,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    is_chain,
    is_plausible,
    is_valid,
    second_of_three,
    unpack_header,
)
from pipeline.decode.http2.header_blocks import BEGINS_BLOCK, HeaderBlocks
from pipeline.decode.http2.hpack import Hpack
from pipeline.decode.http2.stream import Stream, Tunnel
from pipeline.decode.http2.streams import Streams
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, SIZE_ESTIMATED, TRUNCATED
from pipeline.decode.message import Message
from pipeline.decode.position import At
from pipeline.decode.protocol import End, Missing

_TAKEN_WHOLE = frozenset((*BEGINS_BLOCK, RST_STREAM, GOAWAY, CONTINUATION))
"""Frames that are read when all of them is here."""


class Phase(IntEnum):
    """What the next byte is."""

    START = 0  # the first of the direction
    FRAME = 1  # of a frame header, or of a frame that is held
    PAYLOAD = 2  # of a payload that is not held
    SEEK = 3  # nobody knows
    ENDED = 4


START, FRAME, PAYLOAD, SEEK, ENDED = Phase


class Reader(msgspec.Struct, gc=False, eq=False):
    """``client``: it carries requests. ``peer`` reads the other direction, and both share ``streams``.

    ``held`` is the beginning of a frame, of which the first byte came at ``held_ns``. In a payload ``left`` bytes are still to
    come, ``padding`` of them at its end; where they are a body, ``stream`` and ``message`` say whose, ``flags`` are the frame's.
    """

    client: bool
    context: Context
    streams: Streams
    blocks: HeaderBlocks
    phase: Phase = START
    held: bytes = b""
    held_ns: int = 0
    left: int = 0
    padding: int = 0
    flags: int = 0
    stream: Stream | None = None
    message: Message | None = None
    messages: Messages | None = None
    tunnel: Tunnel | None = None
    peer: "Reader" = None  # type: ignore[assignment]  # set as soon as both are there

    # -- what the transport tells: ``Protocol`` ----------------------------------------------------------------------------

    def data(self, data: bytes, at: At) -> None:
        """Read all of ``data``."""
        begun = at.ts_ns
        if self.held:
            begun = self.held_ns
            data = self.held + data
            self._hold(b"", 0)
        pos = 0
        phase = self.phase
        if phase is not FRAME:
            if phase is PAYLOAD:
                pos = self._payload(data, 0, at)
            elif phase is START:
                pos = self._start(data, begun)
            elif phase is SEEK:
                pos = self._seek(data)
            else:
                return
        self._frames(data, pos, begun, at)

    def _frames(self, data: bytes, pos: int, begun: int, at: At) -> None:
        """Frames from ``data[pos:]`` on, of which the first one's first byte came at ``begun``."""
        size = len(data)
        while self.phase is FRAME and size - pos >= HEADER:
            high, low, kind, flags, number = unpack_header(data, pos)
            length, number = high << 8 | low, number & 0x7FFFFFFF
            if not is_valid(length, kind, number):
                self._lose_place(at.ts_ns, PROTOCOL_ERROR, Missing.LOST)
                self.context.shared.count("decoder_skipped_bytes", size - pos)
                return
            if kind in _TAKEN_WHOLE:
                if pos + HEADER + length > size and length <= self.context.max_head:
                    break
                pos = self._whole(data, pos, (length, kind, flags, number), begun, at)
            else:
                if self.blocks.partial is not None:
                    self.blocks.interrupted()
                padded = kind == DATA and flags & PADDED and length
                if padded and pos + HEADER == size:
                    break  # how much of it is padding is not here yet
                if kind == DATA:
                    self._begin_body(data, pos, length, flags, number)
                else:
                    self._pass_by(length)
                pos = self._payload(data, pos + HEADER + bool(padded), at)
            begun = at.ts_ns
        if pos < size and self.phase is FRAME:
            self._hold(data[pos:] if pos else data, begun)

    def go_on(self, hpack: Hpack, held: bytes, held_ns: int) -> None:
        """Read on where somebody else stood: in front of a frame, of which ``held`` has come."""
        self.blocks.go_on(hpack)
        self._hold(held, held_ns)

    def gap(self, count: int, at: At, why: Missing) -> None:
        """``count`` bytes are missing here."""
        if self.phase is ENDED:
            return
        if self.phase is FRAME and len(self.held) >= HEADER:
            self._skip_held(at)
        if self.phase is PAYLOAD:
            count = self._gap_in_payload(count, at, why)
            if not count:
                return
        if self.phase is not SEEK or why is Missing.UNSEEN:
            self._lose_place(at.ts_ns, GAP, why)

    def end(self, why: End) -> None:
        """The stream of bytes ends."""
        streams = self.streams
        self.phase = ENDED
        self.stream = self.message = self.messages = self.tunnel = None
        self._hold(b"", 0)
        self.blocks.forget()
        other = streams.responses if self.client else streams.requests
        if other.ended or (not self.client and not streams.requests.incomplete):
            streams.flush(why)

    def caught_up(self) -> None:
        """Look at answers that waited for their requests."""
        self.streams.review()

    def opened_at(self, seq: int) -> None:
        """That the connection is whole is told by its preface."""

    def overdue(self) -> None:
        """What is open has waited for too long."""
        self.streams.flush(End.TIMEOUT)

    def release(self) -> None:
        """The connection is over. Nobody looks for cycles of readers: see ``Direction``."""
        self.streams.flush(End.UNSEEN)
        for each in (self, self.peer):
            each._hold(b"", 0)  # noqa: SLF001  of the same class
            each.blocks.release()
        del self.peer

    @property
    def waiting(self) -> bool:
        """Whether streams are open."""
        return bool(self.streams.open)

    @property
    def busy(self) -> bool:
        """The same."""
        return bool(self.streams.open)

    @property
    def held_bytes(self) -> int:
        """Parts of frames and of header blocks, tables, and what streams hold."""
        return self.streams.held_bytes + sum(each.own_bytes for each in (self, self.peer))

    @property
    def own_bytes(self) -> int:
        """Of one direction."""
        return len(self.held) + self.blocks.held_bytes

    # -- where a frame begins ------------------------------------------------------------------------------------------------

    def _start(self, data: bytes, begun: int) -> int:
        """The first bytes. A client's preface shows that nothing stood in front of them, a server's SETTINGS does."""
        if self.client:
            if data.startswith(PREFACE):
                self.phase = FRAME
                self.streams.joined = False
                self.streams.connection.marks = 0
                return len(PREFACE)
            if PREFACE.startswith(data):
                self._hold(data, begun)
                return len(data)
        if len(data) < HEADER:
            self._hold(data, begun)
            return len(data)
        if not self.client and data[3] == SETTINGS and is_plausible(data, 0):
            self.phase = FRAME
            return 0
        self.phase = SEEK
        return self._seek(data)

    def _seek(self, data: bytes) -> int:
        """Where in ``data`` a frame surely begins; its end for nowhere."""
        place = 0 if self._resumes(data) else second_of_three(data)
        if place < 0:
            self.context.shared.count("decoder_skipped_bytes", len(data))
            return len(data)
        if place:
            self.context.shared.count("decoder_skipped_bytes", place)
        self.phase = FRAME
        return place

    def _resumes(self, data: bytes) -> bool:
        """Whether a segment is frames from its first byte on. A body may look like one header, so that must be of a stream."""
        if not is_chain(data):
            return False
        if is_plausible(data, 0) <= len(data):
            return True
        return frames.header_at(data, 0)[3] in self.streams.open

    def _lose_place(self, now_ns: int, mark: int, why: Missing) -> None:
        """Nobody knows what was said, nor where the next frame begins."""
        self._hold(b"", 0)
        self.blocks.lose_place(mark)
        self.phase = SEEK
        self.stream = self.message = self.messages = self.tunnel = None
        self.streams.missing(now_ns, why, client=self.client)

    def _hold(self, data: bytes, begun: int) -> None:
        if data or self.held:
            self.context.shared.memory += len(data) - len(self.held)
            self.held, self.held_ns = data, begun

    # -- payloads that are not held ------------------------------------------------------------------------------------------

    def _pass_by(self, length: int) -> None:
        """A payload that says nothing of messages."""
        self.left, self.padding, self.flags = length, 0, 0
        self.stream = self.message = self.messages = self.tunnel = None
        self.phase = PAYLOAD

    def _begin_body(self, data: bytes, pos: int, length: int, flags: int, number: int) -> None:
        """A DATA frame (section 6.1); ``pos`` is where its header stands."""
        self._pass_by(length)
        stream = self.streams.open.get(number)
        excess = False
        if flags & PADDED and length:
            self.left = length - 1
            self.padding = min(data[pos + HEADER], self.left)
            excess = data[pos + HEADER] > self.left
        if stream is None:
            if self.streams.tunnels:
                self.tunnel = self.streams.tunnels.get(number)
            self.flags = flags
            return
        message = stream.request if self.client else stream.response
        if message is None:
            return
        if excess:
            message.marks |= PROTOCOL_ERROR
        self.stream, self.message, self.flags = stream, message, flags
        self.messages = stream.asked if self.client else stream.answered
        message.size += HEADER + length - self.left

    def _payload(self, data: bytes, pos: int, at: At) -> int:
        """More of the payload, from ``data[pos:]`` on. Returns the place behind it."""
        left = self.left
        here = min(len(data) - pos, left)
        message = self.message
        if message is not None:
            body = min(left - self.padding, here)
            if body > 0:
                self._body(message, data, pos, pos + body)
            message.size += here
            message.end_ns = at.last_ns or at.ts_ns
        elif self.tunnel is not None and left > self.padding:
            self.tunnel.data(data[pos : pos + min(here, left - self.padding)], at, client=self.client)
        self.left = left - here
        if not self.left:
            self._payload_ends()
        return pos + here

    def _body(self, message: Message, data: bytes, start: int, end: int) -> None:
        """Bytes of a body."""
        if message.body_size is not None:
            message.body_size += end - start
        content = message.content
        if content is not None:
            before = content.kept
            content.add(data[start:end])
            self.context.shared.memory += content.kept - before
        if self.messages is not None:
            self.messages.data(data, start, end)

    def _payload_ends(self) -> None:
        self.phase = FRAME
        stream, tunnel, self.stream, self.message, self.messages, self.tunnel = self.stream, self.tunnel, None, None, None, None
        if not self.flags & END_STREAM:
            return
        if stream is not None:
            if self.streams.open.get(stream.id) is stream:
                self.streams.ended(stream, client=self.client)
        elif tunnel is not None:
            self.streams.tunnel_ended(tunnel, client=self.client)

    def _gap_in_payload(self, count: int, at: At, why: Missing) -> int:
        """Bytes of a payload are missing. Returns how many of them lie behind it."""
        here = min(count, self.left)
        message = self.message
        body = max(0, min(here, self.left - self.padding))
        if message is not None:
            message.size += here
            if message.body_size is not None:
                message.body_size += body
            if message.content is not None and body:
                message.content.cut = True
            if self.messages is not None:
                self.messages.gap(body)
            if why is not Missing.LEFT_OUT:
                message.marks |= GAP
            message.end_ns = max(message.end_ns, at.last_ns or at.ts_ns)
        elif self.tunnel is not None and body:
            self.tunnel.gap(body, at, why, client=self.client)
        self.left -= here
        if not self.left:
            self._payload_ends()
        return count - here

    # -- frames that are taken whole -----------------------------------------------------------------------------------------

    def _whole(self, data: bytes, pos: int, header: frames.Header, begun: int, at: At) -> int:
        """A frame that is read when all of it is here, unless it is too long for that. Returns where to go on."""
        length, kind, _, number = header
        start = pos + HEADER
        if start + length > len(data):
            self.blocks.cut_short(header, begun, at, TRUNCATED)
            self._pass_by(length)
            return self._payload(data, start, at)
        blocks = self.blocks
        partial = blocks.partial
        if partial is not None and kind == CONTINUATION and number == partial.block.stream:
            blocks.continued(partial, data[start : start + length], header, at)
            return start + length
        if partial is not None:
            blocks.interrupted()
        if kind in BEGINS_BLOCK:
            blocks.begin(data, start, header, begun, at)
        elif kind == RST_STREAM:
            self.streams.reset(number, int.from_bytes(data[start : start + 4], "big"))
        elif kind == GOAWAY and length >= 8:
            last = int.from_bytes(data[start : start + 4], "big") & 0x7FFFFFFF
            self.streams.gone_away(last, int.from_bytes(data[start + 4 : start + 8], "big"), client=self.client)
        elif kind == CONTINUATION:
            blocks.lose_table()  # its beginning was not seen, or there is none
        return start + length

    def _skip_held(self, at: At) -> None:
        """Bytes of a frame are missing of which the header is here."""
        held, begun = self.held, self.held_ns
        header = length, kind, flags, number = frames.header_at(held, 0)
        self._hold(b"", 0)
        if kind == DATA:  # how much of it is padding is missing
            self._begin_body(held + b"\0", 0, length, flags, number)
            self.left = length
            if self.message is not None:
                self.message.marks |= GAP | SIZE_ESTIMATED
            return
        if kind == RST_STREAM:
            self.streams.reset(number, None)
        self.blocks.cut_short(header, begun, at, GAP)
        self._pass_by(length - (len(held) - HEADER))
