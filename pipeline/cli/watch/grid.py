"""A table of any number of rows, of which only those on the screen are made: a heading, a cursor, and what a mouse does to them.

Rows have keys (a number, a name), so that the cursor stays on its row whatever comes, goes or is sorted. Cells are text that can
hurt no terminal, with a style each; how wide they come out is measured as Textual measures.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pipeline.sinks.cells import shortened


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

HEADING = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)
LEAST = 6
"""Cells that a column without a width has at least."""


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


class Grid(ScrollView, can_focus=True):
    """Posts ``Opened`` when Enter or a second click chooses a row, ``Sorted`` when a heading is clicked."""

    DEFAULT_CSS = "Grid { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
        Binding("enter", "open", show=False),
    ]

    class Opened(Message):
        """A row was chosen."""

        def __init__(self, grid: "Grid", key: Any) -> None:  # noqa: ANN401  of any kind
            super().__init__()
            self.grid = grid
            self.key = key

    class Sorted(Message):
        """A heading was clicked."""

        def __init__(self, grid: "Grid", column: str) -> None:
            super().__init__()
            self.grid = grid
            self.column = column

    def __init__(self, columns: Sequence[Column], cells_of: CellsOf, *, empty: str, id: str) -> None:  # noqa: A002  as Textual
        super().__init__(id=id)
        self._columns = columns
        self._cells_of = cells_of
        self._laid_out: tuple[int, list[tuple[Column, int]]] = (0, [])
        self.empty = empty
        self.keys: Sequence[Any] = ()
        self.cursor = 0
        self.follow = False
        self.order: tuple[str, bool] | None = None
        """The column that is sorted by, and whether descending: shown in the heading."""

    # ---- what is shown -------------------------------------------------------------------------------------------------------

    @property
    def key(self) -> Any | None:  # noqa: ANN401  of any kind
        """Of the row under the cursor."""
        return self.keys[self.cursor] if self.cursor < len(self.keys) else None

    def show(self, keys: Sequence[Any]) -> None:
        """These rows, in this order. The cursor stays on its row, or at the end while it follows."""
        before, at = self.key, self.cursor
        self.keys = keys
        if self.follow:
            self.cursor = max(0, len(keys) - 1)
        elif before is not None:
            self.cursor = self._place(before, at)
        self._measure()
        shifted = self.cursor - at
        if not self.follow and shifted and before is not None and self.key == before:
            self.scroll_to(y=max(0, round(self.scroll_y) + shifted), animate=False, force=True, immediate=True)
        else:
            self._reveal()
        self.refresh()

    def _place(self, key: Any, near: int) -> int:  # noqa: ANN401  of any kind
        """Where the row stands now; where it is gone, what stands there."""
        last = max(0, len(self.keys) - 1)
        if near <= last and self.keys and self.keys[near] == key:
            return near
        if isinstance(self.keys, range):
            return min(last, max(0, int(key) - self.keys.start))
        try:
            return self.keys.index(key)
        except ValueError:
            return min(near, last)

    def _measure(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.keys) + 1)

    def _reveal(self) -> None:
        room = max(1, self.size.height - 1)
        top = round(self.scroll_y)
        if self.cursor < top:
            top = self.cursor
        elif self.cursor >= top + room:
            top = self.cursor - room + 1
        top = max(0, min(top, len(self.keys) - room))
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        """Other columns and rows fit."""
        self._measure()
        self._reveal()

    @property
    def _layout(self) -> list[tuple[Column, int]]:
        """The columns that fit beside the scrollbar."""
        width = self.scrollable_content_region.width
        if width != self._laid_out[0]:
            self._laid_out = (width, laid_out(self._columns, width))
        return self._laid_out[1]

    def render_line(self, y: int) -> Strip:
        """The heading, or a row."""
        width = self.scrollable_content_region.width
        if y == 0:
            return Strip([Segment(self._heading(), HEADING)]).adjust_cell_length(width, HEADING)
        at = round(self.scroll_y) + y - 1
        if at >= len(self.keys):
            text = self.empty if y == 2 and not self.keys else ""
            return Strip([Segment(fit(text, width), Style(dim=True))], width)
        columns = [column for column, _ in self._layout]
        chosen = at == self.cursor and self.has_focus
        base = CURSOR if chosen else Style(bold=True) if at == self.cursor else Style.null()
        segments = []
        for (column, cells), (text, style) in zip(self._layout, self._cells_of(self.keys[at], columns), strict=True):
            segments.append(Segment(fit(text, cells, right=column.right), base if chosen else base + Style.parse(style)))
            segments.append(Segment(" ", base))
        return Strip(segments).adjust_cell_length(width, base)

    def _heading(self) -> str:
        titles = []
        for column, width in self._layout:
            mark = ("▼" if self.order[1] else "▲") if self.order and self.order[0] == column.name else ""
            titles.append(fit(column.title + mark, width, right=column.right))
        return " ".join(titles)

    @property
    def shown_columns(self) -> list[Column]:
        """Those that fit on the screen."""
        return [column for column, _ in self._layout]

    # ---- what moves it -------------------------------------------------------------------------------------------------------

    def to(self, at: int) -> None:
        """The cursor on this row; on the last one it follows no more than before."""
        self.cursor = max(0, min(at, len(self.keys) - 1))
        self.follow = self.follow and self.cursor == len(self.keys) - 1
        self._reveal()
        self.refresh()

    def action_move(self, rows: int) -> None:
        """Up or down."""
        self.to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """A screen up or down."""
        self.to(self.cursor + pages * max(1, self.size.height - 2))

    def action_first(self) -> None:
        """The first row."""
        self.to(0)

    def action_last(self) -> None:
        """The last row, and the newest from now on."""
        self.follow = self.can_follow
        self.to(len(self.keys) - 1)

    can_follow = False

    def action_open(self) -> None:
        """Choose the row."""
        if self.key is not None:
            self.post_message(self.Opened(self, self.key))

    def on_click(self, event: events.Click) -> None:
        """A row: the cursor goes there, and a second click opens it. A heading: sort."""
        if event.y == 0:
            left = 0
            for column, width in self._layout:
                if left <= event.x <= left + width:
                    self.post_message(self.Sorted(self, column.name))
                    return
                left += width + 1
            return
        at = round(self.scroll_y) + event.y - 1
        if at >= len(self.keys):
            return
        again = at == self.cursor and event.chain > 1
        self.follow = False
        self.to(at)
        if again:
            self.action_open()

    def on_mouse_scroll_up(self) -> None:
        """Look back: it follows no more."""
        self.follow = False
