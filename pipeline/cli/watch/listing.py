"""Which events the table shows, by number, in which order. Updated by one thread; ``rows`` may be read by any.

Without a condition and an order nothing is kept: the numbers are a range. No event is held here: one that the store has dropped
is gone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.api import Event, Exchange
from pipeline.cli.watch.ordering import Order
from pipeline.live.names import host, target, who
from pipeline.live.store import Store

Wanted = Callable[[Event], bool]
Key = Callable[[Event], tuple[bool, Any]]
"""Whether the event lacks the value, and the value: what lacks it comes last."""

PART_EVENTS = 2000
"""Events after which other threads may run."""


@dataclass(frozen=True)
class Wish:
    """``wanted``: None for all. ``order``: by a name of ``KEYS``, None for the order of arrival."""

    wanted: Wanted | None = None
    order: Order | None = None


class Listing:
    """Of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wish = Wish()
        self._done = Wish()
        self._after = 0
        self._entries: list[Any] = []  # numbers; keys with their numbers where there is an order
        self.rows: Sequence[int] = range(1, 1)
        self.seen = 0
        """How many events had come when ``rows`` was made."""

    def show(self, wish: Wish) -> None:
        """From the next update on."""
        self._wish = wish

    @property
    def current(self) -> bool:
        """Whether what was asked for last is shown."""
        return self._wish is self._done

    @property
    def as_it_comes(self) -> bool:
        """Whether nothing has to be sorted."""
        return self._wish.order is None

    def update(self) -> None:
        """Add what is new."""
        wish = self._wish
        if wish is not self._done:
            self._entries, self._after = [], 0
        seen = self._store.seen
        oldest = seen - self._store.kept + 1
        if wish.wanted is None and wish.order is None:
            self.rows = range(oldest, seen + 1)
        else:
            self._add(wish, oldest)
        self.seen = seen
        self._done = wish

    def _add(self, wish: Wish, oldest: int) -> None:
        piece = self._store.since(self._after, max(1, self._store.kept), wish.wanted)
        self._after = piece.after
        if wish.order is None:
            self._entries += [number for number, _ in piece.events]
            first = next((at for at, number in enumerate(self._entries) if number >= oldest), len(self._entries))
            del self._entries[:first]
            self.rows = tuple(self._entries)
            return
        key = KEYS[wish.order.column]
        for at in range(0, len(piece.events), PART_EVENTS):
            self._entries += [(key(event), number) for number, event in piece.events[at : at + PART_EVENTS]]
            time.sleep(0)
        # sorted runs are merged: what is new costs little
        self._entries.sort()
        self._entries = [entry for entry in self._entries if entry[1] >= oldest]
        known = [number for (absent, _), number in self._entries if not absent]
        unknown = [number for (absent, _), number in self._entries if absent]
        self.rows = (known[::-1] if wish.order.descending else known) + unknown


def _key(value_of: Callable[[Exchange], object], default: Any) -> Key:  # noqa: ANN401  what sorts among the values
    def key(event: Event) -> tuple[bool, Any]:
        value = value_of(event) if isinstance(event, Exchange) else None
        return (True, default) if value is None else (False, value)

    return key


KEYS: dict[str, Key] = {
    "time": lambda event: (False, event.timestamp_ns),
    "status": _key(lambda event: event.http_response_status_code, 0),
    "method": _key(lambda event: event.http_request_method_original or event.http_request_method, ""),
    "host": _key(host, ""),
    "url": _key(lambda event: (host(event), target(event)), ("", "")),
    "path": _key(target, ""),
    "took": _key(lambda event: event.httpipe_duration_ms, 0.0),
    "ttfb": _key(lambda event: event.httpipe_ttfb_ms, 0.0),
    "size": _key(lambda event: event.http_response_body_size, 0),
    "sent": _key(lambda event: event.http_request_body_size, 0),
    "client": _key(lambda event: who(event.httpipe_client_process_executable_name, event.client_address, event.client_port), ""),
    "server": _key(lambda event: who(event.process_executable_name, event.network_local_address, event.network_local_port), ""),
}
"""By the column that is sorted by."""
