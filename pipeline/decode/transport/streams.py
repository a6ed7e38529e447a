"""What a source of byte streams says: bytes that somebody else put in order, and the beginnings and ends of connections.

Streams have offsets in place of sequence numbers, from 0 on, and nothing acknowledges anything. Who owns an end of a connection
may be said of packets, too.
"""

from pipeline.decode.position import MASK, StreamPosition
from pipeline.decode.protocol import End, Missing, Start
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.table import Table
from pipeline.model.connection import Connection
from pipeline.model.records import Chunk, Closed, Datagram, Gap, Opened, Owner, Record, reverse


class Streams:
    """Byte streams of one decoder."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def feed(self, direction: Direction | None, record: Record) -> None:
        """One record that is not a segment; ``direction`` is what its key belongs to, None where that is not followed."""
        match record:
            case Chunk():
                self._chunk(direction or self._begin(record), record)
            case Opened():
                if direction is not None:
                    self._table.close(direction, record.ts_ns, End.REPLACED)
                self._table.announced.add(record)
            case Owner():
                if direction is None:
                    self._table.announced.add(record)
                else:
                    direction.connection.owned(record)
            case Gap() if direction is not None:
                count = record.length or 1
                direction.protocol.gap(count, self._next(direction, count, record.ts_ns), Missing.LOST)
            case Closed():
                self._table.announced.drop(record.key)
                if direction is not None:
                    self._table.close(direction, record.ts_ns, End.UNSEEN if record.unseen else End.FINISHED)
            case Datagram():
                self._table.detector.datagram(record)
            case _:
                pass

    def _chunk(self, direction: Direction | None, chunk: Chunk) -> None:
        if direction is None or direction.ended:
            return
        at = self._next(direction, chunk.length, chunk.ts_ns)
        direction.connection.last_ns = chunk.ts_ns
        direction.take(chunk.payload, chunk.length, at, cut=chunk.cut)

    @staticmethod
    def _next(direction: Direction, count: int, ts_ns: int) -> StreamPosition:
        """Where the next ``count`` bytes of a stream stand."""
        at = StreamPosition(max(direction.next_seq, 0), ts_ns)
        direction.next_seq = at.seq + count & MASK
        return at

    def _begin(self, chunk: Chunk) -> Direction | None:
        """The direction of a stream that begins with a chunk, if it is one that is read."""
        table, key = self._table, chunk.key
        whole = table.announced.first_bytes(key)
        client = table.detector.first_of_stream(chunk.payload, whole=whole)
        if client is None:
            return None
        back = reverse(key)
        connection = Connection(key if client else back, chunk.ts_ns)
        direction = table.follow(key, back, connection, client=client)
        table.detector.start(direction, Start(client, mid_stream=not whole, first=chunk.payload))
        return direction
