"""Requests in progress: those of which ``http.request`` was seen and no exchange yet. Updated by one thread, read by any."""

from collections.abc import Sequence

from pipeline.api import Exchange
from pipeline.live.store import Store
from pipeline.model.events.http_request import HttpRequest

MOST = 10_000
"""Requests that are remembered; the oldest is forgotten first."""


class Pending:
    """Of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._after = 0
        self._waiting: dict[str, int] = {}
        self.rows: Sequence[int] = ()

    def update(self) -> None:
        """Take in what is new."""
        piece = self._store.since(self._after, max(1, self._store.kept))
        self._after = piece.after
        for number, event in piece.events:
            if isinstance(event, HttpRequest) and event.httpipe_request_id is not None:
                self._waiting[event.httpipe_request_id] = number
                if len(self._waiting) > MOST:
                    del self._waiting[next(iter(self._waiting))]
            elif isinstance(event, Exchange) and event.httpipe_request_id is not None:
                self._waiting.pop(event.httpipe_request_id, None)
        oldest = self._store.seen - self._store.kept + 1
        self.rows = tuple(number for number in self._waiting.values() if number >= oldest)
