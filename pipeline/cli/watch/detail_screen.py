"""One event on the whole screen; the ones beside it by an arrow."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from pipeline.api import Event
from pipeline.cli.watch.details import text_of
from pipeline.cli.watch.grid import Grid
from pipeline.cli.watch.taking import Taking
from pipeline.live.store import Store


class DetailScreen(Screen[None]):
    """The event under the cursor of a table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,backspace", "close", show=False),
        Binding("right,n", "step(1)", show=False),
        Binding("left,N,b", "step(-1)", show=False),
        Binding("c", "copy", show=False),
        Binding("P", "write_packets", show=False),
        Binding("j", "line(1)", show=False),
        Binding("k", "line(-1)", show=False),
    ]
    CSS = """
    DetailScreen { background: ansi_default; color: ansi_default; }
    #body { height: 1fr; background: ansi_default; }
    #keys { height: 1; color: ansi_bright_black; }
    """

    def __init__(self, store: Store, grid: Grid, taking: Taking) -> None:
        super().__init__()
        self._store = store
        self._grid = grid
        self._taking = taking

    def compose(self) -> ComposeResult:
        """The text, and the keys."""
        with VerticalScroll(id="body"):
            yield Static(id="text", markup=False)
        yield Static("q quit  Esc back  ← → beside  ↑ ↓ scroll  c copy as curl  P packets", id="keys", markup=False)

    def on_mount(self) -> None:
        """Show it."""
        self.query_one("#body").focus()
        self.show()

    def on_resize(self) -> None:
        """The bar has another width."""
        self.show()

    @property
    def event(self) -> Event | None:
        """The one that is shown; None where the store has dropped it."""
        return self._store.event(self._grid.key) if self._grid.key is not None else None

    def show(self) -> None:
        """The event under the cursor."""
        number, event = self._grid.key, self.event
        if number is None or event is None:
            self.query_one("#text", Static).update("This event is no longer kept.")
            return
        text = text_of(number, event, self.size.width - 2)
        self.query_one("#text", Static).update(text)

    def action_step(self, rows: int) -> None:
        """The one beside it in the table."""
        self._grid.to(self._grid.cursor + rows)
        self.show()
        self.query_one("#body", VerticalScroll).scroll_home(animate=False)

    def action_line(self, lines: int) -> None:
        """As vi."""
        self.query_one("#body", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_copy(self) -> None:
        """The request as a command."""
        self._taking.copy_curl(self.event)

    def action_write_packets(self) -> None:
        """The packets of its connection."""
        if self._grid.key is not None:
            self._taking.write_packets([self._grid.key])

    def action_close(self) -> None:
        """Back to the table."""
        self.dismiss()
