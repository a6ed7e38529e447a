"""One transform in the graph: calls it, meters what goes in and out, restarts it when it raises.

Metering happens here, on the edges, so that no transform can get it wrong. A transform that raises loses the batch it was
given and what it held back (counted, ``component_error``) and is rebuilt: at once the first time, then with backoff.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pipeline.api import Event, Outputs, Transform
from pipeline.delivery.acknowledgement import Ticket, Tickets, hold, release
from pipeline.delivery.batch import size_of
from pipeline.delivery.clock import Backoff, Clock
from pipeline.delivery.fanout import Fanout, Refused
from pipeline.delivery.health import SLOW_START_SECS, Health, Logger, Reported, describe
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.errors import HttpipeError
from pipeline.model.snapshot import State
from pipeline.transforms.passing import process

RESTART_BACKOFF_SECS = (0.5, 30.0)
CALM_SECS = 60.0
"""After so long without a fault the next one counts as the first again."""


Call = Callable[[], tuple[Outputs, int]]
"""What a transform is asked for: what it gives out, and how many events it was given for that."""


class _Output(msgspec.Struct, frozen=True):
    fanout: Fanout
    events: Sequence[Event]
    size: int


class TransformNode:
    """A transform, its counters, and where its outputs go. ``make`` builds the transform."""

    def __init__(  # noqa: PLR0913  what a component consists of
        self,
        *,
        make: Callable[[], Transform],
        downstream: Mapping[str, Fanout],
        ledger: Ledger,
        health: Health,
        log: Logger,
        clock: Clock,
    ) -> None:
        self._make = make
        self.downstream = downstream
        self.ledger = ledger
        self.health = health
        self._log = log
        self._clock = clock
        self._backoff = Backoff(*RESTART_BACKOFF_SECS, clock.random)
        self._reported = Reported()
        self._restart_at = 0.0
        self._failed_at = 0.0
        self._kept: deque[tuple[int, Ticket]] = deque()
        self._taken = 0
        self.held = 0
        self.transform: Transform | None = health.call(make, SLOW_START_SECS)
        self.health.ok()

    def push(self, events: Sequence[Event], tickets: Tickets, refused: Refused) -> None:
        """Process a run of events and pass on what becomes of them."""
        self.ledger.received += len(events)
        transform = self._ready()
        if transform is None:
            self.ledger.discard(Reason.COMPONENT_ERROR, len(events))
            return
        self._run(transform, lambda: process(transform, events), events, tickets, refused)

    def flush(self, now_ns: int, refused: Refused, *, last: bool) -> None:
        """Pass on what is due."""
        transform = self._ready()
        if transform is not None:
            self._run(transform, lambda: (transform.flush(now_ns, last=last), 0), (), (), refused)

    def close(self) -> None:
        """After the last flush: what the transform still keeps to itself is lost."""
        self.ledger.discard(Reason.COMPONENT_ERROR, self.held)
        self.held = 0
        release(tuple(ticket for _, ticket in self._kept))
        self._kept.clear()

    def _run(
        self,
        transform: Transform,
        call: Call,
        events: Sequence[Event],
        tickets: Tickets,
        refused: Refused,
    ) -> None:
        try:
            outputs, given, held, oldest, discard_reason = self.health.call(lambda: self._asked(transform, call))
        except Exception as error:  # noqa: BLE001  a plugin's fault: only its own batch is lost
            self._fault(error, len(events))
            return
        self._meter(len(events), held, outputs, discard_reason)
        self._taken += given
        given_out = self._tickets(tickets, held, self._taken - held if oldest is None else oldest)
        for output in outputs:
            output.fanout.push(output.events, output.size, (*tickets, *given_out), refused)
        release(given_out)

    def _asked(self, transform: Transform, call: Call) -> tuple[list[_Output], int, int, int | None, str]:
        """All that the transform itself is asked after a call: where what it gave goes, what it holds, why the rest is gone."""
        outputs, given = call()
        return self._routed(outputs), given, transform.held_events, transform.oldest_held, transform.discard_reason

    def _routed(self, outputs: Outputs) -> list[_Output]:
        """Where each output goes. A plugin that returns something else than outputs with events gets an error in words."""
        if not isinstance(outputs, Mapping):
            raise TypeError(f"returned {type(outputs).__name__}, not a mapping from names of outputs to events")
        if unknown := outputs.keys() - self.downstream.keys():
            raise ValueError(f'returned events for "{min(unknown)}", which is not in its outputs')
        weighed = [(name, events, size_of(events)) for name, events in outputs.items()]
        return [_Output(self.downstream[name], events, size) for name, events, size in weighed if len(events) > 0]

    def _meter(self, taken: int, held: int, outputs: Sequence[_Output], discard_reason: str) -> None:
        """Balance what was taken against what came out and what is held back now."""
        total = sum(len(output.events) for output in outputs)
        distinct = total if len(outputs) < 2 else len({id(event) for output in outputs for event in output.events})
        gone = taken - distinct - (held - self.held)
        self.held = held
        ledger = self.ledger
        ledger.created += total - distinct + max(0, -gone)
        if gone > 0:
            ledger.discard(discard_reason, gone, intentional=True)
        for output in outputs:
            if output.fanout.read:
                ledger.sent += len(output.events)
            else:
                ledger.discard(Reason.UNREAD, len(output.events))

    def _tickets(self, tickets: Tickets, held: int, oldest: int) -> Tickets:
        """Keep the tickets of what is held back; return those of what was given out now: all before the oldest that is held."""
        if not held and not self._kept:
            return ()
        if held:
            hold(tickets)
            self._kept.extend((self._taken, ticket) for ticket in tickets)
        given_out = []
        while self._kept and self._kept[0][0] <= oldest:
            given_out.append(self._kept.popleft()[1])
        return tuple(given_out)

    def _fault(self, error: Exception, events: int) -> None:
        now = self._clock.monotonic()
        if now - self._failed_at > CALM_SECS:
            self._backoff.reset()
            self._reported.forget()
        self._restart_at = now if not self._backoff.failures else now + self._backoff.next_secs()
        self._backoff.failures = max(1, self._backoff.failures)
        self._failed_at = now
        self.health.trouble(error, State.FAILED, traced=True)
        sentence = "failed; restarting it, its batch is lost"
        news = self._reported.is_news(sentence, error)
        traced = news and not isinstance(error, HttpipeError)  # what is raised on purpose says all in words
        report = self._log.error if news else self._log.debug
        report(sentence, extra={"error": describe(error), "events": events + self.held}, exc_info=error if traced else None)
        self.transform = None
        self._taken = 0
        self.ledger.discard(Reason.COMPONENT_ERROR, events)
        self.close()

    def _ready(self) -> Transform | None:
        """The transform, rebuilt when it is time to; None while it is down."""
        if self.transform is None and self._clock.monotonic() >= self._restart_at:
            try:
                self.transform = self.health.call(self._make, SLOW_START_SECS)
            except Exception as error:  # noqa: BLE001  a plugin's fault
                self._fault(error, 0)
                return None
            self.health.restarts += 1
            self.health.ok()
        return self.transform
