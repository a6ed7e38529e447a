"""The header blocks of one direction: their fragments, in frames that were read whole → heads, which ``Streams`` is told.

It holds one block at the most, of which not all is here, and the table of HPACK that both ends keep (RFC 9113, section 4.3). A
block that cannot be known, because it was lost, is too long or is none, is told as lost; from then on the table may lack entries.
"""

import msgspec

from pipeline.decode.http2.context import Context
from pipeline.decode.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HEADER,
    HEADERS,
    PUSH_PROMISE,
    Header,
    block_of,
)
from pipeline.decode.http2.heads import Block, Head
from pipeline.decode.http2.hpack import Hpack, HpackError
from pipeline.decode.http2.streams import Streams
from pipeline.decode.marks import GAP, PROTOCOL_ERROR, TRUNCATED
from pipeline.decode.position import At

BEGINS_BLOCK = frozenset((HEADERS, PUSH_PROMISE))
_REMEMBERED = 32
_SHORT = 512
"""Header blocks that are remembered, and how long they may be: what a client sends again and again."""


class Partial(msgspec.Struct, gc=False):
    """A header block of which not all is here: ``data`` so far, None where it cannot be known any more.

    ``promised`` is the stream of a PUSH_PROMISE; ``told``: its loss is.
    """

    block: Block
    data: bytearray | None = None
    promised: int = 0
    told: bool = False


class HeaderBlocks(msgspec.Struct, gc=False, eq=False):
    """``client``: they are of requests. ``partial`` is the block that goes on in the next frame.

    ``known`` are blocks that mean what they meant, while the table stands at ``insertions``; it costs ``table_bytes``.
    """

    client: bool
    context: Context
    streams: Streams
    hpack: Hpack
    partial: Partial | None = None
    known: dict[bytes, Head] = {}
    insertions: int = 0
    table_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """The table, and what is here of a block."""
        partial = len(self.partial.data) if self.partial is not None and self.partial.data is not None else 0
        return self.table_bytes + partial

    def go_on(self, hpack: Hpack) -> None:
        """Go on where somebody else stood, who had this table."""
        self.hpack = hpack
        self._table_changed()

    def release(self) -> None:
        """The connection is over."""
        self.forget()
        self.context.shared.memory -= self.table_bytes
        self.table_bytes = 0

    # -- frames ----------------------------------------------------------------------------------------------------------------

    def begin(self, data: bytes, start: int, header: Header, begun: int, at: At) -> None:
        """HEADERS or PUSH_PROMISE, of which the payload stands at ``data[start:]``."""
        length, kind, flags, number = header
        block = Block(
            number, bool(flags & END_STREAM) and kind == HEADERS, begun, at.last_ns or at.ts_ns, HEADER + length, at.ack
        )
        bounds = block_of(data, start, header)
        if bounds is None:
            self._lose(Partial(block), PROTOCOL_ERROR, "decoder_http2_heads_invalid")
            return
        promised = 0
        if kind == PUSH_PROMISE:
            promised = int.from_bytes(data[bounds[0] - 4 : bounds[0]], "big") & 0x7FFFFFFF
        if flags & END_HEADERS:
            self._whole(block, data[bounds[0] : bounds[1]], promised)
        else:
            self.partial = Partial(block, bytearray(), promised)
            self._extend(self.partial, data[bounds[0] : bounds[1]])

    def continued(self, partial: Partial, fragment: bytes, header: Header, at: At) -> None:
        """CONTINUATION (section 6.10)."""
        self._extend(partial, fragment)
        partial.block.size += HEADER + header[0]
        partial.block.end_ns = at.last_ns or at.ts_ns
        if header[2] & END_HEADERS:
            self.partial = None
            if partial.data is None:
                self._lose(partial, TRUNCATED, "decoder_http2_heads_too_long")
            else:
                self.context.shared.memory -= len(partial.data)
                self._whole(partial.block, bytes(partial.data), partial.promised)

    def _extend(self, partial: Partial, fragment: bytes) -> None:
        """More of a block, unless that makes it too long: then none of it is held, and it counts as lost."""
        if partial.data is None:
            return
        shared = self.context.shared
        if len(partial.data) + len(fragment) > self.context.max_head:
            shared.memory -= len(partial.data)
            partial.data = None
            self.lose_table()
        else:
            shared.memory += len(fragment)
            partial.data += fragment

    def _whole(self, block: Block, data: bytes, promised: int) -> None:
        """A whole header block."""
        hpack = self.hpack
        parser = self.context.requests if self.client or promised else self.context.responses
        head = self.known.get(data) if hpack.insertions == self.insertions and not promised else None
        if head is None:
            try:
                fields = hpack.decode(data)
            except HpackError:
                self._lose(Partial(block, promised=promised), PROTOCOL_ERROR, "decoder_http2_heads_invalid")
                return
            head = parser.parse(fields)
            if hpack.insertions != self.insertions:
                self._table_changed()
            elif len(data) <= _SHORT and not promised:
                if len(self.known) >= _REMEMBERED:
                    self.known.clear()
                self.known[data] = head
        if promised:
            self.streams.promises(promised, block, head)
        elif self.client:
            self.streams.asks(block, head)
        else:
            self.streams.answers(block, head)

    def _table_changed(self) -> None:
        """What a block means may have changed, and what the table costs."""
        hpack = self.hpack
        self.insertions = hpack.insertions
        self.known.clear()
        held = hpack.held_bytes
        self.context.shared.memory += held - self.table_bytes
        self.table_bytes = held

    # -- what cannot be known --------------------------------------------------------------------------------------------------

    def lose_table(self) -> None:
        """A block may be missing, and with it entries of the table."""
        self.hpack.lost()
        self._table_changed()

    def lose_place(self, mark: int) -> None:
        """Nobody knows what was said, also of a block."""
        self._lose_partial(mark)
        self.lose_table()

    def interrupted(self) -> None:
        """Another frame stands inside a header block (section 6.10: an error of the connection)."""
        self._lose_partial(PROTOCOL_ERROR)

    def forget(self) -> None:
        """Nothing more will come of a block, and nobody needs to be told."""
        if self.partial is not None:
            if self.partial.data is not None:
                self.context.shared.memory -= len(self.partial.data)
            self.partial = None

    def cut_short(self, header: Header, begun: int, at: At, mark: int) -> None:
        """A frame of which not all will be looked at: it is too long, or bytes of it are missing."""
        length, kind, flags, number = header
        if kind in BEGINS_BLOCK:
            self._lose_partial(PROTOCOL_ERROR)
            ended = bool(flags & END_STREAM) and kind == HEADERS
            block = Block(number, ended, begun, at.ts_ns, HEADER + length, at.ack)
            self.partial = Partial(block, promised=int(kind == PUSH_PROMISE))
        partial = self.partial
        if kind != CONTINUATION and kind not in BEGINS_BLOCK:
            return
        self.lose_table()
        if partial is not None:
            self.forget()
            partial.data = None
            if flags & END_HEADERS:
                self._lose(partial, mark, "decoder_http2_heads_lost" if mark == GAP else "decoder_http2_heads_too_long")
            else:
                self.partial = partial

    def _lose_partial(self, mark: int) -> None:
        """What is there of a block will not go on."""
        partial = self.partial
        if partial is not None:
            self.forget()
            self._lose(partial, mark, "decoder_http2_heads_lost" if mark == GAP else "decoder_http2_heads_invalid")

    def _lose(self, partial: Partial, mark: int, counter: str) -> None:
        self.lose_table()
        if partial.told:
            return
        partial.told = True
        self.context.shared.count(counter, 1)
        if not partial.promised:
            self.streams.lost(partial.block, mark, client=self.client)
