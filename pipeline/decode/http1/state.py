"""The state of one direction of an HTTP/1 connection, and what is done with it alike for requests and for responses.

``reader`` moves it on; ``requests`` and ``responses`` say what differs. One class for both, with functions beside it: attributes
of one class are found in a third of the time.
"""

import msgspec

from pipeline.decode.http1.chunked import Chunks
from pipeline.decode.http1.context import Context
from pipeline.decode.http1.framing import CHUNKED, DESYNCHRONISED, Body
from pipeline.decode.http1.phase import BODY_BEGINS, BODY_ENDS, HEAD, NEXT, Phase, Step
from pipeline.decode.marks import GAP, PROTOCOL_ERROR
from pipeline.decode.message import Accepted, Framing, Message, Request, Response
from pipeline.decode.pairing.pairing import Pairing
from pipeline.decode.position import MASK, At


class Partial(msgspec.Struct, gc=False):
    """A head of which not all is there: its bytes, the number of its first one, and where the bytes stood in which it began."""

    data: bytes
    at: At
    seq: int


class State(msgspec.Struct, gc=False, eq=False):
    """Of the direction that carries requests (``client``) or responses; ``peer`` is the other, and both share a ``pairing``.

    ``body`` is what is being read in phase BODY, ``partial`` what is there of a head, ``led`` counts the blanks in front of it.
    ``upgrade`` is the protocol that both ends have switched to, None for none, ``accepted`` where they agreed to it; ``skipped``:
    bytes are missing, or were read, where its first one should be. ``early`` are its first bytes that were held as a head.
    """

    client: bool
    context: Context
    pairing: Pairing
    phase: Phase = HEAD
    body: Body | None = None
    partial: Partial | None = None
    led: int = 0
    upgrade: str | None = None
    accepted: Accepted | None = None
    skipped: bool = False
    early: bytes = b""
    peer: "State" = None  # type: ignore[assignment]  # set as soon as both are there

    def go(self, step: Step) -> None:
        """On to the phase that follows."""
        self.phase = NEXT[self.phase][step]

    # -- what pairing answers --------------------------------------------------------------------------------------------

    def finish(self, over: Message | None) -> None:
        """Pairing shows that a message is over, whatever its framing says: whoever reads its body goes on behind it."""
        if over is not None:
            for each in (self, self.peer):
                if each.body is not None and each.body.message is over:
                    each.body = None
                    each.go(BODY_ENDS)

    def lost(self, seq: int, end: int, least: int, mark: int) -> None:
        """See ``Pairing.lost``."""
        self.finish(self.pairing.lost(seq, end, least, mark, client=self.client))

    def passed(self, seq: int, end: int, ack: int) -> None:
        """See ``Pairing.passed``."""
        self.finish(self.pairing.passed(seq, end, ack, client=self.client))

    # -- a head in parts ---------------------------------------------------------------------------------------------------

    def hold(self, partial: Partial, head: bytes) -> bool:
        """Keep what is there of a head. False where it is longer than any may be."""
        self.context.shared.memory += len(head) - len(partial.data)
        partial.data = head
        self.partial = partial
        return len(head) <= self.context.max_head

    def take_head(self) -> Partial | None:
        """What is there of a head, which is held no longer."""
        partial = self.partial
        if partial is not None:
            self.context.shared.memory -= len(partial.data)
            self.partial = None
        return partial

    # -- a body ------------------------------------------------------------------------------------------------------------

    def begin_body(self, message: Request | Response, framing: Framing) -> None:
        """What follows is the body of ``message``."""
        if self.context.bodies is not None and message.content is None:
            message.content = self.context.collector(message)
        body = self.body = Body(message, self.client)
        self.go(BODY_BEGINS)
        if isinstance(message, Request):
            self.pairing.asking = message
        else:
            self.pairing.answering = message
        message.framing = framing
        if framing is CHUNKED:
            body.chunks = Chunks()

    def end_body(self, message: Message, marks: int, error: str | None) -> None:
        """The body of a message is as whole as it will get, and so is the message."""
        if message.framing is DESYNCHRONISED:
            self.passed(message.seq, message.seq + message.size & MASK, message.ack)
            if self.body is None:
                return  # pairing has ended it
        message.marks |= marks
        message.error = error or None
        self.body = None
        self.go(BODY_ENDS)
        if isinstance(message, Request):
            message.complete = True
            self.pairing.uploaded(message)
        elif isinstance(message, Response):
            over = self.pairing.answered(message, message.seq + message.size & MASK)
            if over is not None:
                self.finish(over)

    def replace_body(self, body: Body, seq: int, marks: int) -> None:
        """Another message begins at ``seq``, where the body should go on."""
        message = body.message
        if message.marks & GAP or message.body_size:
            # What is missing was not of this body, or not all of it; or what came was not.
            self.lost(message.seq, seq, 0, GAP if message.marks & GAP else PROTOCOL_ERROR)
        if self.body is body:
            self.end_body(message, marks, None)
