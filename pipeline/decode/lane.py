"""The border to the compiled lane: what passes to it and comes back, and the only module of decode that knows it.

The lane (``pipeline.native``, written in Rust) follows connections on which nothing is missing and every message is plain, and
makes their exchanges. Whatever is unusual it hands over with all that has come since the connection was last at rest, so that
Python goes on as if it had seen all of it, and decides. At rest again, the connection goes back. docs/lane.md has the conditions.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import native
from pipeline.config.options import DecodeOptions
from pipeline.decode.about import tell
from pipeline.decode.http1.phase import HEAD, OTHER
from pipeline.decode.http1.reader import Reader
from pipeline.decode.http2.handover import values_of
from pipeline.decode.http2.reader import Reader as Http2Reader
from pipeline.decode.pairing.gaps import Behaviour
from pipeline.decode.pairing.pairing import Pairing
from pipeline.decode.position import UNKNOWN
from pipeline.decode.shared import Shared
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.openings import NOT_HTTP
from pipeline.decode.transport.table import Table
from pipeline.model.connection import Connection
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import FlowKey, Owner, Record, is_stream_key, reverse

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


class Clean(NamedTuple):
    """A connection at rest: no message is under way and nothing is missing. ``key`` is the direction from the client.

    ``connection`` is set where Python has made one, ``patience`` the number of exchanges for which Python keeps it, ``due`` its
    place in ``Timers``, ``held`` how many records follow that have come since. Everything else is named as in ``Direction``,
    ``Connection`` and ``Waiting``.

    Where HTTP/2 is spoken, ``http2`` is what is known of that (``http2.handover``). Messages may be under way then, no records
    follow, and what concerns pairing means nothing.
    """

    key: FlowKey
    client_next: int
    server_next: int
    client_ended: bool
    server_ended: bool
    last_ns: int
    due: tuple[int, int]
    generation: int
    exchanges: int
    answers: int
    replied: int
    marks: int
    behaviour: int
    batch: int
    rejoined: int
    last_informational: tuple[int, int] | None
    patience: int
    connection: Connection | None
    http2: tuple[Any, ...] | None = None
    held: int = 0


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

    # -- to Python -----------------------------------------------------------------------------------------------------------

    def _take(self, items: list[Any]) -> Clean | None:
        """The same, while the lane is at its last record. Returns that one's connection if it is at rest."""
        timers = self._table.timers
        timers.stamp = self._lane.stamp
        self.take(items)
        self._lane.stamp, self._lane.elsewhere = timers.stamp, self._shared.held
        if not self._shared.events:
            return None
        direction = self._table.directions.get(items[-1].key)
        return None if direction is None else self._at_rest(direction if direction.client else direction.other)

    def _go_on(self, clean: Clean, since: Sequence[Record]) -> None:
        """Follow a connection where the lane left it, and read what has come since."""
        key, connection = clean.key, clean.connection or Connection(clean.key, clean.last_ns, clean.generation)
        connection.marks, connection.exchanges = clean.marks, clean.exchanges
        client = self._table.restore(key, reverse(key), connection, clean.due)
        client.patience, client.stays = clean.patience, clean.exchanges + clean.patience
        client.next_seq, client.ended = clean.client_next, clean.client_ended
        client.other.next_seq, client.other.ended = clean.server_next, clean.server_ended
        self._table.detector.resume(client, clean.http2)
        if clean.http2 is None:
            for direction in (client, client.other):
                if direction.ended:
                    _reader(direction).phase = OTHER
            self._pair_on(_reader(client).pairing, clean)
        self._read(since)
        connection.last_ns = clean.last_ns

    @staticmethod
    def _pair_on(pairing: Pairing, clean: Clean) -> None:
        pairing.answers, pairing.replied, pairing.behaviour = clean.answers, clean.replied, Behaviour(clean.behaviour)
        pairing.batch, pairing.rejoined, pairing.last_informational = clean.batch, clean.rejoined, clean.last_informational

    # -- and back ------------------------------------------------------------------------------------------------------------

    def _at_rest(self, client: Direction) -> Clean | None:
        """A connection that the lane may follow, which Python follows no longer; None while anything is under way, or unusual."""
        connection, server, asks, answers = client.connection, client.other, client.protocol, client.other.protocol
        if connection.exchanges < client.stays or not all(map(_is_in_order, (client, server))):
            return None
        of_packets = not is_stream_key(connection.key)
        if not of_packets or connection.security or connection.multipath or self._table.remembers(connection):
            return None
        if type(asks) is type(answers) is Http2Reader:
            return self._orderly(client, asks, answers)
        if not (type(asks) is type(answers) is Reader and _rests(asks) and _rests(answers)):
            return None
        pairing = asks.pairing
        if pairing.pending or pairing.ambiguous or pairing.asking or pairing.answering or pairing.tunnel:
            return None
        due = self._table.timers.place(client)
        clean = Clean(
            client.key, client.next_seq, server.next_seq, False, False, connection.last_ns, due, connection.generation,
            connection.exchanges, pairing.answers, pairing.replied, connection.marks, pairing.behaviour, pairing.batch,
            pairing.rejoined, pairing.last_informational, client.patience, connection,
        )  # fmt: skip
        self._table.leave(client)
        return clean

    def _orderly(self, client: Direction, asks: Http2Reader, answers: Http2Reader) -> Clean | None:
        """The same of HTTP/2, where messages may be under way."""
        known = values_of(asks, answers, self._methods) if asks.client else None
        if known is None:  # or the transport took the other side for the client's
            return None
        connection, server_next, due = client.connection, client.other.next_seq, self._table.timers.place(client)
        asks.streams.leave()
        self._table.leave(client)
        return Clean(
            client.key, client.next_seq, server_next, False, False, connection.last_ns, due, connection.generation,
            connection.exchanges, 0, UNKNOWN, connection.marks, 0, UNKNOWN, UNKNOWN, None, client.patience, connection, known,
        )  # fmt: skip


def _reader(direction: Direction) -> Reader:
    assert isinstance(direction.protocol, Reader)  # noqa: S101  for the type checker: the lane knows no other protocol
    return direction.protocol


def _is_in_order(direction: Direction) -> bool:
    """Whether nothing is missing of a direction."""
    return not direction.ended and direction.disorder is None and direction.next_seq not in {UNKNOWN, direction.unheard}


def _rests(reader: Reader) -> bool:
    """Whether a message must begin next."""
    return reader.phase is HEAD and reader.body is None and reader.partial is None and not reader.led and not reader.upgrade


def _tell(connection: Connection) -> tuple[Any, ...]:
    return connection.told or tell(connection)


def _names(headers: Sequence[str]) -> list[str]:
    """Names of reported fields as decode has them: in small letters, each once."""
    return list(dict.fromkeys(name.lower() for name in headers))
