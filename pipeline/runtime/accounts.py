"""What a run has lost: reported in the log while it runs, and summed up at its end, with the units that a reload has removed.

An event that no sink takes ends in the ledger of the component where it stood, with a reason; here the ledgers are looked at.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from pipeline.delivery.ledger import Ledger
from pipeline.delivery.losses import Books, Losses
from pipeline.model.snapshot import Snapshot
from pipeline.runtime.summary import Summary, outcome_of


class Accounts:
    """The books of all units together."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._losses = Losses(monotonic)
        self._removed: Counter[str] = Counter()
        self._damage_removed = False
        self._left_events = 0

    def look(self, books: Iterable[Books]) -> None:
        """Log what is newly lost; about once a second."""
        self._losses.look(books)

    def close(self, books: Iterable[Books]) -> None:
        """Nothing is added to these any more: log what has not been logged yet."""
        self._losses.look(books, last=True)

    def remove(self, books: Iterable[Books]) -> None:
        """A reload has removed these units, and none takes their books over."""
        books = list(books)
        self.close(books)
        for each in books:
            self._removed += _lost(each.ledger)

    def remove_damage(self) -> None:
        """A reload has removed or replaced a source whose input was damaged."""
        self._damage_removed = True

    def leave(self, events: int) -> None:
        """So many could not be delivered before the shutdown deadline."""
        self._left_events += events

    def summary(self, last: Snapshot, *, damage: dict[str, str], retiring: Iterable[Books], dry_run: bool) -> Summary:
        """How it ended. ``retiring``: books of sinks that a reload has removed and that have not been closed yet."""
        removed = sum((_lost(books.ledger) for books in retiring), self._removed)
        lost = {gone.reason for each in last.components for gone in each.discarded if not gone.intentional}
        return Summary(
            outcome=outcome_of(lost | removed.keys(), damaged=bool(damage) or self._damage_removed),
            snapshot=last,
            left_events=self._left_events,
            dry_run=dry_run,
            removed=dict(removed),
            damage=damage,
        )


def _lost(ledger: Ledger) -> Counter[str]:
    """Events that were lost, by reason."""
    return Counter({reason: events for (reason, intentional), events in ledger.discarded.items() if not intentional})
