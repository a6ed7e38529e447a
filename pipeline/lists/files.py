"""A file of entries: one a line, ``#`` begins a comment. Bytes in, entries or all that is wrong with them out; opens nothing."""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.expressions.errors import ExpressionError
from pipeline.lists.entry import Entry, parse_entry


class Fault(NamedTuple):
    """What is wrong with one line, counted from 1; line 0: with the file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class Line(NamedTuple):
    """An entry, and where it stands."""

    number: int
    entry: Entry


def lines_of(data: bytes) -> Iterator[Line | Fault]:
    """Each line that is not empty, as an entry or as what is wrong with it. Never raises."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield Fault(0, f"not UTF-8 at byte {error.start}")
        return
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].strip()
        if words:
            try:
                yield Line(number, parse_entry(words))
            except ExpressionError as error:
                yield Fault(number, error.message)
