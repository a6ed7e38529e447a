"""Records ⇄ bytes: the format of recordings. Pure; whoever holds the file reads and writes it.

A recording is ``MAGIC``, then one frame for each batch: its length in four bytes, big-endian, and the batch as MessagePack: an
array of records, each an array that begins with the record's name. A field that a later version adds at the end of a record is
ignored by this one, and one that this version adds has its default in older recordings. Like a capture, a recording holds
whatever was on the wire, secrets too.
"""

from collections.abc import Sequence

import msgspec

from pipeline.codecs.errors import DecodeError
from pipeline.model.records import Record

MAGIC = b"httpipe records 1\n"
MAX_FRAME_BYTES = 256 * 1024 * 1024
"""A longer frame is damage. A batch is what one read of a source gave: a few MiB at the very most."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


def encode(records: Sequence[Record]) -> bytes:
    """One frame."""
    frame = bytearray(4)
    _encoder.encode_into(records if isinstance(records, list) else list(records), frame, 4)
    frame[:4] = (len(frame) - 4).to_bytes(4, "big")
    return bytes(frame)


class RecordsReader:
    """A recording in any cut → batches.

    ``damage`` is set where it cannot be understood any further; the batches before it have been handed out then. ``offset``
    counts the bytes understood.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.damage: DecodeError | None = None
        self._rest = b""

    def feed(self, data: bytes) -> list[list[Record]]:
        """The batches that are complete now."""
        self._rest += data
        if not self.offset and not self._begin():
            return []
        batches: list[list[Record]] = []
        at, size = 0, len(self._rest)
        while self.damage is None and size - at >= 4:
            end = at + 4 + int.from_bytes(self._rest[at : at + 4], "big")
            if end - at > MAX_FRAME_BYTES:
                self._damaged(f"a batch that claims {end - at} bytes", at)
            if end > size or self.damage:
                break
            try:
                batches.append(_decoder.decode(memoryview(self._rest)[at + 4 : end]))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                self._damaged(f"a batch that cannot be understood ({error})", at)
                break
            at = end
        self._rest = self._rest[at:]
        self.offset += at
        return batches

    def finish(self) -> list[list[Record]]:
        """No more bytes will come: sets ``damage`` when the last batch is incomplete. There is never one left."""
        if self._rest and self.damage is None:
            self._damaged(f"the last batch is cut off, only {len(self._rest)} bytes of it are there,", 0)
        return []

    def _begin(self) -> bool:
        """Take the magic, once it is there."""
        if len(self._rest) < len(MAGIC) and MAGIC.startswith(self._rest):
            return False
        if not self._rest.startswith(MAGIC):
            self.damage = DecodeError(f"no recording: it begins with {self._rest[:16]!r} and not with {MAGIC!r}")
            return False
        self._rest = self._rest[len(MAGIC) :]
        self.offset = len(MAGIC)
        return True

    def _damaged(self, problem: str, at: int) -> None:
        self.damage = DecodeError(f"{problem} at byte {self.offset + at}")
