"""The screen: a line of views, the table of the one that is looked at, a line of state, a line of keys.

It draws at most five times a second, and only what has changed; whoever looks costs the run nothing but that.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import ContentSwitcher, Input, Static

from pipeline.api import Exchange
from pipeline.cli.top_view import rate
from pipeline.cli.top_view import view as top_screen
from pipeline.cli.watch import columns
from pipeline.cli.watch.detail_screen import DetailScreen
from pipeline.cli.watch.filter_bar import FilterBar
from pipeline.cli.watch.gatherer import Gatherer
from pipeline.cli.watch.grid import Cell, Column, Grid
from pipeline.cli.watch.help_screen import HelpScreen
from pipeline.cli.watch.listing import KEYS, Wish
from pipeline.codecs.text import visible
from pipeline.expressions import ExpressionError
from pipeline.live.store import Store
from pipeline.live.view import View

REFRESH_SECS = 0.2
VIEWS = (
    ("exchanges", "Exchanges"),
    ("pending", "In progress"),
    ("endpoints", "Endpoints"),
    ("calls", "Hosts"),
    ("pipeline", "Pipeline"),
)
KEPT_CELLS = 2000
"""Rows whose cells are remembered: some screens full."""


class WatchApp(App[None]):
    """Shows one view. ``missed``: events that another process did not tell; ``log_lines``: the newest lines of the log."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "httpipe watch"
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #views, #state, #keys { height: 1; width: 100%; }
    #keys { color: ansi_bright_black; }
    #remark { width: 100%; }
    #remark, #filter { display: none; }
    #remark { height: auto; min-height: 1; max-height: 4; }
    #filter { height: 1; border: none; padding: 0; background: ansi_default; color: ansi_default; }
    ContentSwitcher { height: 1fr; }
    Grid { height: 1fr; background: ansi_default; color: ansi_default; }
    #pipeline { height: 1fr; background: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", show=False),
        Binding("ctrl+c,ctrl+q", "quit", show=False, priority=True),
        *(Binding(str(place), f"show('{name}')", show=False) for place, (name, _) in enumerate(VIEWS, 1)),
        Binding("tab", "next(1)", show=False),
        Binding("shift+tab", "next(-1)", show=False),
        Binding("slash", "filter", show=False, priority=True),  # else keys that come at once after it would be lost
        Binding("escape", "leave", show=False),
        Binding("question_mark,f1", "help", show=False),
        Binding("space,p", "pause", show=False),
        Binding("f", "follow", show=False),
        Binding("s", "sort(1)", show=False),
        Binding("S", "sort(-1)", show=False),
        Binding("r", "reverse", show=False),
        Binding("c", "copy", show=False),
        Binding("w", "write('har')", show=False),
        Binding("W", "write('jsonl')", show=False),
    ]

    def __init__(
        self, view: View, *, in_progress: bool, missed: Callable[[], int] = lambda: 0, log_lines: Sequence[str] = ()
    ) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours, dark or light, and none with NO_COLOR
        self._view = view
        self._store: Store = view.store
        self.gatherer = Gatherer(view, in_progress=in_progress)
        self._missed = missed
        self._log_lines = log_lines
        self._in_progress = in_progress
        self._shown = "exchanges"
        self._wish = Wish()
        self._condition_text = ""
        self._cells: dict[tuple[int, int], list[Cell]] = {}
        self._drawn: dict[str, object] = {}
        self._rates: list[tuple[float, int]] = []
        self._orders: dict[str, tuple[str, bool]] = {}
        self._terminal = select.poll()
        """Reports a terminal that is gone, and nothing else."""

    # ---- what is on it -------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """From the top."""
        nothing = "" if self._in_progress else "Requests in progress are reported with --in-progress."
        yield Static(id="views")
        with ContentSwitcher(initial="exchanges"):
            grid = Grid(columns.EXCHANGES, self._exchange, empty="  Nothing yet.", id="exchanges")
            grid.can_follow = grid.follow = True
            yield grid
            yield Grid(columns.PENDING, self._pending, empty=f"  {nothing or 'No request waits for its answer.'}", id="pending")
            yield Grid(columns.ENDPOINTS, columns.endpoint, empty="  Nothing yet.", id="endpoints")
            yield Grid(columns.CALLS, columns.call, empty="  Nothing yet.", id="calls")
            with VerticalScroll(id="pipeline"):
                yield Static(id="components")
        yield FilterBar(self._view.attributes())
        yield Static(id="remark")
        yield Static(id="state")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Begin."""
        self.theme = "ansi-dark"
        self._end_at_sigterm()
        if os.isatty(0):
            self._terminal.register(0, 0)
        self.query_one("#exchanges").focus()
        self.gatherer.start()
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

    def _exchange(self, number: int, shown: Sequence[Column]) -> Sequence[Cell]:
        at = (number, len(shown))
        found = self._cells.get(at)
        if found is None:
            if len(self._cells) >= KEPT_CELLS:
                self._cells.clear()
            found = columns.exchange(number, self._store.event(number), shown)
            self._cells[at] = found
        return found

    def _pending(self, number: int, shown: Sequence[Column]) -> Sequence[Cell]:
        return columns.pending(number, self._store.event(number), shown, time.time_ns())

    def draw(self) -> None:
        """What has changed since it was last called."""
        if self._terminal.poll(0):
            # It hung up, and SIGHUP was ignored. Textual would look for keys there for ever.
            os._exit(128 + signal.SIGHUP)
        if len(self.screen_stack) > 1:
            return
        gatherer = self.gatherer
        match self._shown:
            case "exchanges":
                self._grid_changed("exchanges", gatherer.listing.rows)
            case "pending":
                if gatherer.pending is not None:
                    self._grid_changed("pending", gatherer.pending.rows, always=True)
            case "endpoints":
                self._grid_changed("endpoints", self._ordered("endpoints", gatherer.endpoints))
            case "calls":
                self._grid_changed("calls", self._ordered("calls", gatherer.calls))
            case _:
                self._put("components", (gatherer.snapshot, len(self._log_lines), self.size.width), self._pipeline)
        self._put("views", self._shown, self._views)
        self._put("state", self._state_text(), lambda: Text(self._state_text(), no_wrap=True, overflow="ellipsis"))
        self._put("keys", (self._shown, self.size.width), self._keys)

    def _grid_changed(self, name: str, keys: Sequence[Any], *, always: bool = False) -> None:
        if always or (self._drawn.get(name) is not keys and self._drawn.get(name) != keys):
            self._drawn[name] = keys
            self.query_one(f"#{name}", Grid).show(keys)

    def _put(self, name: str, state: object, make: Callable[[], RenderableType]) -> None:
        if name not in self._drawn or self._drawn[name] != state:
            self._drawn[name] = state
            self.query_one(f"#{name}", Static).update(make())

    def _views(self) -> Text:
        text = Text(no_wrap=True)
        for place, (name, title) in enumerate(VIEWS, 1):
            style = "reverse bold" if name == self._shown else ""
            text.append(f" {place} {title} ", style)
            text.append(" ")
        return text

    def _state_text(self) -> str:
        now, seen = time.monotonic(), self._store.seen
        self._rates = [each for each in self._rates if now - each[0] <= 3] + [(now, seen)]
        (_, before), span = self._rates[0], now - self._rates[0][0]
        parts = [visible(self._view.title.rpartition("/")[2] or self._view.title)]
        if self._view.ended():
            parts.append("ended")
        elif self.gatherer.frozen:
            newer = seen - (
                self.gatherer.listing.rows[-1]
                if isinstance(self.gatherer.listing.rows, range) and self.gatherer.listing.rows
                else seen
            )
            parts.append(f"PAUSED{f' ({newer:,} newer)' if newer > 0 else ''}")
        else:
            parts.append(f"{rate((seen - before) / span if span > 0.5 else 0.0)}/s")
        shown = len(self.gatherer.listing.rows)
        parts.append(f"{shown:,} of {seen:,}" if shown != seen else f"{seen:,} events")
        if self._condition_text:
            parts.append(f"filter: {visible(self._condition_text)}" + ("" if self.gatherer.listing.current else " …"))
        lost = sum(each.lost for each in self.gatherer.snapshot.components) if self.gatherer.snapshot else 0
        if lost:
            parts.append(f"LOST {lost:,}")
        if missed := self._missed():
            parts.append(f"NOT SHOWN {missed:,}")
        return "  ·  ".join(parts)

    def _keys(self) -> Text:
        of_view = {
            "exchanges": "Enter details  / filter  space pause  f follow  s sort  c curl  w HAR",
            "endpoints": "Enter exchanges of it  s sort  r reverse",
            "calls": "s sort  r reverse",
        }.get(self._shown, "")
        return Text(f"q quit  ? help  Tab view  {of_view}", no_wrap=True, overflow="ellipsis")

    def _pipeline(self) -> RenderableType:
        snapshot = self.gatherer.snapshot
        if snapshot is None:
            return Text("  Nothing yet.", "dim")
        parts: list[RenderableType] = [top_screen(snapshot, self.gatherer.before, self.size.width - 1)]
        if self._log_lines:
            parts.append(Text("\nLOG", "bold"))
            parts += [Text(visible(line), no_wrap=False) for line in list(self._log_lines)[-20:]]
        return Group(*parts)

    def _ordered(self, name: str, rows: Sequence[Any]) -> Sequence[Any]:
        """By the column that was chosen; by number of requests otherwise."""
        order, descending = self._orders.get(name, ("requests", True))
        attribute = {"endpoint": "key", "trend": "requests"}.get(order, order)

        def key(row: Any) -> Any:  # noqa: ANN401  an Endpoint or a Call
            value = getattr(row, attribute)
            if order == "errors":
                value = row.errors / max(1, row.requests)
            return -1.0 if value is None else value

        return sorted(rows, key=key, reverse=descending)

    # ---- what people do ------------------------------------------------------------------------------------------------------

    @property
    def _grid(self) -> Grid | None:
        return None if self._shown == "pipeline" else self.query_one(f"#{self._shown}", Grid)

    def action_show(self, name: str) -> None:
        """Look at a view."""
        self._shown = name
        self.query_one(ContentSwitcher).current = name
        self.screen.set_focus(self.query_one(f"#{name}"))
        self._drawn.pop(name, None)
        self.draw()

    def action_next(self, step: int) -> None:
        """The view beside."""
        names = [name for name, _ in VIEWS]
        self.action_show(names[(names.index(self._shown) + step) % len(names)])

    def on_click(self, event: events.Click) -> None:
        """The line of views."""
        if event.screen_y != 0 or len(self.screen_stack) > 1:
            return
        left = 0
        for place, (name, title) in enumerate(VIEWS, 1):
            width = len(f" {place} {title} ") + 1
            if left <= event.screen_x < left + width:
                self.action_show(name)
            left += width

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(HelpScreen())

    def action_pause(self) -> None:
        """Nothing new until it is pressed again; the run goes on."""
        self.gatherer.frozen = not self.gatherer.frozen
        self.gatherer.wake()
        self.draw()

    def action_follow(self) -> None:
        """The newest, from now on; or stay where it is."""
        grid = self.query_one("#exchanges", Grid)
        grid.follow = not grid.follow
        if grid.follow:
            grid.action_last()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  as the base
        """A slash within a condition, or over another screen, is just one."""
        return action != "filter" or (len(self.screen_stack) == 1 and not self.query_one(FilterBar).has_focus)

    def action_filter(self) -> None:
        """Type a condition."""
        self.action_show("exchanges")
        bar = self.query_one(FilterBar)
        bar.value = self._condition_text
        bar.cursor_position = len(bar.value)
        bar.display = True
        self.query_one("#remark").display = True
        self._remark()
        self.screen.set_focus(bar)  # at once: the next key may be there already

    def action_leave(self) -> None:
        """Leave the line of the filter as it was; else take the filter away; else stop sorting."""
        if self.query_one(FilterBar).display:
            self._close_bar()
        elif self._condition_text:
            self._apply("")
        elif self._wish.order is not None:
            self._order("exchanges", None)

    def _close_bar(self) -> None:
        self.query_one(FilterBar).display = False
        self.query_one("#remark").display = False
        self.screen.set_focus(self.query_one("#exchanges"))

    @on(Input.Changed, "#filter")
    def _remark(self) -> None:
        """Say at once what is wrong, or what fits."""
        said, wrong = self.query_one(FilterBar).remark()
        self.query_one("#remark", Static).update(Text(visible(said), "bold red" if wrong else "dim"))

    @on(Input.Submitted, "#filter")
    def _submitted(self) -> None:
        if self._apply(self.query_one(FilterBar).value):
            self._close_bar()

    def _apply(self, text: str) -> bool:
        """Filter by it. False where it is wrong: then it says why, and nothing has changed."""
        bar = self.query_one(FilterBar)
        bar.value = text
        try:
            condition = bar.condition()
        except ExpressionError as error:
            self.query_one("#remark", Static).update(Text(visible(error.message), "bold red"))
            return False
        self._condition_text = text.strip()
        self._wish = Wish(condition.test if condition else None, self._wish.order, self._wish.descending)
        self._ask()
        return True

    def _ask(self) -> None:
        self.gatherer.listing.show(self._wish)
        self.gatherer.wake()
        self.draw()

    def action_sort(self, step: int) -> None:
        """By the next column."""
        grid = self._grid
        if grid is None or self._shown == "pending":
            return
        names = [column.name for column in grid.shown_columns if self._shown != "exchanges" or column.name in KEYS]
        at = names.index(grid.order[0]) if grid.order and grid.order[0] in names else -1 if step > 0 else 0
        self._order(self._shown, names[(at + step) % len(names)])

    def action_reverse(self) -> None:
        """The other direction."""
        grid = self._grid
        if grid is not None and grid.order is not None:
            self._order(self._shown, grid.order[0], descending=not grid.order[1])

    @on(Grid.Sorted)
    def _heading(self, message: Grid.Sorted) -> None:
        grid = message.grid
        if grid.id == "pending" or (grid.id == "exchanges" and message.column not in KEYS):
            return
        same = grid.order is not None and grid.order[0] == message.column
        self._order(str(grid.id), message.column, descending=not grid.order[1] if same and grid.order else None)

    def _order(self, name: str, column: str | None, *, descending: bool | None = None) -> None:
        """Numbers with the largest first, texts by the alphabet, unless it is said."""
        grid = self.query_one(f"#{name}", Grid)
        if descending is None:
            descending = column not in ("endpoint", "client", "server", "method", "host", "url", "path", "time", None)
        grid.order = None if column is None else (column, descending)
        if name == "exchanges":
            grid.follow = column is None
            self._wish = Wish(self._wish.wanted, column, descending)
            grid.cursor = 0
            self._ask()
        elif column is not None:
            self._orders[name] = (column, descending)
            grid.cursor = 0
            self.draw()
        grid.refresh()

    @on(Grid.Opened)
    def _open(self, message: Grid.Opened) -> None:
        if message.grid.id in ("exchanges", "pending") and isinstance(message.key, int):
            message.grid.follow = False
            self.push_screen(DetailScreen(self._store, message.grid))
        elif message.grid.id == "endpoints" and (condition := condition_of(message.key.key)) is not None:
            self.action_show("exchanges")
            self._apply(condition)

    def action_copy(self) -> None:
        """The request under the cursor, as a command."""
        grid = self._grid
        event = self._store.event(grid.key) if grid is not None and isinstance(grid.key, int) else None
        self.copy_curl(event)

    def action_write(self, ending: str) -> None:
        """What is listed, in a new file."""
        numbers = self.gatherer.listing.rows
        self.run_worker(partial(self._write, numbers, ending), thread=True, exclusive=True, group="write")

    def _write(self, numbers: Sequence[int], ending: str) -> None:
        from pipeline.cli.watch.writing import write  # noqa: PLC0415  only who writes pays for it

        try:
            name, count = write(self._store, numbers, ending)
        except OSError as error:
            self.call_from_thread(self.notify, f"cannot write: {error.strerror}", severity="error", markup=False)
            return
        self.call_from_thread(self.notify, f"{name}: {count:,} events", title="Written", markup=False)

    def copy_curl(self, event: object) -> None:
        """To the terminal's clipboard (OSC 52)."""
        if not isinstance(event, Exchange):
            self.notify("Only an exchange can be copied as curl.", severity="warning", markup=False)
            return
        from pipeline.codecs.curl import curl  # noqa: PLC0415  only who copies pays for it

        command = curl(event)
        self.copy_to_clipboard(command)
        self.notify(visible(command)[:400], title="Copied", markup=False)


def condition_of(key: str) -> str | None:
    """The filter for an endpoint: ``GET shop.example:8080/users/{id}``. None for what stands for all others."""
    method, space, place = key.partition(" ")
    if not space:
        return None
    at = place.find("/")
    host, path = (place, "") if at < 0 else (place[:at], place[at:])
    name, colon, port = host.rpartition(":")
    parts = [f"method == {json.dumps(method)}"] if method != "-" else []
    if colon and port.isdigit():
        parts += [f"host == {json.dumps(name)}", f"port == {port}"]
    else:
        parts.append(f"host == {json.dumps(host)}")
    if "{id}" in path:
        parts.append(f"path.matches({json.dumps('^' + _pattern(path) + '$')})")
    elif path:
        parts.append(f"path == {json.dumps(path)}")
    return " and ".join(parts)


def _pattern(path: str) -> str:
    import re  # noqa: PLC0415  only here

    return "[^/]+".join(re.escape(part) for part in path.split("{id}"))
