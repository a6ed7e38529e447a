"""One direction of a WebSocket (RFC 6455): ordered bytes → messages, each an event. Never raises; what it holds is bounded.

It reads as a receiver must: what makes a receiver fail the connection ends reading, for nobody says what such bytes mean. Bytes
that are missing inside a frame are counted by its length. Where they hide the beginning of a frame, the message that was open is
reported as it is, and nothing more until ``evidence`` shows where frames begin again; from then on messages have no number.
"""

from enum import IntEnum

from pipeline.decode.content import Collector
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, SIZE_ESTIMATED, TRUNCATED
from pipeline.decode.message import Accepted
from pipeline.decode.position import At
from pipeline.decode.protocol import End, Missing, Unasked
from pipeline.decode.shared import Shared
from pipeline.decode.websocket.deflate import Inflater
from pipeline.decode.websocket.evidence import ENOUGH, is_chain
from pipeline.decode.websocket.frames import (
    CLOSE,
    CONTINUATION,
    CONTROL,
    FIN,
    MAX_HEADER,
    PING,
    PONG,
    RSV1,
    Header,
    header,
    is_faulty,
    unmasked,
)
from pipeline.decode.websocket.message import Frame, Message
from pipeline.decode.websocket.talk import Talk
from pipeline.model.connection import Connection

NO_STATUS, ABNORMAL = 1005, 1006
"""Section 7.4.1: what stands for a close frame without a code, and for none at all. Neither is ever sent."""


class Phase(IntEnum):
    """Where the next byte stands."""

    READ = 0  # in a frame, or where one begins
    SEEK = 1  # bytes were lost, and with them the beginning of a frame
    OVER = 2  # it said goodbye, or what nobody can read


READ, SEEK, OVER = Phase


class Reader(Unasked):
    """``client``: it carries what the client says. ``lost``: bytes are missing in front of its first one."""

    __slots__ = (
        "_chains", "_client", "_control", "_frame", "_inflater", "_marks", "_message", "_partial", "_partial_ns",
        "_phase", "_pings", "_pongs", "_sequence", "_talk",
    )  # fmt: skip

    def __init__(self, talk: Talk, *, client: bool, lost: bool = False) -> None:
        self._talk = talk
        self._client = client
        self._phase = SEEK if lost else READ
        self._frame: Frame | None = None
        self._message: Message | None = None
        self._control = b""
        self._partial, self._partial_ns = b"", 0
        self._pings = self._pongs = self._chains = 0
        self._sequence: int | None = None if lost else 0
        self._marks = GAP if lost else 0
        agreed, limit = talk.agreed, max(talk.kept.values(), default=0)
        resets = agreed.client_resets if client else agreed.server_resets
        self._inflater = Inflater(limit, TRUNCATED, resets=resets) if agreed.deflate and limit else None
        if lost and self._inflater is not None:
            self._inflater.lose(GAP)

    # -- what the transport tells -------------------------------------------------------------------------------------------

    def data(self, data: bytes, at: At) -> None:
        """The next bytes."""
        if self._phase is not READ and not self._found(data):
            return
        now_ns, pos = at.ts_ns, 0
        if self._partial:
            data, self._partial = self._partial + data, b""
            self._talk.hold(-MAX_HEADER)
        size = len(data)
        while pos < size:
            frame = self._frame
            if frame is None:
                head = header(data, pos)
                if head is None:
                    self._partial, self._partial_ns = data[pos:], self._partial_ns or now_ns
                    self._talk.hold(MAX_HEADER)
                    return
                frame = self._begin(head, self._partial_ns or now_ns)
                self._partial_ns = 0
                if frame is None:
                    return
                pos += head.size
            taken = min(frame.left, size - pos)
            if taken:
                self._payload(frame, data, pos, taken)
                pos += taken
            if not frame.left:
                self._end_frame(frame)
                if self._phase is not READ:
                    return

    def gap(self, count: int, at: At, why: Missing) -> None:  # noqa: ARG002  where it is follows from the frame
        """The next bytes are missing."""
        if self._phase is not READ:
            self._chains = 0
            return
        frame, mark = self._frame, TRUNCATED if why is Missing.LEFT_OUT else GAP
        inside = 0 if frame is None else min(count, frame.left)
        if frame is not None:
            self._skip(frame, inside, mark)
            if not frame.left and frame.final:
                self._end_frame(frame)
        if inside < count and self._phase is READ:
            self._lose_place(mark)

    def end(self, why: End) -> None:
        """No more bytes will come. Where nothing says that the connection is over, nothing is reported of its end."""
        if self._phase is READ:
            self._break_off(SIZE_ESTIMATED if why.error else GAP, why.error or None)
            if why.error and why is not End.TIMEOUT:
                last = Message(CLOSE, self._talk.last_ns)
                self._report_close(last, (ABNORMAL, None), why.error)
        self._phase = OVER
        self._let_go()

    @property
    def held_bytes(self) -> int:
        """Of both directions."""
        return self._talk.held

    # -- frames -------------------------------------------------------------------------------------------------------------

    def _begin(self, head: Header, now_ns: int) -> Frame | None:
        """A frame begins; None where its receiver would fail the connection."""
        message, opcode = self._message, head.opcode
        if is_faulty(head, fragmented=message is not None, reserved=self._talk.reserved):
            self._fail(head, now_ns)
            return None
        if opcode >= CONTROL:
            message = Message(opcode, now_ns)
        elif opcode != CONTINUATION or message is None:
            message = self._message = self._open(opcode, now_ns, compressed=bool(head.first & RSV1))
        message.size += head.length
        message.fragments += 1
        if not head.shortest or head.masked is not self._client:  # section 5.1; where it ends is certain all the same
            message.marks |= PROTOCOL_ERROR
        self._frame = frame = Frame(message, head.first >= FIN, head.length, head.key)
        return frame

    def _open(self, opcode: int, now_ns: int, *, compressed: bool) -> Message:
        """A message begins. With context takeover all that are compressed go through the decompressor, wanted or not."""
        talk = self._talk
        message = Message(opcode, now_ns, compressed)
        limit = talk.kept.get(opcode, 0)
        if compressed:
            message.inflates = self._inflater is not None
        elif limit:
            message.content = Collector(limit)
        return message

    def _payload(self, frame: Frame, data: bytes, pos: int, taken: int) -> None:
        """``taken`` bytes of the payload, from ``data[pos]`` on."""
        message = frame.message
        if message.opcode == CLOSE:
            self._control += unmasked(data[pos : pos + taken], frame.key, frame.done)
        elif message.inflates and self._inflater is not None:
            before = self._inflater.held
            self._inflater.feed(unmasked(data[pos : pos + taken], frame.key, frame.done))
            self._talk.hold(self._inflater.held - before)
        elif message.content is not None and not message.content.cut:
            before = message.content.kept
            message.content.add(unmasked(data[pos : pos + taken], frame.key, frame.done))
            self._talk.hold(message.content.kept - before)
        frame.left -= taken
        frame.done += taken

    def _skip(self, frame: Frame, count: int, mark: int) -> None:
        """``count`` bytes of the payload are missing."""
        message = frame.message
        frame.left -= count
        frame.done += count
        if message.inflates and self._inflater is not None:
            before = self._inflater.held
            self._inflater.lose(mark)
            self._talk.hold(self._inflater.held - before)
        if message.content is not None:
            message.content.cut = True
        if mark == GAP or message.opcode == CLOSE:
            message.marks |= mark

    def _end_frame(self, frame: Frame) -> None:
        message, self._frame = frame.message, None
        if message.opcode >= CONTROL:
            self._control_frame(message)
        elif frame.final:
            self._message = None
            self._report(message)

    def _control_frame(self, message: Message) -> None:
        """Pings and pongs are counted, a close is the last that its sender says (section 5.5.1)."""
        if message.opcode == PING:
            self._pings += 1
        elif message.opcode == PONG:
            self._pongs += 1
        else:
            said, self._control = self._control, b""
            self._break_off(0, "closed")
            self._phase = OVER
            known = len(said) == message.size
            code = int.from_bytes(said[:2], "big") if len(said) > 1 else NO_STATUS if known else None
            reason = said[2:].decode(errors="replace") or None
            if len(said) == 1 and known:
                message.marks |= PROTOCOL_ERROR
            self._report_close(message, (code, reason), None)
            self._let_go()

    # -- what is reported ---------------------------------------------------------------------------------------------------

    def _report(self, message: Message, error: str | None = None) -> None:
        talk = self._talk
        message.marks |= self._marks
        self._marks = 0
        talk.report(message, client=self._client, sequence=self._next(), content=self._content_of(message), error=error)

    def _content_of(self, message: Message) -> tuple[bytes, int | None] | None:
        """What was kept, and how long all of it is."""
        talk, inflater, content = self._talk, self._inflater, message.content
        if message.inflates and inflater is not None:
            before, lost = inflater.held, inflater.lost
            found = inflater.finish()
            talk.hold(inflater.held - before)
            wanted = message.opcode in talk.kept
            if found is None and wanted:
                message.marks |= lost or TRUNCATED
            return found if wanted else None
        if content is None:
            return None
        talk.hold(-content.kept)
        kept = content.raw
        return kept, None if content.cut else len(kept)

    def _report_close(self, message: Message, close: tuple[int | None, str | None], error: str | None) -> None:
        message.marks |= self._marks
        self._talk.report(
            message,
            client=self._client,
            sequence=self._next(),
            close=close,
            error=error,
            controls=(self._pings, self._pongs),
        )

    def _next(self) -> int | None:
        sequence = self._sequence
        if sequence is not None:
            self._sequence = sequence + 1
        return sequence

    # -- what is not whole ---------------------------------------------------------------------------------------------------

    def _break_off(self, marks: int, error: str | None) -> None:
        """The message that is open will not be whole."""
        frame, message = self._frame, self._message
        self._frame = self._message = None
        if message is None:
            return
        if frame is not None and frame.message is message:
            message.size -= frame.left
        if message.inflates and self._inflater is not None:
            before = self._inflater.held
            self._inflater.lose(marks & GAP or TRUNCATED)
            self._talk.hold(self._inflater.held - before)
        if message.content is not None:
            message.content.cut = True
        message.marks |= marks
        self._report(message, error)

    def _lose_place(self, mark: int) -> None:
        """The beginning of a frame is missing."""
        self._drop_partial()
        self._break_off(mark | SIZE_ESTIMATED, None)
        if self._inflater is not None:
            before = self._inflater.held
            self._inflater.lose(mark)
            self._inflater.finish()
            self._talk.hold(self._inflater.held - before)
        self._control = b""
        self._sequence, self._marks = None, self._marks | GAP
        self._phase, self._chains = SEEK, 0

    def _found(self, data: bytes) -> bool:
        """Whether frames begin again with these bytes."""
        shared = self._talk.shared
        if self._phase is SEEK:
            chain = is_chain(data, client=self._client, reserved=self._talk.reserved)
            self._chains = self._chains + 1 if chain else 0
            if self._chains >= ENOUGH:
                self._phase = READ
                return True
        shared.count("decoder_skipped_bytes", len(data))
        return False

    def _fail(self, head: Header, now_ns: int) -> None:
        """The receiver must fail the connection; what is sent until it does means nothing."""
        self._break_off(SIZE_ESTIMATED, None)
        faulty = Message(head.opcode, now_ns, size=head.length & (1 << 63) - 1, fragments=1, marks=PROTOCOL_ERROR)
        self._report(faulty)
        self._phase = OVER
        self._let_go()

    def _drop_partial(self) -> None:
        if self._partial:
            self._partial, self._partial_ns = b"", 0
            self._talk.hold(-MAX_HEADER)

    def _let_go(self) -> None:
        """Nothing more will be read."""
        self._drop_partial()
        if self._inflater is not None:
            self._talk.hold(-self._inflater.held)
            self._inflater = None
        self._frame = self._message = None


def readers(accepted: Accepted, connection: Connection, shared: Shared, lost: tuple[bool, bool]) -> tuple[Reader, Reader]:
    """Of both directions, the client's first; ``lost``: of which of them bytes are missing in front of the first one."""
    talk = Talk(accepted, connection, shared)
    return Reader(talk, client=True, lost=lost[0]), Reader(talk, client=False, lost=lost[1])
