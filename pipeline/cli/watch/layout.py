"""How wide the columns of a table are: which of them fit on a screen, and texts cut or filled to so many cells. Pure.

Cells are measured as Textual measures them: a letter may take two, or none.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len, set_cell_size

from pipeline.sinks.stdout.cells import shortened

LEAST = 6
"""Cells that a column without a width has at least."""


class Column(NamedTuple):
    """``width`` in cells; 0: what the others leave, shared by all such columns by ``share``. Shown from ``least`` cells on."""

    name: str
    title: str
    width: int
    right: bool = False
    least: int = 0
    most: int = 10_000
    share: int = 1


Cell = tuple[str, str]
"""Text and style."""
CellsOf = Callable[[Any, Sequence[Column]], Sequence[Cell]]


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Exactly so many cells."""
    if text.isascii() and len(text) <= width:
        return text.rjust(width) if right else text.ljust(width)
    text = shortened(text, width)
    return " " * (width - cell_len(text)) + text if right and cell_len(text) <= width else set_cell_size(text, width)


def laid_out(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that fit on a screen so wide, each with its width; one cell lies between two."""
    shown = [column for column in columns if column.least <= width <= column.most]
    room = width - sum(column.width for column in shown) - len(shown) + 1
    shares = sum(column.share for column in shown if not column.width) or 1
    found: list[tuple[Column, int]] = []
    left = room
    flexible = [column for column in shown if not column.width]
    for column in shown:
        mine = column.width
        if not mine:
            mine = left if column is flexible[-1] else room * column.share // shares
            left -= mine
            mine = max(LEAST, mine)
        found.append((column, mine))
    return found
