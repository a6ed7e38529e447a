"""The dead letter: where events go that a sink rejected or could not deliver within its attempts."""

from collections.abc import Sequence

from pipeline.api import AttributeValue, Event
from pipeline.delivery.acknowledgement import Tickets, hold
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.buffer import Buffer
from pipeline.delivery.health import describe

REASON = "httpipe.dead_letter.reason"
SINK = "httpipe.dead_letter.sink"
ATTEMPTS = "httpipe.dead_letter.attempts"


class DeadLetter:
    """Hands events of ``sink_id`` to the queue of another sink, marked with why."""

    def __init__(self, sink_id: str, buffer: Buffer) -> None:
        self._sink_id = sink_id
        self._buffer = buffer

    async def send(self, events: Sequence[Event], error: BaseException, attempts: int, tickets: Tickets, now: float) -> None:
        """Queue the events there; their tickets are released when that sink has dealt with them."""
        marks: dict[str, AttributeValue] = {REASON: describe(error), SINK: self._sink_id, ATTEMPTS: attempts}
        marked = [event.with_all_attributes({**event.attributes, **marks}) for event in events]
        hold(tickets)
        await self._buffer.offer(Batch(marked, size_of(marked), tickets, now))
