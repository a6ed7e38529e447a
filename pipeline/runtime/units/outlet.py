"""Where the events of a source leave it: given what they say of this host, counted, and handed to whatever reads them.

They are kept while they stand before a full queue. What nobody reads is discarded as ``unread``. What a full queue refused is
waited for where the source can wait, else dropped.
"""

from collections.abc import Mapping, Sequence

from pipeline.api import AttributeValue, Event
from pipeline.delivery.acknowledgement import Ticket
from pipeline.delivery.batch import size_of
from pipeline.delivery.fanout import Fanout, Refused, drop
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.transforms.additions import addition, give, under


class Outlet:
    """The output of one source. A wait that is cancelled loses nothing: what it waited for is waited for again, or dropped."""

    def __init__(self, fanout: Fanout, ledger: Ledger, resource: Mapping[str, AttributeValue]) -> None:
        self._resource = addition(resource)
        self._fanout = fanout
        self._ledger = ledger
        self._refused: Refused = []

    def push(self, events: Sequence[Event], ticket: Ticket | None) -> None:
        """Hand on what can be; the rest stands before a full queue."""
        if not events:
            return
        if self._resource.attributes:
            events = give(events, self._resource, under)
        size = size_of(events)
        self._ledger.received += len(events)
        self._fanout.push(events, size, (ticket,) if ticket else (), self._refused)
        if self._fanout.read:
            self._ledger.sent += len(events)
        else:
            self._ledger.discard(Reason.UNREAD, len(events))

    async def wait_for_room(self) -> None:
        """Until nothing stands before a full queue, or the queue's time for that is over."""
        while self._refused:
            await self._refused[0].wait()
            del self._refused[0]

    def drop(self, reason: Reason) -> int:
        """What stands before a full queue is dropped there; returns how many events that are."""
        dropped = drop(self._refused, reason)
        self._refused.clear()
        return dropped
