"""The border to the compiled lane: what passes to it and comes back, and the only module of decode that knows it.

The lane (``pipeline.native``, written in Rust) follows connections on which nothing is missing and every message is plain, and
makes their exchanges. Whatever is unusual it hands over with all that has come since the connection was last at rest, so that
Python goes on as if it had seen all of it, and decides. At rest again, the connection goes back. docs/lane.md has the conditions.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import native
from pipeline.config.options import DecodeOptions
from pipeline.decode.about import tell
from pipeline.decode.clean import Clean
from pipeline.decode.shared import Shared
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.openings import NOT_HTTP
from pipeline.decode.transport.table import Table
from pipeline.model.connection import Connection
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Owner, Record

if TYPE_CHECKING:
    from pipeline.native import Lane as CompiledLane

SERVED = frozenset(
    {
        "request_headers",
        "response_headers",
        "max_connections",
        "max_memory_bytes",
        "max_head_bytes",
        "max_pipelined_requests",
        "response_timeout_secs",
        "idle_timeout_secs",
        "reorder_timeout_secs",
    }
)
"""The options that the lane knows, or that ask for nothing that it does. Any other one that is set leaves all to Python."""


def why_not(options: DecodeOptions, *, keep_heads: bool) -> str:
    """Why the lane cannot serve a decoder; empty where it can."""
    if native.lane is None:
        return native.missing
    if keep_heads:
        return "a sink or the page asks for raw heads"
    asked = [name for name in type(options).model_fields if name not in SERVED and getattr(options, name)]
    return f"{', '.join(asked)} asked for" if asked else ""


class Lane:
    """The lane of one decoder. ``read`` decodes records without letting time go on."""

    def __init__(self, options: DecodeOptions, shared: Shared, table: Table, read: Callable[[Sequence[Record]], None]) -> None:
        assert native.lane is not None  # noqa: S101  for the type checker: ``why_not`` was asked
        shared.events = native.lane.Events()
        self._shared = shared
        self._table = table
        self._read = read
        self._records = native.lane.Records
        self._methods = native.lane.METHODS
        self._panic: type[BaseException] = native.lane.PanicException
        closed = table.recently_closed
        announced = table.announced
        self._lane: CompiledLane = native.lane.Lane(
            source=shared.source,
            capture=shared.capture,
            request_headers=_names(options.request_headers),
            response_headers=_names(options.response_headers),
            max_head_bytes=options.max_head_bytes,
            max_connections=options.max_connections,
            max_held=options.max_memory_bytes // 2,
            max_open=options.max_pipelined_requests,
            max_busy=shared.max_held,
            response_ns=int(options.response_timeout_secs * 1e9),
            idle_ns=int(options.idle_timeout_secs * 1e9),
            count=shared.count,
            tell=_tell,
            told_at=Exchange.__struct_fields__.index("process_pid"),
            known={
                "directions": table.directions,
                "openings": table.openings.known,
                "not_http": NOT_HTTP,
                "ended": closed.ended,
                "let_go": closed.gone,
                "announced": announced.remembered,
                "clean": Clean,
                "owner": Owner,
            },
        )
        self.finish = self._lane.finish
        self._max_held = shared.max_held

    def __len__(self) -> int:
        """Connections that it follows."""
        return len(self._lane)

    @property
    def done(self) -> int:
        """How many records it has been given."""
        return self._lane.done

    @property
    def held_exchanges(self) -> int:
        """Requests that are not reported yet."""
        return self._lane.busy

    @property
    def held_bytes(self) -> int:
        """What is held of messages under way."""
        return self._lane.held_bytes

    def feed(
        self, records: Sequence[Record], before_ns: int, clock: tuple[int, int], look: Callable[[int, int], tuple[int, int]]
    ) -> int:
        """Decode; events go to ``shared.events``. ``look`` is called where time leaves ``clock``. The time of the last record.

        Raises whatever failed in the lane, as an ``Exception``; the lane is not to be used after that.
        """
        batch = records if isinstance(records, self._records) else self._records.of(records)
        self._lane.elsewhere = self._shared.held
        try:
            return self._lane.feed(batch, self._shared.events, before_ns, clock, self._take, look)
        except self._panic as panic:
            raise RuntimeError(f"the lane failed: {panic}") from panic
        finally:
            self._shared.max_held = self._max_held

    def take(self, items: Sequence[Any]) -> None:
        """What the lane hands over: connections at rest, each with what has come since, and records."""
        at = 0
        self._shared.max_held = self._max_held - self._lane.busy
        while at < len(items):
            clean = items[at]
            if type(clean) is not Clean:
                self._read(items[at:])
                return
            at += 1 + clean.held
            self._go_on(clean, items[at - clean.held : at])

    def expire(self, now_ns: int) -> None:
        """Take over what is overdue."""
        timers = self._table.timers
        self._lane.stamp = timers.stamp = max(self._lane.stamp, timers.stamp)
        items = self._lane.due(now_ns)
        timers.stamp = self._lane.stamp
        self.take(items)
        self._lane.stamp = timers.stamp

    def make_room(self) -> Direction | None:
        """The connection that was idle longest, of both decoders."""
        lane, timers = self._lane, self._table.timers
        while True:
            theirs, ours = lane.first(), timers.first()
            if theirs is not None and (ours is None or theirs < ours):
                lane.stamp = timers.stamp
                items = lane.look_at_first()
                timers.stamp = lane.stamp
                if items:
                    self.take(items)
                    return self._table.directions[items[0].key]
            elif ours is None:
                return None
            elif (client := timers.look_at_first()) is not None:
                return client

    @staticmethod
    def make_ready() -> None:
        """Import now what the first connection would else wait for that passes to Python."""
        import pipeline.decode.handover  # noqa: F401, PLC0415  as below

    def _go_on(self, clean: Clean, since: Sequence[Record]) -> None:
        """Follow a connection where the lane left it, and read what has come since."""
        from pipeline.decode.handover import go_on  # noqa: PLC0415  start-up: Python's readers, which plain traffic never needs

        connection = go_on(clean, self._table)
        self._read(since)
        connection.last_ns = clean.last_ns

    def _take(self, items: list[Any]) -> Clean | None:
        """The same, while the lane is at its last record. Returns that one's connection if it is at rest."""
        timers = self._table.timers
        timers.stamp = self._lane.stamp
        self.take(items)
        self._lane.stamp, self._lane.elsewhere = timers.stamp, self._shared.held
        if not self._shared.events:
            return None
        direction = self._table.directions.get(items[-1].key)
        if direction is None:
            return None
        from pipeline.decode.handover import at_rest  # noqa: PLC0415  as above

        return at_rest(direction if direction.client else direction.other, self._table, self._methods)


def _tell(connection: Connection) -> tuple[Any, ...]:
    return connection.told or tell(connection)


def _names(headers: Sequence[str]) -> list[str]:
    """Names of reported fields as decode has them: in small letters, each once."""
    return list(dict.fromkeys(name.lower() for name in headers))
