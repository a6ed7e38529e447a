"""HPACK (RFC 7541) for who only listens: header block → fields, also where the beginning of the connection was not seen.

The dynamic table is kept as a log. An index counts from the newest entry, and an encoder refers only to entries that its peer
still has: so what was inserted since the log began is found whatever size the table has, no SETTINGS are needed, and an index
beyond the log is that of an entry nobody saw here. Its name and value are None. After a header block that was lost nobody knows
how many entries it added, and the log begins again. So nothing is ever wrong, only unknown; and as encoders keep inserting, ever
less is.
"""

from pipeline.decode.http2.huffman import HuffmanError
from pipeline.decode.http2.huffman import decode as huffman
from pipeline.decode.http2.static_table import STATIC, Field

DEFAULT_TABLE = 4096
"""Bytes of a table until its encoder says something else (RFC 9113, section 6.5.2)."""
LARGEST_TABLE = 64 * 1024
"""What is kept of a larger one, or of one whose size is not known: browsers allow as much."""
_ENTRY = 32
"""What an entry counts beside its text (RFC 7541, section 4.1)."""
_ENTRY_MEMORY = 120
"""And what it costs in memory beside that."""
_SLACK = 4096
"""How much too long the log may grow before it is shortened, so that this is done seldom."""
_FIRST_DYNAMIC = len(STATIC)
_MAX_SHIFT = 28
"""RFC 7541, section 5.1: bounds of integers are the decoder's choice."""

UNKNOWN: Field = (None, None)


class HpackError(Exception):
    """Bytes that are no header block (RFC 7541)."""


class Hpack:
    """The header blocks of one direction of a connection, each given once and in order.

    ``insertions`` counts entries and losses: while it stands still, the same block means the same fields.
    """

    __slots__ = ("_bytes", "_limit", "_log", "insertions")

    def __init__(self, *, whole: bool) -> None:
        self._log: list[Field] = []
        self._bytes = 0
        self._limit = DEFAULT_TABLE if whole else LARGEST_TABLE
        self.insertions = 0

    @classmethod
    def restored(cls, limit: int, log: list[Field]) -> "Hpack":
        """As somebody else has left it: see ``values``."""
        hpack = cls(whole=True)
        hpack._limit, hpack._log = limit, log
        hpack._bytes = sum(len(name or b"") + len(value or b"") + _ENTRY for name, value in log)
        return hpack

    @property
    def values(self) -> tuple[int, list[Field]]:
        """All that it knows: how much of the log is kept, and the log."""
        return self._limit, self._log

    @property
    def held_bytes(self) -> int:
        """What the log costs in memory."""
        return self._bytes + _ENTRY_MEMORY * len(self._log)

    def lost(self) -> None:
        """A header block is missing: how many entries it added, and what size it gave the table, is not known."""
        self._log.clear()
        self._bytes = 0
        self._limit = LARGEST_TABLE
        self.insertions += 1

    def decode(self, block: bytes) -> list[Field]:  # noqa: C901, PLR0912, PLR0915  one pass without calls: the hottest loop of HTTP/2
        """The fields of a block. Raises ``HpackError``; the caller then tells that it is ``lost``."""
        fields: list[Field] = []
        add, log, known = fields.append, self._log, len(self._log) + _FIRST_DYNAMIC
        at, end = 0, len(block)
        try:
            while at < end:
                byte = block[at]
                at += 1
                if byte >= 0x80:  # section 6.1: indexed
                    index = byte & 0x7F
                    if index == 127:
                        index, at = _integer(block, at, 127)
                    if index < _FIRST_DYNAMIC:
                        if not index:
                            raise HpackError("index 0")
                        add(STATIC[index])
                    else:
                        add(log[_FIRST_DYNAMIC - 1 - index] if index < known else UNKNOWN)
                    continue
                if byte & 0xE0 == 0x20:  # section 6.3: size of the table
                    size = byte & 0x1F
                    if size == 31:
                        size, at = _integer(block, at, 31)
                    self._limit = min(size, LARGEST_TABLE)
                    continue
                prefix = 0x3F if byte & 0x40 else 0x0F  # section 6.2: literal
                index = byte & prefix
                if index == prefix:
                    index, at = _integer(block, at, prefix)
                if not index:
                    name: bytes | None
                    name, at = _string(block, at)
                elif index < _FIRST_DYNAMIC:
                    name = STATIC[index][0]
                else:
                    name = log[_FIRST_DYNAMIC - 1 - index][0] if index < known else None
                size = block[at]  # section 5.2: a string, as in _string
                at += 1
                coded = size & 0x80
                size &= 0x7F
                if size == 127:
                    size, at = _integer(block, at, 127)
                value = block[at : at + size]
                at += size
                if at > end:
                    raise HpackError("it ends inside a string")
                if coded:
                    value = huffman(value)
                field = (name, value)
                add(field)
                if byte & 0x40:
                    log.append(field)
                    known += 1
                    self.insertions += 1
                    self._bytes += len(value) + (len(name) if name else 0) + _ENTRY
        except IndexError as error:
            raise HpackError("it ends inside a field") from error
        except HuffmanError as error:
            raise HpackError(str(error)) from error
        if self._bytes > self._limit + _SLACK:
            self._shorten()
        return fields

    def _shorten(self) -> None:
        """Forget the oldest entries, those that no table of this size still has."""
        keep, size = 0, 0
        for name, value in reversed(self._log):
            size += len(name or b"") + len(value or b"") + _ENTRY
            if size > self._limit:
                break
            keep, self._bytes = keep + 1, size
        del self._log[: len(self._log) - keep]
        if not keep:
            self._bytes = 0


def _integer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """Section 5.1: the rest of an integer that did not fit its prefix, and where it ends."""
    shift = 0
    while True:
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > _MAX_SHIFT:
            raise HpackError("an integer of more than 32 bits")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """Section 5.2: a string, and where it ends."""
    size = block[at]
    at += 1
    coded = size & 0x80
    size &= 0x7F
    if size == 127:
        size, at = _integer(block, at, 127)
    raw = block[at : at + size]
    if len(raw) != size:
        raise HpackError("it ends inside a string")
    return (huffman(raw) if coded else raw), at + size
