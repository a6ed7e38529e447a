"""The distinguished encoding of ASN.1 (ITU-T X.690), as far as certificates need it: elements, one behind the other."""

from pipeline.decode.tls.cursor import Cursor, ShortError

BOOLEAN, INTEGER, OCTETS, OID, SEQUENCE, SET, UTC_TIME, GENERALIZED_TIME = 0x01, 0x02, 0x04, 0x06, 0x30, 0x31, 0x17, 0x18
_LONG = 0x80
_MULTIPLE = 0x1F

_STRINGS = {
    0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii",
    0x1C: "utf-32-be", 0x1E: "utf-16-be",
}  # fmt: skip
"""UTF8String, NumericString, PrintableString, TeletexString, IA5String, VisibleString, UniversalString, BMPString."""


def element(cursor: Cursor) -> tuple[int, bytes]:
    """The next element: its tag and what it holds. Tags of more than a byte do not occur and raise ``ShortError``."""
    tag, length = cursor.number(1), cursor.number(1)
    if tag & _MULTIPLE == _MULTIPLE:
        raise ShortError
    if length & _LONG:
        length = cursor.number(length & ~_LONG)
    return tag, cursor.take(length)


def expect(cursor: Cursor, tag: int) -> bytes:
    """What the next element holds, which must be of this tag."""
    found, held = element(cursor)
    if found != tag:
        raise ShortError
    return held


def elements(held: bytes) -> list[tuple[int, bytes]]:
    """All elements of a sequence or set."""
    cursor, found = Cursor(held), []
    while cursor:
        found.append(element(cursor))
    return found


def string(tag: int, held: bytes) -> str | None:
    """A string of any kind; None where it is none. Bytes that its kind does not allow stand there as escapes or U+FFFD."""
    encoding = _STRINGS.get(tag)
    return (
        None if encoding is None else held.decode(encoding, "backslashreplace" if encoding in {"ascii", "utf-8"} else "replace")
    )


def oid(held: bytes) -> str:
    """Such as ``2.5.4.3`` (X.690, section 8.19)."""
    arcs, value = [], 0
    for byte in held:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        return ""
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def time(tag: int, held: bytes) -> str | None:
    """RFC 3339 of a time (RFC 5280, section 4.1.2.5); years of two digits are 1950 to 2049. None where it is none."""
    digits = held.decode("ascii", "replace")
    if tag == UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif tag != GENERALIZED_TIME:
        return None
    if len(digits) == 13:  # without seconds, as old certificates have it
        digits = f"{digits[:12]}00Z"
    if len(digits) != 15 or digits[14] != "Z" or not digits[:14].isdecimal():
        return None
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}Z"
