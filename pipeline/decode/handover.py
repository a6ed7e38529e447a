"""A connection on its way from the compiled lane to Python's readers, and back when it is at rest (HTTP/2: ``http2.handover``).

It knows the readers of every protocol that the lane has, so it is imported when the first connection passes (``lane``).
"""

from collections.abc import Sequence

from pipeline.decode.clean import Clean
from pipeline.decode.http1.phase import HEAD, OTHER
from pipeline.decode.http1.reader import Reader
from pipeline.decode.http2.handover import values_of
from pipeline.decode.http2.reader import Reader as Http2Reader
from pipeline.decode.pairing.gaps import Behaviour
from pipeline.decode.pairing.pairing import Pairing
from pipeline.decode.position import UNKNOWN
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.table import Table
from pipeline.model.connection import Connection
from pipeline.model.records import is_stream_key, reverse

# -- to Python -----------------------------------------------------------------------------------------------------------


def go_on(clean: Clean, table: Table) -> Connection:
    """Follow a connection where the lane left it."""
    key, connection = clean.key, clean.connection or Connection(clean.key, clean.last_ns, clean.generation)
    connection.marks, connection.exchanges = clean.marks, clean.exchanges
    client = table.restore(key, reverse(key), connection, clean.due)
    client.patience, client.stays = clean.patience, clean.exchanges + clean.patience
    client.next_seq, client.ended = clean.client_next, clean.client_ended
    client.other.next_seq, client.other.ended = clean.server_next, clean.server_ended
    table.detector.resume(client, clean.http2)
    if clean.http2 is None:
        for direction in (client, client.other):
            if direction.ended:
                _reader(direction).phase = OTHER
        _pair_on(_reader(client).pairing, clean)
    return connection


def _pair_on(pairing: Pairing, clean: Clean) -> None:
    pairing.answers, pairing.replied, pairing.behaviour = clean.answers, clean.replied, Behaviour(clean.behaviour)
    pairing.batch, pairing.rejoined, pairing.last_informational = clean.batch, clean.rejoined, clean.last_informational


def _reader(direction: Direction) -> Reader:
    assert isinstance(direction.protocol, Reader)  # noqa: S101  for the type checker: the lane knows no other protocol
    return direction.protocol


# -- and back ------------------------------------------------------------------------------------------------------------


def at_rest(client: Direction, table: Table, methods: Sequence[str]) -> Clean | None:
    """A connection that the lane may follow, which Python follows no longer; None while anything is under way, or unusual.

    ``methods`` are those that the lane knows.
    """
    connection, server, asks, answers = client.connection, client.other, client.protocol, client.other.protocol
    if connection.exchanges < client.stays or not all(map(_is_in_order, (client, server))):
        return None
    of_packets = not is_stream_key(connection.key)
    if not of_packets or connection.security or connection.multipath or table.remembers(connection):
        return None
    if type(asks) is type(answers) is Http2Reader:
        return _orderly(client, asks, answers, table, methods)
    if not (type(asks) is type(answers) is Reader and _rests(asks) and _rests(answers)):
        return None
    pairing = asks.pairing
    if pairing.pending or pairing.ambiguous or pairing.asking or pairing.answering or pairing.tunnel:
        return None
    due = table.timers.place(client)
    clean = Clean(
        client.key, client.next_seq, server.next_seq, False, False, connection.last_ns, due, connection.generation,
        connection.exchanges, pairing.answers, pairing.replied, connection.marks, pairing.behaviour, pairing.batch,
        pairing.rejoined, pairing.last_informational, client.patience, connection,
    )  # fmt: skip
    table.leave(client)
    return clean


def _orderly(client: Direction, asks: Http2Reader, answers: Http2Reader, table: Table, methods: Sequence[str]) -> Clean | None:
    """The same of HTTP/2, where messages may be under way."""
    known = values_of(asks, answers, methods) if asks.client else None
    if known is None:  # or the transport took the other side for the client's
        return None
    connection, server_next, due = client.connection, client.other.next_seq, table.timers.place(client)
    asks.streams.leave()
    table.leave(client)
    return Clean(
        client.key, client.next_seq, server_next, False, False, connection.last_ns, due, connection.generation,
        connection.exchanges, 0, UNKNOWN, connection.marks, 0, UNKNOWN, UNKNOWN, None, client.patience, connection, known,
    )  # fmt: skip


def _is_in_order(direction: Direction) -> bool:
    """Whether nothing is missing of a direction."""
    return not direction.ended and direction.disorder is None and direction.next_seq not in {UNKNOWN, direction.unheard}


def _rests(reader: Reader) -> bool:
    """Whether a message must begin next."""
    return reader.phase is HEAD and reader.body is None and reader.partial is None and not reader.led and not reader.upgrade
