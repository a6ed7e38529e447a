"""The view of the run itself: what `httpipe top` shows, and the newest lines of the log."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from pipeline.cli.top_view import view as top_screen
from pipeline.cli.watch.gatherer import Gatherer
from pipeline.codecs.text import visible

LINES = 20


class PipelineView(VerticalScroll):
    """``log_lines``: the newest lines of the log, the oldest first."""

    def __init__(self, gatherer: Gatherer, log_lines: Sequence[str], *, id: str) -> None:  # noqa: A002  as Textual
        super().__init__(id=id)
        self._gatherer = gatherer
        self._log_lines = log_lines
        self._drawn: object = None
        self._said = Static()

    def compose(self) -> ComposeResult:
        """One text, which scrolls."""
        yield self._said

    def draw(self) -> None:
        """What has changed."""
        state = (self._gatherer.snapshot, len(self._log_lines), self.size.width)
        if state != self._drawn:
            self._drawn = state
            self._said.update(self._text())

    def _text(self) -> RenderableType:
        gatherer = self._gatherer
        if gatherer.snapshot is None:
            return Text("  Nothing yet.", "dim")
        parts: list[RenderableType] = [top_screen(gatherer.snapshot, gatherer.before, self.size.width - 1)]
        if self._log_lines:
            parts.append(Text("\nLOG", "bold"))
            parts += [Text(visible(line), no_wrap=False) for line in list(self._log_lines)[-LINES:]]
        return Group(*parts)
