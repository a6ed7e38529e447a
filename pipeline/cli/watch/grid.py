"""A table of any number of rows, of which only those on the screen are made: a heading, a cursor, and what keys and a mouse do.

Rows have keys (a number, or all that a row shows), so that the cursor stays on its row whatever comes, goes or is sorted. Cells
are text that can hurt no terminal, with a style each.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pipeline.cli.watch.layout import CellsOf, Column, fit, laid_out
from pipeline.cli.watch.ordering import Order, beside

HEADING = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)


class Grid(ScrollView, can_focus=True):
    """Posts ``Opened`` when Enter or a second click chooses a row, ``Sorted`` when a key or a click asks for another order."""

    DEFAULT_CSS = "Grid { overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("home,g", "first", show=False),
        Binding("end,G", "last", show=False),
        Binding("enter", "open", show=False),
        Binding("s", "sort(1)", show=False),
        Binding("S", "sort(-1)", show=False),
        Binding("r", "reverse", show=False),
    ]

    class Opened(Message):
        """A row was chosen."""

        def __init__(self, grid: "Grid", key: Any) -> None:  # noqa: ANN401  of any kind
            super().__init__()
            self.grid = grid
            self.key = key

    class Sorted(Message):
        """``grid.order`` is another one; whoever shows the rows puts them so."""

        def __init__(self, grid: "Grid") -> None:
            super().__init__()
            self.grid = grid

    def __init__(  # noqa: PLR0913  a table is all of these
        self,
        columns: Sequence[Column],
        cells_of: CellsOf,
        *,
        empty: str,
        id: str,  # noqa: A002  as Textual
        sorts: Container[str] = (),
        order: Order | None = None,
        name_of: Callable[[Any], object] | None = None,
    ) -> None:
        """``sorts``: the columns by which it can be sorted. ``name_of``: what of a key makes it the same row; None: all of it."""
        super().__init__(id=id)
        self._columns = columns
        self._cells_of = cells_of
        self._sorts = sorts
        self._name_of = name_of
        self._laid_out: tuple[int, list[tuple[Column, int]]] = (0, [])
        self.empty = empty
        self.keys: Sequence[Any] = ()
        self.cursor = 0
        self.follow = False
        self.order = order

    # ---- what is shown -------------------------------------------------------------------------------------------------------

    @property
    def key(self) -> Any | None:  # noqa: ANN401  of any kind
        """Of the row under the cursor."""
        return self.keys[self.cursor] if self.cursor < len(self.keys) else None

    def show(self, keys: Sequence[Any], *, top: bool = False) -> None:
        """These rows, in this order. The cursor stays on its row, or at the end while it follows; or goes to the top."""
        before, at = self.key, self.cursor
        self.keys = keys
        if self.follow:
            self.cursor = max(0, len(keys) - 1)
        elif top:
            self.cursor = 0
        elif before is not None:
            self.cursor = self._place(before, at)
        self._measure()
        shifted = self.cursor - at
        if not self.follow and not top and shifted and before is not None and self._is(self.key, before):
            self.scroll_to(y=max(0, round(self.scroll_y) + shifted), animate=False, force=True, immediate=True)
        else:
            self._reveal()
        self.refresh()

    def show_changed(self, keys: Sequence[Any]) -> None:
        """The same, where these are other rows than before."""
        if keys is not self.keys and keys != self.keys:
            self.show(keys)

    def _is(self, key: Any, other: Any) -> bool:  # noqa: ANN401  of any kind
        if key is None or self._name_of is None:
            return bool(key == other)
        return self._name_of(key) == self._name_of(other)

    def _place(self, key: Any, near: int) -> int:  # noqa: ANN401  of any kind
        """Where the row stands now; where it is gone, what stands there."""
        last = max(0, len(self.keys) - 1)
        if near <= last and self.keys and self._is(self.keys[near], key):
            return near
        if isinstance(self.keys, range):
            return min(last, max(0, int(key) - self.keys.start))
        name_of = self._name_of
        try:
            return self.keys.index(key) if name_of is None else [name_of(each) for each in self.keys].index(name_of(key))
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
            mark = ("▼" if self.order.descending else "▲") if self.order and self.order.column == column.name else ""
            titles.append(fit(column.title + mark, width, right=column.right))
        return " ".join(titles)

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

    def sort(self, order: Order | None) -> None:
        """In this order from now on; None: as they came."""
        self.order = order
        self.follow = self.can_follow and order is None
        self.post_message(self.Sorted(self))
        self.refresh()

    def action_sort(self, step: int) -> None:
        """By the next column that is on the screen."""
        names = [column.name for column, _ in self._layout if column.name in self._sorts]
        if names:
            self.sort(beside(self.order, names, step))

    def action_reverse(self) -> None:
        """The other direction."""
        if self.order is not None:
            self.sort(self.order.reversed())

    def on_click(self, event: events.Click) -> None:
        """A row: the cursor goes there, and a second click opens it. A heading: sort."""
        if event.y == 0:
            self._click_heading(event.x)
            return
        at = round(self.scroll_y) + event.y - 1
        if at >= len(self.keys):
            return
        again = at == self.cursor and event.chain > 1
        self.follow = False
        self.to(at)
        if again:
            self.action_open()

    def _click_heading(self, x: int) -> None:
        left = 0
        for column, width in self._layout:
            if left <= x <= left + width:
                if column.name in self._sorts:
                    same = self.order is not None and self.order.column == column.name
                    self.sort(self.order.reversed() if same and self.order else Order.by(column.name))
                return
            left += width + 1

    def on_mouse_scroll_up(self) -> None:
        """Look back: it follows no more."""
        self.follow = False
