"""Reports in the log what is being lost: when it begins, each minute while it goes on, and when it has ended.

In: the ledgers and the counters of components, looked at once a second and once more at the end. Out: log lines; their number
does not depend on how much is lost. Whoever loses something only counts it, so that no kind of loss goes unreported.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from pipeline.delivery.health import Logger
from pipeline.delivery.ledger import Ledger, Reason

REPEAT_SECS = 60.0
"""Between two lines about a loss that goes on. One that has paused for so long has ended."""

HINTS: Mapping[str, str] = {
    Reason.QUEUE_FULL: "the sink is slower than its input: give it a larger buffer or batch, or less to do",
    Reason.TOO_LARGE: "raise buffer.max_bytes",
    "ring_full": "raise ring_bytes",
    "owners_ring_full": "raise ring_bytes",
    "connections_displaced": "raise kernel_connections",
    "streams_evicted": "raise kernel_connections",
    "decoder_connections_evicted": "raise max_connections or max_memory_bytes",
    "decoder_memory_pressure": "raise max_memory_bytes",
    "decoder_pipeline_overflow": "raise max_pipelined_requests",
    "decoder_http2_heads_too_long": "raise max_head_bytes",
}
"""What can be done about it, where the name does not say so."""

CAPTURE_LOSSES = frozenset(
    {
        "call_cut",
        "connections_displaced",
        "copy_failed",
        "decoder_connections_evicted",
        "decoder_http2_heads_lost",
        "decoder_http2_heads_too_long",
        "decoder_late_bytes",
        "decoder_lost_bytes",
        "decoder_memory_pressure",
        "decoder_pipeline_overflow",
        "decoder_stray_bytes",
        "dropped_before_packets",
        "dropped_by_interface",
        "dropped_by_os",
        "fragments_incomplete",
        "nested",
        "no_call",
        "not_attributed",
        "owners_ring_full",
        "owners_table_full",
        "packets_cut_in_headers",
        "ring_full",
        "segment_cut",
        "streams_evicted",
        "table_full",
        "waiting_full",
    }
)
"""Counters of sources that stand for something lost before there was an event. What is shed the source reports itself; what is
unread at the stop stands in the summary, which follows at once."""

SHED = frozenset({"shed_connections", "shed_requests"})
"""Counters of what a source leaves out under load."""

REPORTED_ELSEWHERE = frozenset({Reason.SHUTDOWN, Reason.REMOVED})
"""Counted once, at the end of a sink, which reports it itself."""


class Wording(msgspec.Struct, frozen=True):
    """How a loss is reported. ``unit`` names the field with the number, ``cause`` the one with the reason."""

    begins: str
    goes_on: str
    ends: str
    unit: str
    cause: str


EVENTS = Wording("events are being lost", "events are still being lost", "no more events are lost", "events", "reason")
CAPTURE = Wording(
    "the capture is incomplete", "the capture is still incomplete", "the capture is complete again", "count", "counter"
)


class Books(msgspec.Struct, frozen=True):
    """What is looked at of a component. Its ledger also stands for it over reloads."""

    ledger: Ledger
    counters: Mapping[str, int]
    log: Logger


_Key = tuple[Ledger, str]


class _Loss(msgspec.Struct):
    """One cause at one component. ``counted`` is the counter's number, ``before`` what it was when this loss began."""

    counted: int
    before: int
    reported: int
    began: float
    grew: float
    reported_at: float


class Losses:
    """What has been reported of every loss that goes on. Bounded by components and reasons."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ended: dict[_Key, int] = {}
        self._open: dict[_Key, _Loss] = {}

    def look(self, components: Iterable[Books], *, last: bool = False) -> None:
        """Report what is new. ``last``: these components end here, so that whatever was not reported yet is reported now."""
        now = self._monotonic()
        for books in components:
            for wording, cause, counted in _counted(books):
                key = (books.ledger, cause)
                self._look(key, counted, _Reporter(books.log, wording, cause), now, last=last)
                if last:
                    self._ended.pop(key, None)

    def _look(self, key: _Key, counted: int, reporter: "_Reporter", now: float, *, last: bool) -> None:
        loss = self._open.get(key)
        if loss is None:
            before = self._ended.get(key, 0)
            if counted == before:
                return
            loss = self._open[key] = _Loss(before, before, before, now, now, now)
            reporter.report(reporter.wording.begins, counted - before)
            loss.reported = counted
        if counted > loss.counted:
            loss.counted, loss.grew = counted, now
        if last or now - loss.grew >= REPEAT_SECS:
            self._end(key, loss, reporter)
        elif now - loss.reported_at >= REPEAT_SECS and counted > loss.reported:
            reporter.report(reporter.wording.goes_on, counted - loss.reported, in_secs=round(now - loss.reported_at))
            loss.reported, loss.reported_at = counted, now

    def _end(self, key: _Key, loss: _Loss, reporter: "_Reporter") -> None:
        del self._open[key]
        self._ended[key] = loss.counted
        if loss.grew > loss.began:  # else the first line said it all
            reporter.report(reporter.wording.ends, loss.counted - loss.before, in_secs=round(loss.grew - loss.began))


class _Reporter(msgspec.Struct, frozen=True):
    log: Logger
    wording: Wording
    cause: str

    def report(self, sentence: str, number: int, **fields: object) -> None:
        hint = HINTS.get(self.cause)
        fields = {self.wording.unit: number, self.wording.cause: self.cause, **fields, **({"hint": hint} if hint else {})}
        self.log.warning(sentence, extra=fields)


def _counted(books: Books) -> Iterator[tuple[Wording, str, int]]:
    for (reason, intentional), events in books.ledger.discarded.items():
        if not intentional and reason not in REPORTED_ELSEWHERE:
            yield EVENTS, reason, events
    for name in CAPTURE_LOSSES & books.counters.keys():
        if count := books.counters[name]:
            yield CAPTURE, name, count
