"""Header fields: one block of lines → what decode needs of it, and the fields that were asked for. Remembers blocks it has seen.

RFC 9112, section 5: ``field-name ":" OWS field-value OWS``. Read beyond it, as servers do: bare LF, folded lines (section 5.2),
white space before the colon (section 5.1: the classic of request smuggling, so it is marked), lines without a colon.
"""

import re
from collections.abc import Mapping, Sequence

from pipeline.decode.marks import AMBIGUOUS_FRAMING, PROTOCOL_ERROR
from pipeline.decode.message import Fields
from pipeline.decode.targets import split_host, text
from pipeline.model.events.event import NO_HEADERS

CACHED_BLOCKS = 1024
CACHED_BLOCK_BYTES = 4096
"""Clients repeat their header blocks, servers do within a second. Full, the cache starts empty: at most 8 MB, commonly 1."""
RARELY = 7
"""Of blocks that were not remembered one in eight is from now on (a bit mask): what repeats is soon among them, and what never
does (identifiers, dates) does not fill memory that the processor's caches could hold."""

_ALWAYS = (b"content-length", b"transfer-encoding", b"upgrade")
_OF_REQUESTS = (b"host", b"user-agent")
_OF_BODIES = (b"content-type", b"content-encoding")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_SPACED = re.compile(rb"(?m)^([^\s:]+)[ \t\v\f\r]+:")
_SPACE_COLON = re.compile(rb" :")
_BARE_CR = re.compile(rb"\r(?!\n)")
_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~-]+\]|(?:[0-9A-Za-z._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?\Z")
"""RFC 9110, section 7.2, with the host of RFC 3986, section 3.2.2; empty where the target has no authority."""
_LENGTH = b"\ncontent-length:"
_FRAMING = (b"content-length", b"transfer-encoding")
_MAX_LENGTH = (1 << 63) - 1
_MAX_DIGITS = 256
"""Digits of a Content-Length that are read: leading zeros are allowed, and an integer of a megabyte would take seconds."""


class FieldParser:
    """Reads header blocks of requests or of responses; ``reported`` names the fields to report, ``seen`` is what it remembers.

    Most of a block does not matter here, and what matters repeats even where blocks differ (in a date, an identifier).
    So a block is looked up whole, then by the lines that matter, found in one pass, and only then read. Within this class a
    block begins with the line feed that ends the line before it.
    """

    def __init__(self, reported: Sequence[str] = (), *, request: bool, bodies: bool = False) -> None:
        self._reported = [(name.lower(), name.lower().encode()) for name in dict.fromkeys(reported)]
        self._request = request
        self._bodies = bodies
        keys = {
            *_ALWAYS,
            *(_OF_REQUESTS if request else ()),
            *(_OF_BODIES if bodies else ()),
            *(key for _, key in self._reported),
        }
        # Lines that matter, and any that go on with a folded one. The look at the first letter halves the time.
        names = b"|".join(map(re.escape, sorted(keys)))
        first = re.escape(b"".join(sorted({letter for key in keys for letter in (key[:1], key[:1].upper())})))
        self._find = re.compile(rb"\n(?=[ %b])(?:(?i:%b):| ).*" % (first, names)).findall
        self._brief = b"content-length" not in (key for _, key in self._reported)
        self._lines: dict[bytes, Fields] = {}
        self._missed = 0
        self.seen: dict[bytes, Fields] = {}

    def parse(self, lines: bytes) -> Fields:
        """The fields of the lines behind a start line, all of them or not."""
        return self._parse(b"\n" + lines)

    def whole(self, block: bytes) -> Fields:
        """The fields of a block that is whole, with the empty line at its end, and that is not in ``seen``."""
        fields = self._parse(block)
        self._missed += 1
        if not self._missed & RARELY:
            remember(self.seen, block, fields)
        return fields

    def _parse(self, block: bytes) -> Fields:
        # A number is looked for in a quarter of the time that a string of one byte takes.
        if 9 in block or 11 in block or 12 in block or _SPACE_COLON.search(block) or _BARE_CR.search(block):
            return self._read(block)
        key = b"".join(self._find(block))
        fields = self._lines.get(key)
        if fields is None:
            if b"\n " in key:
                return self._read(block)
            fields = self._length_only(key) or self._read(key + b"\n")
            remember(self._lines, key, fields)
        return fields

    def _length_only(self, line: bytes) -> Fields | None:
        """What most responses have and no more: one line, whose value differs from one to the next."""
        if self._brief and line[:16].lower() == _LENGTH:
            value = line[16:].strip()
            if value.isdigit() and len(value) < 19:
                length = int(value)
                return Fields(length, False, False, not length)
        return None

    def _read(self, raw: bytes) -> Fields:
        """Look for the few names that matter; splitting all lines of a block costs three times as much."""
        marks = 0
        if b"\n " in raw or b"\n\t" in raw:
            raw, marks = _FOLD.sub(b" ", raw), PROTOCOL_ERROR
        if raw.count(b"\r") != raw.count(b"\r\n"):
            # RFC 9112, section 2.2: "replace each bare CR with SP"; who takes it for a line end sees other fields.
            raw, marks = _BARE_CR.sub(b" ", raw), marks | PROTOCOL_ERROR | AMBIGUOUS_FRAMING
        if b" :" in raw or b"\t:" in raw or b"\v:" in raw or b"\f:" in raw:
            raw, marks = self._close_up(raw, marks)
        low = raw.lower()
        length, chunked, coded, bits = framing(raw, low)
        address = port = agent = None
        size, host = 0, []
        if self._request:
            host = values(raw, low, b"host")
            if host:
                address, port = split_host(text(host[0]))
                if len(host) > 1 or not _HOST.match(host[0]):
                    bits |= PROTOCOL_ERROR  # RFC 9112, section 3.2
            agents = values(raw, low, b"user-agent")
            if agents:
                agent = text(agents[0])
                size = len(agent)
        content_type = content_encoding = b""
        if self._bodies:
            content_type = b"".join(values(raw, low, b"content-type")[:1])
            # A transfer coding is put on last (RFC 9112, section 6.1); chunked is undone while the body is read.
            codings = [*values(raw, low, b"content-encoding"), *values(raw, low, b"transfer-encoding")]
            content_encoding = b",".join(each for each in coding_names(codings) if each != b"chunked")
        reported = self._reports(raw, low) if self._reported else NO_HEADERS
        size += sum(len(value) + 60 for found in reported.values() for value in found)
        return Fields(
            length, chunked, coded, not (length or chunked or coded), bool(host), address, port, agent,
            upgrade_name(values(raw, low, b"upgrade")) if b"\nupgrade:" in low else None,
            content_type, content_encoding, reported, marks | bits, size,
        )  # fmt: skip

    def _reports(self, raw: bytes, low: bytes) -> Mapping[str, tuple[str, ...]]:
        found = {name: tuple(text(value) for value in values(raw, low, key)) for name, key in self._reported}
        return {name: texts for name, texts in found.items() if texts} or NO_HEADERS

    @staticmethod
    def _close_up(raw: bytes, marks: int) -> tuple[bytes, int]:
        """Take white space in front of colons away; where it frames the message, readers may disagree about it."""
        for match in _SPACED.finditer(raw):
            marks |= PROTOCOL_ERROR
            if match[1].lower() in _FRAMING:
                marks |= AMBIGUOUS_FRAMING
        return _SPACED.sub(rb"\1:", raw), marks


def remember(cache: dict[bytes, Fields], block: bytes, fields: Fields) -> None:
    """Keep what a block says for the next one like it."""
    if len(block) <= CACHED_BLOCK_BYTES:
        if len(cache) >= CACHED_BLOCKS:
            cache.clear()
        cache[block] = fields


def values(raw: bytes, low: bytes, name: bytes) -> list[bytes]:
    """All values of a field, in order, without white space around them (RFC 9110, section 5.6.3: space and tab alone).

    ``low`` is ``raw`` in lower case; both begin with a line feed.
    """
    found = []
    key = b"\n" + name + b":"
    at = low.find(key)
    while at >= 0:
        start = at + len(key)
        end = low.find(b"\n", start)
        found.append((raw[start:end] if end >= 0 else raw[start:]).strip(b" \t\r"))
        at = low.find(key, end) if end >= 0 else -1
    return found


def upgrade_name(found: Sequence[bytes]) -> str | None:
    """The first protocol of an Upgrade field, without its version (RFC 9110, section 7.8)."""
    return text(found[0]).partition(",")[0].partition("/")[0].strip().lower() or None


def framing(raw: bytes, low: bytes) -> tuple[int | None, bool, bool, int]:
    """Length, chunked, otherwise coded, and marks."""
    length, chunked, coded, marks = None, False, False, 0
    if b"\ncontent-length:" in low:
        length, marks = content_length(values(raw, low, b"content-length"))
    if b"\ntransfer-encoding:" in low:
        chunked, coded, bits = transfer_coding(values(raw, low, b"transfer-encoding"))
        marks |= bits
        if length is not None and (chunked or coded):
            # RFC 9112, section 6.3: Transfer-Encoding overrides; "such a message might indicate an attempt to perform request
            # smuggling".
            length, marks = None, marks | AMBIGUOUS_FRAMING
    return length, chunked, coded, marks


def content_length(found: Sequence[bytes]) -> tuple[int | None, int]:
    """The body's length by Content-Length, and marks.

    RFC 9110, section 8.6: a list of equal values is one value. Values that differ are an error that no recipient should
    survive; those that do take the first. A value that is not a number, or too large for anybody's counter, frames nothing.
    """
    if len(found) == 1 and found[0].isdigit() and len(found[0]) < 19:
        return int(found[0]), 0
    numbers = [number.strip() for value in found for number in value.split(b",")]
    usable = [int(number) for number in numbers if number.isdigit() and len(number) <= _MAX_DIGITS]
    usable = [number for number in usable if number <= _MAX_LENGTH]
    odd = any(value.strip(b"\v\f") != value for value in found)  # some readers take these for white space
    if odd or len(usable) != len(numbers) or any(number != usable[0] for number in usable):
        return (usable[0] if usable else None), AMBIGUOUS_FRAMING | PROTOCOL_ERROR
    return usable[0], 0


def coding_names(found: Sequence[bytes]) -> list[bytes]:
    """The codings of a field, lower case, without their parameters; ``identity`` says nothing (RFC 2616, section 3.6)."""
    names = [coding.partition(b";")[0].strip().lower() for value in found for coding in value.split(b",")]
    return [name for name in names if name not in {b"", b"identity"}]


def transfer_coding(found: Sequence[bytes]) -> tuple[bool, bool, int]:
    """Whether the body is chunked, whether it has other codings last, and marks.

    RFC 9112, section 7.1: chunked has no parameters; section 6.1: it is there once, and last. Whoever knows no ``identity`` any
    more, or compares the whole value, frames the message differently.
    """
    codings = coding_names(found)
    if not codings:
        return False, False, AMBIGUOUS_FRAMING
    if codings[-1] != b"chunked":
        return False, True, AMBIGUOUS_FRAMING
    listed = [coding.strip(b" \t").lower() for value in found for coding in value.split(b",")]
    return True, False, 0 if listed == codings and codings.count(b"chunked") == 1 else AMBIGUOUS_FRAMING | PROTOCOL_ERROR
