"""A thread that keeps what the screen shows: the list of events, requests in progress, sums and the state of the run.

The screen's own thread only draws, and only what has changed.
"""

import threading
import time
from collections.abc import Sequence

from pipeline.cli.watch.listing import Listing
from pipeline.cli.watch.pending import Pending
from pipeline.live.summary import Call, Endpoint
from pipeline.live.view import View
from pipeline.model.snapshot import Snapshot

LOOK_SECS = 0.2
SORTED_SECS = 1.0
"""Where the list is sorted: 100,000 events take a tenth of a second, and rows that move more often cannot be read."""
SUM_SECS = 1.0


class Gatherer:
    """Of one view. What it publishes is replaced, never changed."""

    def __init__(self, view: View, *, in_progress: bool) -> None:
        self.view = view
        self.listing = Listing(view.store)
        self.pending = Pending(view.store) if in_progress else None
        self.endpoints: Sequence[Endpoint] = ()
        self.calls: Sequence[Call] = ()
        self.snapshot: Snapshot | None = None
        self.before: Snapshot | None = None
        self.frozen = False
        self._sum_at = 0.0
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="watch-gatherer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: the wish has changed."""
        self._wake.set()

    def close(self) -> None:
        """End; it is not waited for."""
        self._over = True
        self._wake.set()

    def _run(self) -> None:
        while not self._over:
            self.look(time.monotonic())
            self._wake.wait(LOOK_SECS if self.listing.as_it_comes else SORTED_SECS)
            self._wake.clear()

    def look(self, now: float) -> None:
        """Once. ``now`` in seconds of a clock that only goes forward."""
        if not self.frozen or not self.listing.current:
            self.listing.update()
            if self.pending is not None:
                self.pending.update()
        if now >= self._sum_at:
            while self.view.summary.update() and not self._over:
                pass
            self.endpoints = self.view.summary.endpoints()
            self.calls = self.view.summary.calls()
            self.before, self.snapshot = self.snapshot, self.view.snapshot() or self.snapshot
            self._sum_at = now + SUM_SECS
