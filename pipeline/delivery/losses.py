"""Tells in the log what is being lost: when it begins, each minute while it goes on, and when it has ended.

In: the ledgers, looked at once a second and once more at the end. Out: log lines; their number does not depend on how much is
lost. Whoever loses something only counts it, so that no kind of loss can forget to be told.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pipeline.delivery.health import Logger
from pipeline.delivery.ledger import Ledger, Reason

TOLD_AGAIN_SECS = 60.0
"""Between two lines about a loss that goes on. One that has paused for so long has ended."""

HINTS: Mapping[str, str] = {
    Reason.QUEUE_FULL: "the sink is slower than its input: give it a larger buffer or batch, or less to do",
    Reason.TOO_LARGE: "raise buffer.max_bytes",
}
"""What can be done about it, where the reason does not say so."""

TOLD_ELSEWHERE = frozenset({Reason.SHUTDOWN, Reason.REMOVED})
"""Counted once, at the end of a sink, which says so itself."""


_Key = tuple[Ledger, str]


@dataclass(slots=True)
class _Loss:
    """One reason of one component. ``counted`` is the ledger's number, ``before`` what it was when this loss began."""

    counted: int
    before: int
    told: int
    began: float
    grew: float
    told_at: float


class Losses:
    """What has been told of every loss that goes on. Bounded by components and reasons."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ended: dict[_Key, int] = {}
        self._open: dict[_Key, _Loss] = {}

    def look(self, ledgers: Iterable[tuple[Ledger, Logger]], *, last: bool = False) -> None:
        """Say what is new. ``last``: these ledgers end here, so that whatever was not told is told now."""
        now = self._monotonic()
        for ledger, log in ledgers:
            for (reason, intentional), counted in ledger.discarded.items():
                if not intentional and reason not in TOLD_ELSEWHERE:
                    self._look((ledger, reason), counted, log, now, last=last)
                    if last:
                        self._ended.pop((ledger, reason), None)

    def _look(self, key: _Key, counted: int, log: Logger, now: float, *, last: bool) -> None:
        loss = self._open.get(key)
        if loss is None:
            before = self._ended.get(key, 0)
            if counted == before:
                return
            loss = self._open[key] = _Loss(before, before, before, now, now, now)
            _say(log, "events are being lost", counted - before, key[1])
            loss.told = counted
        if counted > loss.counted:
            loss.counted, loss.grew = counted, now
        if last or now - loss.grew >= TOLD_AGAIN_SECS:
            self._end(key, loss, log)
        elif now - loss.told_at >= TOLD_AGAIN_SECS and counted > loss.told:
            _say(log, "events are still being lost", counted - loss.told, key[1], in_secs=round(now - loss.told_at))
            loss.told, loss.told_at = counted, now

    def _end(self, key: _Key, loss: _Loss, log: Logger) -> None:
        del self._open[key]
        self._ended[key] = loss.counted
        if loss.grew > loss.began:  # else the first line said it all
            _say(log, "no more events are lost", loss.counted - loss.before, key[1], in_secs=round(loss.grew - loss.began))


def _say(log: Logger, sentence: str, events: int, reason: str, **fields: object) -> None:
    hint = HINTS.get(reason)
    log.warning(sentence, extra={"events": events, "reason": reason, **fields, **({"hint": hint} if hint else {})})
