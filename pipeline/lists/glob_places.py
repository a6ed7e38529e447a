"""A glob as a row of places, each of which takes certain bytes, once or any number of times. Pure.

Characters beyond ASCII are several bytes: "one character" is a byte that begins one, and then as many continuation bytes as there
are (RFC 3629, section 3), which is exact in text that is UTF-8. A glob with a set whose members are beyond ASCII is several rows:
UTF-8 spells a range of them with several sequences of bytes.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from pipeline.expressions.errors import ExpressionError

MOST_VARIANTS = 256
"""Rows of one glob."""

_ALL = frozenset(range(256))
_CONTINUATION = frozenset(range(0x80, 0xC0))
_BEGINS = _ALL - _CONTINUATION
_BEYOND_ASCII = frozenset(range(0xC0, 256))
_LAST = 0x10FFFF


class Place(NamedTuple):
    """``bytes``: those that it takes. ``repeated``: any number of them, also none."""

    bytes: frozenset[int]
    repeated: bool = False


REST = Place(_CONTINUATION, repeated=True)
"""What follows the first byte of a character, where its first byte is all that matters."""

_SEGMENT = Place(_ALL - {ord("/")}, repeated=True)
WHATEVER = Place(_ALL, repeated=True)
"""``**``."""
_ONE = (Place(_BEGINS - {ord("/")}), REST)

Places = tuple[Place, ...]


def variants(glob: str) -> Iterator[Places]:
    """The rows of a glob, as ``pipeline.expressions.patterns`` understands it. Raises ``ExpressionError`` for too many."""
    pieces = list(_pieces(glob))
    number = 1
    for piece in pieces:
        number *= len(piece)
    if number > MOST_VARIANTS:
        sets = "sets with letters beyond ASCII, which the kernel takes for several globs"
        raise ExpressionError(f"has {sets}: {number}, at most {MOST_VARIANTS}; name some of the letters in entries of their own")
    for chosen in product(*pieces):
        yield tuple(place for row in chosen for place in row)


def literal(text: str) -> Places:
    """The row of a text without wildcards."""
    return tuple(Place(frozenset((byte,))) for byte in text.encode())


def _pieces(glob: str) -> Iterator[Sequence[Places]]:
    """What stands behind each other in a glob, each with its alternatives."""
    at = 0
    while at < len(glob):
        char = glob[at]
        end = glob.find("]", at + 2) if char == "[" else -1
        if glob.startswith("**", at):
            yield ((WHATEVER,),)
            at += 1
        elif char == "*":
            yield ((_SEGMENT,),)
        elif char == "?":
            yield (_ONE,)
        elif end > 0:
            yield _set(glob[at + 1 : end])
            at = end
        else:
            yield (literal(char),)
        at += 1


def _set(members: str) -> Sequence[Places]:
    """One character of a set."""
    ranges = _ranges(members[1:]) if members[0] in "!^" else _ranges(members)
    if members[0] in "!^":
        ranges = _others(ranges)
    low = frozenset(code for first, last in ranges for code in range(first, min(last, 0x7F) + 1))
    high = [(max(first, 0x80), last) for first, last in ranges if last >= 0x80]
    if high == [(0x80, _LAST)]:
        return ((Place(low | _BEYOND_ASCII), REST),)
    rows = [tuple(Place(frozenset(range(first, last + 1))) for first, last in row) for each in high for row in spellings(*each)]
    return [(Place(low),), *rows] if low else rows


def _ranges(members: str) -> list[tuple[int, int]]:
    """Ranges of code points, sorted and joined; a ``-`` at the beginning or the end is itself."""
    found = []
    at = 0
    while at < len(members):
        ranged = at + 2 < len(members) and members[at + 1] == "-"
        found.append((ord(members[at]), ord(members[at + 2 if ranged else at])))
        at += 3 if ranged else 1
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _others(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """All code points that are not in these."""
    found, at = [], 0
    for first, last in ranges:
        if first > at:
            found.append((at, first - 1))
        at = last + 1
    if at <= _LAST:
        found.append((at, _LAST))
    return found


def spellings(first: int, last: int) -> Iterator[list[tuple[int, int]]]:
    """Sequences of ranges of bytes that spell the code points of a range beyond ASCII in UTF-8."""
    for most in (0x7FF, 0xFFFF, _LAST):
        if first <= most < last:
            yield from spellings(first, most)
            yield from spellings(most + 1, last)
            return
    for bits in (6, 12, 18):
        mask = (1 << bits) - 1
        if first & ~mask == last & ~mask:
            break  # they differ only in bytes that may be any from here on, or not at all
        if first & mask:
            yield from spellings(first, first | mask)
            yield from spellings((first | mask) + 1, last)
            return
        if last & mask != mask:
            yield from spellings(first, (last & ~mask) - 1)
            yield from spellings(last & ~mask, last)
            return
    yield list(zip(_encoded(first), _encoded(last), strict=True))


def _encoded(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass")
