"""permessage-deflate (RFC 7692): what both ends agreed on, and the decompression of one direction. Bounded.

With context takeover a message may refer to what the ones before it said (section 7.1.1), so each is decompressed as it comes
and only its first bytes are kept. Whoever wrote the bytes decides how much they expand to. So beyond a bound a direction is given
up: without the rest of one message the next ones cannot be known, and are reported without content.
"""

import zlib
from typing import NamedTuple

RAW = -15
"""DEFLATE without a frame, with the largest window: it serves for smaller ones too."""
EMPTY_BLOCK = b"\x00\x00\xff\xff"
"""Section 7.2.1: a sender takes it from the end of a message; section 7.2.2: a receiver appends it."""
STEP = 1 << 14
STREAM_BYTES = 40_960
"""What a decompressor costs in memory: a window of 32 KiB and its tables (zlib's zconf.h)."""
BEYOND = 16
LEAST_BOUND = 1 << 20
"""A message may expand to so many times what is kept of it, and to a mebibyte at least, until its direction is given up."""


class Extensions(NamedTuple):
    """What Sec-WebSocket-Extensions of the answer says.

    ``deflate``: permessage-deflate is in use; ``client_resets`` and ``server_resets``: the messages of that side do not refer to
    those before. ``others``: extensions that are not known here, which may change what a payload means.
    """

    deflate: bool = False
    client_resets: bool = False
    server_resets: bool = False
    others: bool = False


def extensions(field: bytes) -> Extensions:
    """Read the field of the 101 (RFC 6455, section 9.1): a list of names with their parameters."""
    found = Extensions()
    for each in field.lower().split(b","):
        name, *parameters = [part.strip() for part in each.split(b";")]
        names = {part.partition(b"=")[0].strip() for part in parameters}
        if name == b"permessage-deflate" and not found.deflate:
            found = found._replace(
                deflate=True,
                client_resets=b"client_no_context_takeover" in names,
                server_resets=b"server_no_context_takeover" in names,
            )
        elif name:
            found = found._replace(others=True)
    return found


class Inflater:
    """Decompresses the messages of one direction, one after another.

    ``limit``: bytes that are kept of a message. ``resets``: messages do not refer to those before. ``truncated`` is the mark of a
    message that is too long; ``lost`` the one that says why no more can be known, 0 while it can.
    """

    __slots__ = ("_behind", "_bound", "_limit", "_out", "_resets", "_size", "_stream", "_truncated", "lost")

    def __init__(self, limit: int, truncated: int, *, resets: bool) -> None:
        self._limit = limit
        self._bound = max(LEAST_BOUND, BEYOND * limit)
        self._resets = resets
        self._truncated = truncated
        self._stream: zlib._Decompress | None = None
        self._out = bytearray()
        self._size = self._behind = 0
        self.lost = 0

    @property
    def held(self) -> int:
        """Bytes of memory."""
        return len(self._out) + (STREAM_BYTES if self._stream is not None else 0)

    def lose(self, mark: int) -> None:
        """Bytes of the message are missing, or are too many, so that what refers to them cannot be known."""
        self.lost = self.lost or mark
        self._stream = None
        self._out.clear()

    def feed(self, data: bytes) -> None:
        """More of the message."""
        if self.lost:
            return
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.decompressobj(wbits=RAW)
        try:
            while data and not stream.eof:
                self._keep(stream.decompress(data, STEP))
                data = stream.unused_data if stream.eof else stream.unconsumed_tail
                if self._size > self._bound:
                    self.lose(self._truncated)
                    return
        except zlib.error:
            self.lose(self._truncated)
        self._behind += len(data)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        self._out += part[: self._limit - len(self._out)]

    def finish(self) -> tuple[bytes, int] | None:
        """The end of the message: the first bytes of what it says, and how many there are; None where they cannot be known."""
        stream = self._stream
        if stream is None or not stream.eof:
            self.feed(EMPTY_BLOCK)
            stream = self._stream
        found = None if self.lost or self._behind > 1 else (bytes(self._out), self._size)
        if self._resets:
            self._stream, self.lost = None, 0
        elif stream is not None and stream.eof:
            # Section 7.2.3.4: a block may say that it is the last. What follows may refer to it, and zlib does not go on.
            self.lose(self._truncated)
        self._out.clear()
        self._size = self._behind = 0
        return found
