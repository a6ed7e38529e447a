"""Header fields: one block of lines → what decode needs of it, and the fields that were asked for. Remembers blocks it has seen.

RFC 9112, section 5: ``field-name ":" OWS field-value OWS``. Read beyond it, as servers do: bare LF, folded lines (section 5.2),
white space before the colon (section 5.1: the classic of request smuggling, so it is marked), lines without a colon.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from pipeline.decode.marks import AMBIGUOUS_FRAMING, PROTOCOL_ERROR
from pipeline.decode.startline import split_host, text
from pipeline.model.exchange import NO_HEADERS

CACHED_BLOCKS = 1024
CACHED_BLOCK_BYTES = 4096
"""Clients repeat their header blocks, and servers do within a second. Full, the cache starts anew: at most 8 MB, commonly 1."""

_USED = {
    b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"upgrade", b"user-agent", b"connection",
}  # fmt: skip
_FOLD = re.compile(rb"\r?\n[ \t]+")
_DIGITS = re.compile(rb"0{0,256}[0-9]{1,19}\Z")
_CHARSET = re.compile(rb"(?i);[ \t]*charset=\"?([A-Za-z0-9_.:-]{1,40})")
_MAX_LENGTH = (1 << 63) - 1


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What a header block says. ``length`` is Content-Length, None where absent or of no use; ``weight`` its cost in bytes."""

    length: int | None = None
    chunked: bool = False
    coded: bool = False  # a Transfer-Encoding is there whose last coding is not chunked
    bare: bool = True  # a request with these fields has no body
    address: str | None = None
    port: int | None = None
    user_agent: str | None = None
    upgrade: str | None = None
    content_type: bytes = b""
    charset: str | None = None
    content_encoding: bytes = b""
    reported: Mapping[str, tuple[str, ...]] = NO_HEADERS
    marks: int = 0
    weight: int = 0


NO_FIELDS = Fields()


class FieldParser:
    """Reads header blocks; ``reported`` names the fields to report."""

    def __init__(self, reported: Sequence[str] = ()) -> None:
        self._reported = {name.lower().encode(): name.lower() for name in reported}
        self._wanted = _USED | self._reported.keys()
        self._seen: dict[bytes, Fields] = {}

    def parse(self, block: bytes) -> Fields:
        """The fields of a block: the lines behind the start line, with or without the empty line that ends them."""
        fields = self._seen.get(block)
        if fields is None:
            fields = self._read(block)
            if len(block) <= CACHED_BLOCK_BYTES:
                if len(self._seen) >= CACHED_BLOCKS:
                    self._seen.clear()
                self._seen[block] = fields
        return fields

    def _read(self, block: bytes) -> Fields:
        found: dict[bytes, list[bytes]] = {}
        marks = 0
        if b"\n " in block or b"\n\t" in block:
            block, marks = _FOLD.sub(b" ", block), PROTOCOL_ERROR
        wanted = self._wanted
        for line in block.split(b"\n"):
            name, colon, value = line.partition(b":")
            name = name.lower()
            if name not in wanted:
                stripped = name.strip()
                if stripped == name or stripped not in wanted:
                    continue
                name, marks = stripped, marks | PROTOCOL_ERROR
                if name in {b"content-length", b"transfer-encoding"}:
                    marks |= AMBIGUOUS_FRAMING
            if colon:
                found.setdefault(name, []).append(value.strip())
        return self._fields(found, marks)

    def _fields(self, found: dict[bytes, list[bytes]], marks: int) -> Fields:
        length, length_marks = content_length(found.get(b"content-length"))
        chunked, coded, coding_marks = transfer_coding(found.get(b"transfer-encoding"))
        if length is not None and (chunked or coded):
            # RFC 9112, section 6.3: Transfer-Encoding overrides; "such a message might indicate an attempt to perform
            # request smuggling".
            length, coding_marks = None, coding_marks | AMBIGUOUS_FRAMING
        host = found.get(b"host")
        address, port = split_host(text(host[0])) if host else (None, None)
        reported = {name: tuple(text(value) for value in found[raw]) for raw, name in self._reported.items() if raw in found}
        agent = found.get(b"user-agent")
        upgrade = found.get(b"upgrade")
        kind = found.get(b"content-type", [b""])[0]
        charset = _CHARSET.search(kind)
        return Fields(
            length,
            chunked,
            coded,
            not (length or chunked or coded),
            address,
            port,
            text(agent[0]) if agent else None,
            text(upgrade[0]).partition(",")[0].partition("/")[0].strip().lower() if upgrade else None,
            kind.partition(b";")[0].strip().lower(),
            text(charset[1]) if charset else None,
            b",".join(found.get(b"content-encoding", ())).lower(),
            reported or NO_HEADERS,
            marks | length_marks | coding_marks,
            sum(len(value) + 60 for values in reported.values() for value in values) + (len(agent[0]) if agent else 0),
        )


def content_length(values: Sequence[bytes] | None) -> tuple[int | None, int]:
    """The body's length by Content-Length, and marks.

    RFC 9110, section 8.6: a list of equal values is one value. Values that differ are an error that no recipient should
    survive; those that do take the first. A value that is no number, or too large for anybody's counter, frames nothing.
    """
    if not values:
        return None, 0
    numbers = [number.strip() for value in values for number in value.split(b",")]
    usable = [int(number) for number in numbers if _DIGITS.match(number) and int(number) <= _MAX_LENGTH]
    if len(usable) != len(numbers):
        return (usable[0] if usable else None), AMBIGUOUS_FRAMING | PROTOCOL_ERROR
    if any(number != usable[0] for number in usable):
        return usable[0], AMBIGUOUS_FRAMING | PROTOCOL_ERROR
    return usable[0], 0


def transfer_coding(values: Sequence[bytes] | None) -> tuple[bool, bool, int]:
    """Whether the body is chunked, whether it has other codings last, and marks. ``identity`` (RFC 2616) says nothing."""
    if not values:
        return False, False, 0
    codings = [coding.partition(b";")[0].strip().lower() for value in values for coding in value.split(b",")]
    codings = [coding for coding in codings if coding not in {b"", b"identity"}]
    if not codings:
        return False, False, AMBIGUOUS_FRAMING
    if codings[-1] == b"chunked":
        return True, False, AMBIGUOUS_FRAMING if codings.count(b"chunked") > 1 else 0
    return False, True, AMBIGUOUS_FRAMING
