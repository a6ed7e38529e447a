"""All keys, and what the filter understands."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

KEYS = (
    ("q, Ctrl-C", "quit at once"),
    ("1 … 5, Tab, Shift-Tab", "views"),
    ("↑ ↓ PgUp PgDn Home End", "move; End follows the newest; j k g G too"),
    ("Enter, double click", "details of an exchange; exchanges of an endpoint"),
    ("Esc", "back; then: no filter, no order"),
    ("/", "filter, as --where: Tab completes, Enter applies"),
    ("space", "pause what is shown, and go on; the run never stops"),
    ("f", "follow the newest, or stay"),
    ("s, S, r", "sort by next, previous column; reverse; or click"),
    ("c", "copy as a curl command, without credentials"),
    ("w, W, C", "write what is listed to a file: HAR, JSON lines, curl"),
    ("P", "write the packets of its connections (--packets)"),
    ("?", "this help; Esc leaves it"),
)
FILTERS = (
    ("status >= 500", "failed"),
    ('duration_ms > 250 and method == "POST"', "slow ones"),
    ('"unmatched_request" in marks', "without an answer"),
    ('client in cidr("10.0.0.0/8")', "from there"),
)


class HelpScreen(Screen[None]):
    """Until Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,question_mark,f1", "dismiss", show=False)]
    CSS = "HelpScreen, HelpScreen > VerticalScroll { background: ansi_default; color: ansi_default; }"

    def compose(self) -> ComposeResult:
        """The keys, and some filters."""
        text = Text("Keys\n", "bold underline")
        for key, meaning in KEYS:
            text.append(f"  {key:<24}", "cyan")
            text.append(f"{meaning}\n")
        text.append("\nFilters\n", "bold underline")
        for filter_, meaning in FILTERS:
            text.append(f"  {filter_:<42}", "cyan")
            text.append(f"{meaning}\n")
        text.append("\nThe whole language: docs/expressions.md; this screen: docs/watch.md\n", "dim")
        with VerticalScroll():
            yield Static(text, markup=False)
