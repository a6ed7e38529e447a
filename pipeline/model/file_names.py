"""Which files a component may write, as far as its options say: so that two of them can be told apart before they run."""

from collections.abc import Iterable
from typing import NamedTuple, Self

DIGITS = frozenset("0123456789")


class Place(NamedTuple):
    """One character of a path: which it may be. ``repeated``: any number of them, none too."""

    letters: frozenset[str]
    repeated: bool = False


ANYTHING = Place(frozenset(map(chr, range(32, 127))), repeated=True)


class FileNames(NamedTuple):
    """Every path that may be written. ``from_traffic``: traffic chooses part of it, and never such that it looks ``rotated``."""

    places: tuple[Place, ...]
    from_traffic: bool = False
    rotated: bool = False

    @classmethod
    def literal(cls, path: str) -> Self:
        """One path."""
        return cls(tuple(spelled(path)))


def spelled(text: str) -> Iterable[Place]:
    """The places of a literal text."""
    return (Place(frozenset(letter)) for letter in text)
