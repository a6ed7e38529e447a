"""Records of one source → events: its decoder, what is recorded and kept before it, and how it passes to the next source."""

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from pipeline.api import Event, Opened, Record, Segment
from pipeline.delivery.batch import joined

if TYPE_CHECKING:
    from pipeline.runtime.units.recorder import Recorder

PART_RECORDS = 64
"""What a live source's decoder is given at once, about 0.3 ms of work. Then the processor is offered to whoever waits for it,
such as the server that is being watched: without that it waits for the next tick of the scheduler, up to 4 ms. With nginx at
29,000 requests a second on two cores this halved what the capture added to the 99th percentile, and cost nothing."""

GIVEN_SECS = 0.02
"""After so much time in which others had the processor a batch is decoded to its end. Where more wait for it than there are
processors, each offer lasts a round of all of them, and the ring fills up meanwhile."""

OVERLAP_NS = 5_000_000_000
"""A source may keep records back for a while: only when none this old comes any more, none is one that was given before."""


class Decoder(Protocol):
    """Records in, events out (``pipeline.decode.Decoder``).

    ``python_because`` says why all of it is Python's; empty where the compiled lane takes what is plain.
    """

    python_because: str

    def feed(self, records: Sequence[Record]) -> Sequence[Event]:
        """Events that these records complete."""

    def expire(self, now_ns: int) -> Sequence[Event]:
        """Events whose other half did not come in time."""

    def finish(self) -> Sequence[Event]:
        """Everything that is still held."""


class Decoding:
    """``make`` builds the decoder; ``live`` is a source that cannot wait; ``keep`` is given the records as they came."""

    def __init__(
        self,
        make: Callable[[], Decoder],
        recorder: "Recorder | None",
        *,
        live: bool,
        keep: Callable[[Sequence[Record]], None] | None = None,
    ) -> None:
        self._make = make
        self._live = live
        self._keep = keep
        self._decoder: Decoder | None = make()
        self._because = self._decoder.python_because
        self._last: Sequence[Record] = ()
        self._ended_ns = 0
        self._after_ns: int | None = None
        self._overlap_ns = 0
        self._quiet = True
        self.recorder = recorder

    def feed(self, records: Sequence[Record]) -> Sequence[Event]:
        """Record them, and decode them."""
        if self._after_ns is not None:
            records = self._later(records, self._after_ns)
        if self.recorder is not None:
            self.recorder.write(records)
        if self._keep is not None:
            self._keep(records)
        self._quiet = not records
        if records:
            self._last, last = records, self._last
            if last and not isinstance(last[0], Segment):  # such records may be given late
                self._ended_ns = max(self._ended_ns, *map(_ended_ns, last))
        decoder = self._decoder = self._decoder or self._make()
        return self._in_parts(decoder, records) if self._live else decoder.feed(records)

    def expire(self, now_ns: int) -> Sequence[Event]:
        """Look at the time-outs by the wall clock, unless records, which bring their own time, came since this was asked last."""
        quiet, self._quiet = self._quiet, True
        return self._decoder.expire(now_ns) if quiet and self._decoder is not None else ()

    @property
    def decoder(self) -> str:
        """Who decodes: the compiled lane, or Python and why."""
        if self._decoder is not None:
            self._because = self._decoder.python_because
        return f"Python ({self._because})" if self._because else "the compiled lane"

    def finish(self) -> Sequence[Event]:
        """Everything that is still held. Safe twice; the next records start from nothing."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            self._because = decoder.python_because
        return decoder.finish() if decoder is not None else ()

    def take_over(self, before: "Decoding", *, connections: bool) -> None:
        """Before the first records: go on where a source of the same traffic has stopped.

        Both have captured for a moment, so that none is missed; what the other gave last is not taken again. With ``connections``
        also those that the other had are gone on with. Without, they have other keys here: those that began earlier are joined in
        their middle, and the other one tells what became of its halves.
        """
        self._after_ns = before.last_ns
        self._overlap_ns = 0 if connections else OVERLAP_NS
        if connections:
            self._decoder = before.hand_over() or self._decoder

    @property
    def last_ns(self) -> int | None:
        """When the last of its records was captured; None where it had none."""
        return max(self._ended_ns, *map(_ended_ns, self._last)) if self._last else None

    def hand_over(self) -> Decoder | None:
        """The decoder, if there is one. This one holds nothing from then on."""
        decoder, self._decoder = self._decoder, None
        return decoder

    def _later(self, records: Sequence[Record], after_ns: int) -> Sequence[Record]:
        """Without those that the source before this one has given already. Connections that began earlier are still open."""
        if not records:
            return records
        earliest_ns = min(map(_ended_ns, records))
        if earliest_ns > after_ns + self._overlap_ns:
            self._after_ns = None
        if earliest_ns > after_ns:
            return records
        return [_since(record, after_ns) for record in records if _ended_ns(record) > after_ns or isinstance(record, Opened)]

    def _in_parts(self, decoder: Decoder, records: Sequence[Record]) -> Sequence[Event]:
        parts: list[Sequence[Event]] = []
        given = 0.0
        for at in range(0, len(records), PART_RECORDS):
            parts.append(decoder.feed(records[at : at + PART_RECORDS]))
            if given < GIVEN_SECS:
                offered = time.monotonic()
                os.sched_yield()
                given += time.monotonic() - offered
        return joined(parts)


def _ended_ns(record: Record) -> int:
    """When its last byte was captured."""
    return (record.last_ns or record.ts_ns) if isinstance(record, Segment) else record.ts_ns


def _since(record: Record, after_ns: int) -> Record:
    """A connection that began earlier has a beginning that is not seen."""
    if isinstance(record, Opened) and record.ts_ns <= after_ns:
        return msgspec.structs.replace(record, mid_stream=True)
    return record
