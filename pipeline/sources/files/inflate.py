"""Compressed bytes → bytes, push style and in bounded pieces, for what is stored or piped as gzip or zstd.

The first bytes tell which. Concatenated members and frames are one stream, as the formats have it (RFC 1952, section 2.2;
RFC 8878, section 3.1). zstd is imported only when a capture needs it.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Protocol

from pipeline.sources.files.damage import DamagedInputError

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PIECE_BYTES = 128 * 1024
"""What is handed on at once: a small input may expand a thousandfold."""
STEP_BYTES = 256
"""Input of one step of zstd: where it is damaged, all that stands before that step is given out."""
MAX_WINDOW_LOG = 27
"""The largest zstd window that is accepted, 128 MiB (``zstd --long=27``): memory that a hostile file can make us take."""


class Inflater(Protocol):
    """Takes compressed bytes in any cut, yields what they stand for; raises ``DamagedInputError``."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes give, in pieces."""

    def finish(self) -> None:
        """No more bytes will come; raises when the stream is incomplete."""


class Plain:
    """No compression."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The same bytes."""
        yield data

    def finish(self) -> None:
        """Nothing can be missing."""


class Gzip:
    """Members of RFC 1952."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._consumed = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes give, in pieces. Zeros behind a member are padding, as gzip(1) has it."""
        self._consumed += len(data)
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise DamagedInputError(f"gzip data is damaged ({error})", self._consumed - len(data)) from error
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if piece:
                yield piece
        while not self._member.eof and (piece := self._member.decompress(b"", PIECE_BYTES)):
            yield piece

    def finish(self) -> None:
        """No more bytes will come; raises when a member is incomplete."""
        if not self._member.eof:
            raise DamagedInputError("gzip data ends too early", self._consumed)


class Zstd:
    """Frames of RFC 8878."""

    def __init__(self) -> None:
        from pipeline.codecs.zstd import zstd  # noqa: PLC0415  only where needed

        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        self._error = zstd.ZstdError
        self._make = partial(zstd.ZstdDecompressor, options=options)
        self._frame = self._make()
        self._consumed = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes give, in pieces."""
        pending = bytearray()
        for at in range(0, len(data), STEP_BYTES):
            rest = data[at : at + STEP_BYTES]
            self._consumed += len(rest)
            while rest or not (self._frame.needs_input or self._frame.eof):
                if self._frame.eof:
                    self._frame = self._make()
                try:
                    pending += self._frame.decompress(rest, PIECE_BYTES)
                except self._error as error:
                    yield bytes(pending)
                    raise DamagedInputError(f"zstd data is damaged ({error})", self._consumed - len(rest)) from error
                rest = self._frame.unused_data if self._frame.eof else b""
                while len(pending) >= PIECE_BYTES:
                    yield bytes(pending[:PIECE_BYTES])
                    del pending[:PIECE_BYTES]
        if pending:
            yield bytes(pending)

    def finish(self) -> None:
        """No more bytes will come; raises when a frame is incomplete."""
        if not self._frame.eof:
            raise DamagedInputError("zstd data ends too early", self._consumed)


def inflater_for(head: bytes) -> Inflater:
    """The one for data that begins with these four bytes."""
    if head.startswith(GZIP_MAGIC):
        return Gzip()
    if head.startswith(ZSTD_MAGIC):
        return Zstd()
    return Plain()


async def inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data that a file or pipe stands for, compressed or not. Never yields nothing."""
    head, inflater = b"", None
    async for chunk in chunks:
        data = chunk
        if inflater is None:
            data = head = head + chunk
            if len(head) < len(ZSTD_MAGIC):
                continue
            inflater = inflater_for(head)
        for piece in inflater.feed(data):
            yield piece
    if inflater is not None:
        inflater.finish()
    elif head:
        yield head
