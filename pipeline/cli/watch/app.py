"""The screen: a line of views, the view that is looked at, a line of state, a line of keys.

It draws at most five times a second, and only what has changed; whoever looks costs the run nothing but that.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher

from pipeline.cli.watch import columns
from pipeline.cli.watch.bars import VIEWS, KeysBar, StateBar, ViewsBar
from pipeline.cli.watch.detail_screen import DetailScreen
from pipeline.cli.watch.exchanges_view import ExchangesView
from pipeline.cli.watch.gatherer import Gatherer
from pipeline.cli.watch.grid import Grid
from pipeline.cli.watch.help_screen import HelpScreen
from pipeline.cli.watch.layout import Cell, CellsOf, Column
from pipeline.cli.watch.ordering import Order, arranged
from pipeline.cli.watch.pipeline_view import PipelineView
from pipeline.cli.watch.taking import Taking
from pipeline.live.endpoint_filter import condition_of
from pipeline.live.view import View

REFRESH_SECS = 0.2
MOST_FIRST = Order.by("requests")


class WatchApp(App[None]):
    """Shows one view. ``missed``: events that another process did not tell; None: the run is in this one.

    ``in_progress``: requests are told before their exchanges. ``log_lines``: the newest lines of the log.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "httpipe watch"
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    ViewsBar, StateBar, KeysBar { height: 1; width: 100%; }
    KeysBar { color: ansi_bright_black; }
    ContentSwitcher { height: 1fr; }
    Grid { height: 1fr; background: ansi_default; color: ansi_default; }
    PipelineView { height: 1fr; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c,ctrl+q", "quit", show=False, priority=True),
        *(Binding(str(place), f"show('{name}')", show=False) for place, name in enumerate(VIEWS, 1)),
        Binding("tab", "next(1)", show=False),
        Binding("shift+tab", "next(-1)", show=False),
        Binding("slash", "filter", show=False, priority=True),  # else keys that come at once after it would be lost
        Binding("escape", "leave", show=False),
        Binding("question_mark,f1", "help", show=False),
        Binding("space,p", "pause", show=False),
        Binding("f", "follow", show=False),
        Binding("c", "copy", show=False),
        Binding("w", "write('har')", show=False),
        Binding("W", "write('jsonl')", show=False),
        Binding("C", "write('sh')", show=False),
        Binding("P", "write_packets", show=False),
    ]

    def __init__(
        self, view: View, *, in_progress: bool, missed: Callable[[], int] | None = None, log_lines: Sequence[str] = ()
    ) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours, dark or light, and none with NO_COLOR
        self._store = view.store
        self.taking = Taking(self, view)
        self.gatherer = Gatherer(view, in_progress=in_progress)
        self.exchanges = ExchangesView(self.gatherer, id="exchanges")
        self.pending = Grid(columns.PENDING, self._pending, empty=f"  {_waiting(missed, in_progress=in_progress)}", id="pending")
        self.endpoints = _sums("endpoints", columns.ENDPOINTS, columns.endpoint, lambda each: each.key)
        self.calls = _sums("calls", columns.CALLS, columns.call, lambda each: (each.client, each.server))
        self.pipeline = PipelineView(self.gatherer, log_lines, id="pipeline")
        self.state = StateBar(self.gatherer, missed or (lambda: 0))
        self._views = ViewsBar()
        self._keys = KeysBar()
        views = (self.exchanges, self.pending, self.endpoints, self.calls, self.pipeline)
        self._switcher = ContentSwitcher(*views, initial="exchanges")
        self._shown = "exchanges"
        self._back_to: str | None = None
        """The view from which those of an endpoint were asked for: Esc leads there again."""
        self._terminal = select.poll()
        """Reports a terminal that is gone, and nothing else."""

    # ---- what is on it -------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """From the top."""
        yield self._views
        yield self._switcher
        yield self.state
        yield self._keys

    def on_mount(self) -> None:
        """Begin."""
        self.theme = "ansi-dark"
        self._end_at_sigterm()
        if os.isatty(0):
            self._terminal.register(0, 0)
        self.gatherer.start()
        self._look_at("exchanges")
        self.set_interval(REFRESH_SECS, self.draw)
        self.call_after_refresh(self.draw)

    def _end_at_sigterm(self) -> None:
        """As ``q`` does. SIGHUP ends the process at once: Textual's own end would wait for a terminal that is gone."""
        import asyncio  # noqa: PLC0415  only here

        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        except (RuntimeError, ValueError):
            return  # not in the main thread, as in tests: nobody sends it signals there

    def on_unmount(self) -> None:
        """End what gathers."""
        self.gatherer.close()

    def _pending(self, number: int, shown: Sequence[Column]) -> Sequence[Cell]:
        return columns.pending(number, self._store.event(number), shown, time.time_ns())

    def draw(self) -> None:
        """What has changed since it was last called."""
        if self._terminal.poll(0):
            # It hung up, and SIGHUP was ignored. Textual would look for keys there for ever.
            os._exit(128 + signal.SIGHUP)
        if len(self.screen_stack) > 1 or not self.query(StateBar):  # it is going
            return
        gatherer = self.gatherer
        match self._shown:
            case "exchanges":
                self.exchanges.draw()
            case "pending":
                if gatherer.pending is not None:
                    self.pending.show(gatherer.pending.rows)  # they grow older
            case "endpoints":
                self._show_sums(self.endpoints)
            case "calls":
                self._show_sums(self.calls)
            case _:
                self.pipeline.draw()
        self.state.draw(self.exchanges.condition)

    def _show_sums(self, grid: Grid, *, top: bool = False) -> None:
        rows = arranged(self.gatherer.calls if grid is self.calls else self.gatherer.endpoints, grid.order or MOST_FIRST)
        if top:
            grid.show(rows, top=True)
        else:
            grid.show_changed(rows)

    @on(Grid.Sorted)
    def _sorted(self, message: Grid.Sorted) -> None:
        if message.grid in (self.calls, self.endpoints):
            self._show_sums(message.grid, top=True)

    # ---- where people go -----------------------------------------------------------------------------------------------------

    def action_show(self, name: str) -> None:
        """Look at a view."""
        self._look_at(name)
        self.screen.set_focus(self.exchanges.grid if name == "exchanges" else self._switcher.get_child_by_id(name))
        self.draw()

    def _look_at(self, name: str) -> None:
        self._shown = name
        self._switcher.current = name
        self._views.choose(name)
        self._keys.choose(name)

    def action_next(self, step: int) -> None:
        """The view beside."""
        names = list(VIEWS)
        self.action_show(names[(names.index(self._shown) + step) % len(names)])

    @on(ViewsBar.Chosen)
    def _chosen(self, message: ViewsBar.Chosen) -> None:
        self.action_show(message.name)

    @on(Grid.Opened)
    def _open(self, message: Grid.Opened) -> None:
        """Details of an event; the exchanges of an endpoint."""
        if isinstance(message.key, int):
            message.grid.follow = False
            self.push_screen(DetailScreen(self._store, message.grid, self.taking))
        elif message.grid is self.endpoints and (condition := condition_of(message.key.key)) is not None:
            self.action_show("exchanges")
            self.exchanges.filter(condition)
            self._back_to = "endpoints"

    def action_leave(self) -> None:
        """Back to where one came from; or what ``ExchangesView.leave`` says."""
        typing = self.exchanges.bar.display
        if self._shown == "exchanges" and self.exchanges.leave() and not typing and self._back_to is not None:
            self.action_show(self._back_to)
            self._back_to = None

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(HelpScreen())

    # ---- what people do ------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  as the base
        """Over another screen there is nothing to choose from; a slash within a condition is just one."""
        if len(self.screen_stack) > 1:
            return action in ("quit", "help", "pause")
        return action != "filter" or not self.exchanges.bar.has_focus

    def action_filter(self) -> None:
        """Type a condition."""
        self._back_to = None
        self.action_show("exchanges")
        self.exchanges.ask()

    def action_pause(self) -> None:
        """Nothing new until it is pressed again; the run goes on."""
        self.gatherer.frozen = not self.gatherer.frozen
        self.gatherer.wake()
        self.draw()

    def action_follow(self) -> None:
        """The newest, from now on; or stay where it is."""
        grid = self.exchanges.grid
        grid.follow = not grid.follow
        if grid.follow:
            grid.action_last()

    def action_copy(self) -> None:
        """The request under the cursor, as a command."""
        shown = self.pending if self._shown == "pending" else self.exchanges.grid
        self.taking.copy_curl(self._store.event(shown.key) if shown.key is not None else None)

    def action_write(self, ending: str) -> None:
        """What is listed, in a new file."""
        self.taking.write(self.gatherer.listing.rows, ending)

    def action_write_packets(self) -> None:
        """The packets of what is listed, in a new file."""
        self.taking.write_packets(self.gatherer.listing.rows)


def _sums(name: str, shown: Sequence[Column], cells_of: CellsOf, name_of: Callable[[Any], object]) -> Grid:
    sorts = [column.name for column in shown]
    return Grid(shown, cells_of, empty="  Nothing yet.", id=name, sorts=sorts, order=MOST_FIRST, name_of=name_of)


def _waiting(missed: object, *, in_progress: bool) -> str:
    """What stands where no request in progress does."""
    if not in_progress:
        return "Requests in progress are reported with --in-progress."
    if missed is not None:
        return "No request waits, or the sources of that pipeline have no in_progress = true."
    return "No request waits for its answer."
