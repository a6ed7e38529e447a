"""The lines around the tables: the names of the views, what is seen and missed, and the keys."""

import time
from collections.abc import Callable
from itertools import accumulate

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static

from pipeline.cli.top_view import rate
from pipeline.cli.watch.gatherer import Gatherer
from pipeline.codecs.text import visible

VIEWS = {
    "exchanges": "Exchanges",
    "pending": "In progress",
    "endpoints": "Endpoints",
    "calls": "Hosts",
    "pipeline": "Pipeline",
}
"""By the number of the key that shows each."""
KEYS = {
    "exchanges": "Enter details  / filter  space pause  f follow  s sort  c curl  w HAR",
    "pending": "Enter details",
    "endpoints": "Enter exchanges of it  s sort  r reverse",
    "calls": "s sort  r reverse",
    "pipeline": "",
}
"""What can be done in each, beside what always can."""
RATE_SECS = 3


class ViewsBar(Static):
    """The first line. Posts ``Chosen`` when a name is clicked."""

    class Chosen(Message):
        """A view was."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def choose(self, name: str) -> None:
        """This one is looked at."""
        text = Text(no_wrap=True)
        for each, label in zip(VIEWS, _labels(), strict=True):
            text.append(label, "reverse bold" if each == name else "")
            text.append(" ")
        self.update(text)

    def on_click(self, event: events.Click) -> None:
        """The name that stands there."""
        ends = accumulate(len(label) + 1 for label in _labels())
        name = next((name for name, end in zip(VIEWS, ends, strict=True) if event.x < end), None)
        if name is not None:
            self.post_message(self.Chosen(name))


def _labels() -> list[str]:
    return [f" {place} {title} " for place, title in enumerate(VIEWS.values(), 1)]


class StateBar(Static):
    """How many events come and are shown, and what is missing. ``missed``: events that another process did not tell."""

    def __init__(self, gatherer: Gatherer, missed: Callable[[], int]) -> None:
        super().__init__()
        self._gatherer = gatherer
        self._missed = missed
        self._seen: list[tuple[float, int]] = []
        self.text = ""

    def draw(self, condition: str) -> None:
        """As it is now, with the filter that is on."""
        text = "  ·  ".join(self._parts(condition))
        if text != self.text:
            self.text = text
            self.update(Text(text, no_wrap=True, overflow="ellipsis"))

    def _parts(self, condition: str) -> list[str]:
        gatherer, view = self._gatherer, self._gatherer.view
        shown, seen = len(gatherer.listing.rows), view.store.seen
        parts = [visible(view.title.rpartition("/")[2] or view.title), self._pace(seen)]
        whole = shown == seen or (gatherer.pending is not None and not condition)  # else requests in progress seem to be missing
        parts.append(f"{shown:,} {'event' if shown == 1 else 'events'}" if whole else f"{shown:,} of {seen:,}")
        if condition:
            parts.append(f"filter: {visible(condition)}" + ("" if gatherer.listing.current else " …"))
        lost = sum(each.lost for each in gatherer.snapshot.components) if gatherer.snapshot else 0
        if lost:
            parts.append(f"LOST {lost:,}")
        if missed := self._missed():
            parts.append(f"NOT SHOWN {missed:,}")
        return parts

    def _pace(self, seen: int) -> str:
        now = time.monotonic()
        self._seen = [each for each in self._seen if now - each[0] <= RATE_SECS] + [(now, seen)]
        if self._gatherer.view.ended():
            return "ended"
        if self._gatherer.frozen:
            newer = seen - self._gatherer.listing.seen
            return f"PAUSED ({newer:,} newer)" if newer > 0 else "PAUSED"
        began, before = self._seen[0]
        return f"{rate((seen - before) / (now - began) if now - began > 0.5 else 0.0)}/s"


class KeysBar(Static):
    """The last line."""

    def choose(self, name: str) -> None:
        """Those of this view."""
        self.update(Text(f"q quit  ? help  Tab view  {KEYS[name]}", no_wrap=True, overflow="ellipsis"))
