"""The view of exchanges: their table, and below it, while somebody types, the line of the filter and what is wrong with it.

Which exchanges the table lists, and in which order, is a ``Wish``, which the gatherer's thread fulfils.
"""

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from pipeline.api import Event
from pipeline.cli.watch import columns
from pipeline.cli.watch.filter_bar import FilterBar
from pipeline.cli.watch.gatherer import Gatherer
from pipeline.cli.watch.grid import Grid
from pipeline.cli.watch.layout import Cell, Column
from pipeline.cli.watch.listing import KEYS, Wanted, Wish
from pipeline.codecs.text import visible
from pipeline.expressions.condition import Condition
from pipeline.expressions.errors import ExpressionError
from pipeline.model.events.http_request import HttpRequest

KEPT_CELLS = 2000
"""Rows whose cells are remembered: some screens full."""


class ExchangesView(Vertical):
    """``condition``: the text of the filter that is on. ``grid`` is its table, ``bar`` the line of the filter."""

    DEFAULT_CSS = """
    ExchangesView { height: 1fr; }
    ExchangesView #remark { width: 100%; height: auto; min-height: 1; max-height: 4; display: none; }
    ExchangesView #filter { height: 1; border: none; padding: 0; background: ansi_default; color: ansi_default; display: none; }
    """

    def __init__(self, gatherer: Gatherer, *, id: str) -> None:  # noqa: A002  as Textual
        super().__init__(id=id)
        self._gatherer = gatherer
        self._store = gatherer.view.store
        self._cells: dict[tuple[int, int], Sequence[Cell]] = {}
        self._wish = Wish(self._wanted(None))
        gatherer.listing.show(self._wish)
        self._to_top = False
        self.condition = ""
        self.grid = Grid(columns.EXCHANGES, self._row, empty="  Nothing yet.", id="list", sorts=KEYS)
        self.grid.can_follow = self.grid.follow = True
        self.bar = FilterBar(gatherer.view.attributes(), self._submit, self._close)
        self._said = Static(id="remark")

    def compose(self) -> ComposeResult:
        """From the top."""
        yield self.grid
        yield self.bar
        yield self._said

    def on_mount(self) -> None:
        """Keys are for the table."""
        self.grid.focus()

    def _row(self, number: int, shown: Sequence[Column]) -> Sequence[Cell]:
        at = (number, len(shown))
        found = self._cells.get(at)
        if found is None:
            if len(self._cells) >= KEPT_CELLS:
                self._cells.clear()
            found = columns.exchange(number, self._store.event(number), shown)
            self._cells[at] = found
        return found

    def draw(self) -> None:
        """What has changed."""
        if not self.grid.is_mounted:
            return
        listing = self._gatherer.listing
        if self._to_top and listing.current:
            self._to_top = False
            self.grid.show(listing.rows, top=True)
        else:
            self.grid.show_changed(listing.rows)

    def chosen(self) -> Event | None:
        """The event under the cursor."""
        return self._store.event(self.grid.key) if self.grid.key is not None else None

    # ---- the filter ----------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Type a condition."""
        bar = self.bar
        bar.value = self.condition
        bar.cursor_position = len(bar.value)
        bar.display = True
        self._said.display = True
        self._remark()
        self.screen.set_focus(bar)  # at once: the next key may be there already

    def leave(self) -> bool:
        """Leave the line of the filter as it was; else take the filter away; else stop sorting. False: there was nothing."""
        if self.bar.display:
            self._close()
        elif self.condition:
            self.filter("")
        elif self.grid.order is not None:
            self.grid.sort(None)
        else:
            return False
        return True

    def _close(self) -> None:
        self.bar.display = False
        self._said.display = False
        self.screen.set_focus(self.grid)

    @on(Input.Changed, "#filter")
    def _remark(self) -> None:
        """Say at once what is wrong, or what fits."""
        said, wrong = self.bar.remark()
        self._said.update(Text(visible(said), "bold red" if wrong else "dim"))

    def _submit(self) -> None:
        if self.filter(self.bar.value):
            self._close()

    def filter(self, text: str) -> bool:
        """List what it holds for. False where it is wrong: then it says why, and nothing has changed."""
        self.bar.value = text
        try:
            condition = self.bar.condition()
        except ExpressionError as error:
            self._said.update(Text(visible(error.message), "bold red"))
            return False
        self.condition = text.strip()
        self._want(Wish(self._wanted(condition), self._wish.order))
        return True

    def _wanted(self, condition: Condition | None) -> Wanted | None:
        """Requests in progress have a view of their own."""
        test = condition.test if condition else None
        if self._gatherer.pending is None:
            return test
        if test is None:
            return lambda event: not isinstance(event, HttpRequest)
        return lambda event: not isinstance(event, HttpRequest) and test(event)

    # ---- the order -----------------------------------------------------------------------------------------------------------

    @on(Grid.Sorted)
    def _sorted(self) -> None:
        self._to_top = self.grid.order is not None
        self._want(Wish(self._wish.wanted, self.grid.order))

    def _want(self, wish: Wish) -> None:
        self._wish = wish
        self._gatherer.listing.show(wish)
        self._gatherer.wake()
