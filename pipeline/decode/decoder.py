"""The decoder: records of any number of connections → events. One dictionary look-up finds the direction a record belongs to.

Time is that of the records, or what ``expire`` is given. Nothing off the wire raises: a failure of decode itself is counted as
``decoder_internal_errors`` and costs the record that met it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pipeline.config.options import DecodeOptions
from pipeline.decode.lane import Lane, why_not
from pipeline.decode.position import MASK
from pipeline.decode.protocol import End
from pipeline.decode.shared import Shared
from pipeline.decode.transport.segments import TELLING, UNUSUAL, Segments, news
from pipeline.decode.transport.streams import Streams
from pipeline.decode.transport.table import Table
from pipeline.model.events.event import Event
from pipeline.model.records import ACK, Record, Segment

if TYPE_CHECKING:
    from pipeline.decode.detect import Detect

SECOND = 1_000_000_000
FOREVER_NS = 1 << 64


class Decoder:
    """Feed it records in the order they were captured; it gives back the events that are complete.

    What only Python reads with is imported when the first connection needs it. ``live``: at once, as nobody waits for it then.
    """

    def __init__(  # noqa: PLR0913  what is said of a source
        self,
        options: DecodeOptions,
        *,
        source: str,
        capture: str = "packet",
        keep_heads: bool = False,
        live: bool = False,
        count: Callable[[str, int], None] = lambda _name, _by: None,
    ) -> None:
        shared = self._shared = Shared(options, source=source, capture=capture, keep_heads=keep_heads, count=count)
        self._options = options
        self._detect: Detect | None = None
        self._table = Table(options, shared, self._make_detect)
        self._segments = Segments(self._table)
        self._streams = Streams(self._table)
        self._latest_ns = 0
        self._next_expiry_ns = self._rewound_ns = 0
        self.python_because = why_not(options, keep_heads=keep_heads)
        self._lane = None if self.python_because else Lane(options, shared, self._table, self._read_at_once)
        if self._lane is not None:
            self._table.elsewhere, self._table.idlest = self._lane.__len__, self._lane.make_room
        if live:
            self._table.detector  # noqa: B018  makes it
            if self._lane is not None:
                self._lane.make_ready()

    def _make_detect(self) -> "Detect":
        from pipeline.decode.detect import Detect  # noqa: PLC0415  start-up: with it come the readers of all protocols

        shared = self._shared
        detect = self._detect = Detect(self._options, shared)
        shared.switch, shared.tunnel, shared.other = detect.switch, detect.tunnel, detect.other
        return detect

    @property
    def held_exchanges(self) -> int:
        """Exchanges of which something was seen that is not reported yet."""
        return self._shared.held + (self._lane.held_exchanges if self._lane is not None else 0)

    @property
    def connections(self) -> int:
        """Connections that are followed."""
        return len(self._table.directions) // 2 + self._table.elsewhere()

    @property
    def held_bytes(self) -> int:
        """Bytes held back for heads, bodies and segments out of order."""
        return self._shared.memory + (self._lane.held_bytes if self._lane is not None else 0)

    def feed(self, records: Sequence[Record]) -> Sequence[Event]:
        """The events that these records complete."""
        if self._lane is None:
            self._read(records)
        else:
            self._read_in_lane(self._lane, records)
        if self._shared.memory > self._shared.max_memory:
            self._relieve(self._latest_ns)
        return self._take()

    def _read_in_lane(self, lane: Lane, records: Sequence[Record]) -> None:
        """Through the compiled lane. Where it fails, Python goes on with the record behind; what the lane held is lost."""
        begun = lane.done
        try:
            clock = self._rewound_ns, self._next_expiry_ns
            self._latest_ns = lane.feed(records, self._latest_ns, clock, self._look_for_lane)
        except Exception:  # noqa: BLE001  as in _read
            self._shared.count("decoder_internal_errors", 1)
            self.python_because, self._lane = "the lane failed", None
            self._table.elsewhere, self._table.idlest = int, self._table.timers.idlest
            self._read(records[lane.done - begun :])

    def _look_for_lane(self, before_ns: int, ts_ns: int) -> tuple[int, int]:
        self._look(before_ns, ts_ns)
        return self._rewound_ns, self._next_expiry_ns

    def _read_at_once(self, records: Sequence[Record]) -> None:
        """While the lane says what time it is: some of these are older than others that were read."""
        clock, self._rewound_ns, self._next_expiry_ns = (self._rewound_ns, self._next_expiry_ns), 0, FOREVER_NS
        self._read(records)
        self._rewound_ns, self._next_expiry_ns = clock

    def _read(self, records: Sequence[Record]) -> None:  # noqa: C901, PLR0912  the hot loop: a call more per record costs 0.1 µs
        find, arrival, unusual = self._table.directions.get, self._segments.arrival, self._segments.unusual
        shared, most = self._shared, self._shared.max_memory
        before = self._latest_ns
        for record in records:
            ts_ns = record.ts_ns
            if not self._rewound_ns <= ts_ns < self._next_expiry_ns or shared.memory > most:
                self._look(before, ts_ns)
            before = ts_ns
            try:
                direction = find(record.key)
                if type(record) is not Segment:
                    self._streams.feed(direction, record)
                    continue
                if direction is None:
                    if record.length or record.flags & UNUSUAL:
                        direction = arrival(record)
                        if direction is not None:
                            self._segments.first(direction, record)
                    continue
                if record.seq != direction.next_seq or record.flags & TELLING != ACK or direction.disorder is not None:
                    unusual(direction, record)
                    continue
                other = direction.other
                if record.ack != other.next_seq and news(record, other):
                    other.acknowledge(record.ack, ts_ns)
                length = record.length
                if length:
                    payload = record.payload
                    direction.next_seq = record.seq + length & MASK
                    direction.connection.last_ns = ts_ns
                    if payload:
                        switch = direction.protocol.data(payload, record)
                        if switch is not None:
                            shared.switch(direction, switch)
                    if length > len(payload):
                        direction.skip(length - len(payload), record, cut=record.cut)
            except Exception:  # noqa: BLE001  hostile bytes must not stop the capture; every test asserts that this stays 0
                shared.count("decoder_internal_errors", 1)
        self._latest_ns = before

    def expire(self, now_ns: int) -> Sequence[Event]:
        """What is overdue at ``now_ns``: requests without a response, connections without traffic, segments that never came."""
        self._expire(now_ns)
        return self._take()

    def finish(self) -> Sequence[Event]:
        """The end of input: everything that is held, marked. To be called always: it frees what no collector looks for."""
        table = self._table
        if self._lane is not None:
            self._lane.take(self._lane.finish())
        for direction in list(table.directions.values()):
            try:
                if table.directions.get(direction.key) is direction:
                    table.close(direction, direction.connection.last_ns, End.UNSEEN)
            except Exception:  # noqa: BLE001  as in feed
                self._shared.count("decoder_internal_errors", 1)
        if self._detect is not None:
            self._detect.finish()
        return self._take()

    def _take(self) -> Sequence[Event]:
        shared = self._shared
        if shared.over:
            self._table.pass_by(list(shared.over))
            shared.over.clear()
        events, shared.events = shared.events, type(shared.events)()
        return events

    # -- time and memory: looked at between any two records, so that it does not matter how they fall into batches ---------

    def _look(self, before_ns: int, ts_ns: int) -> None:
        """Keep the bound on memory, and let time go on, as far as two records in a row say.

        So a single stamp of garbage from the far future does not end all connections. Time goes back where one capture follows
        another; a little disorder, as in a merged one, does not turn it back.
        """
        self._relieve(before_ns)
        if min(before_ns, ts_ns) >= self._next_expiry_ns:
            self._expire(min(before_ns, ts_ns))
        elif max(before_ns, ts_ns) < self._rewound_ns:
            self._set_clock(max(before_ns, ts_ns))

    def _relieve(self, now_ns: int) -> None:
        try:
            self._table.relieve(now_ns)
        except Exception:  # noqa: BLE001  as in feed
            self._shared.count("decoder_internal_errors", 1)

    def _set_clock(self, now_ns: int) -> None:
        self._next_expiry_ns, self._rewound_ns = now_ns + SECOND, now_ns - SECOND

    def _expire(self, now_ns: int) -> None:
        self._set_clock(now_ns)
        table = self._table
        try:
            if self._lane is not None:
                self._lane.expire(now_ns)
            for direction in list(self._shared.out_of_order):
                direction.give_up_overdue(now_ns)
            table.expire_resets(now_ns)
            if self._detect is not None:
                self._detect.expire(now_ns)
            for client, idle in table.timers.due(now_ns):
                if idle or (client.ended and client.other.ended):
                    table.close(client, now_ns, End.TIMEOUT)
                else:
                    client.protocol.overdue()
        except Exception:  # noqa: BLE001  as in feed
            self._shared.count("decoder_internal_errors", 1)
