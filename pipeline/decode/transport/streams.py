"""What a source of byte streams says: bytes that somebody else put in order, and the beginnings and ends of connections."""

from pipeline.decode.position import MASK, Position
from pipeline.decode.protocol import End, Missing, Start
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.openings import NOT_HTTP, Opening
from pipeline.decode.transport.table import Table
from pipeline.model.connection import Connection
from pipeline.model.records import Chunk, Closed, FlowKey, Gap, Opened, Record, Segment, reverse


class Streams:
    """Streams have offsets in place of sequence numbers, from 0 on."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def feed(self, direction: Direction | None, record: Record) -> None:
        """One record that is no segment; ``direction`` is what its key belongs to, None where that is not followed."""
        match record:
            case Chunk():
                direction = direction or self._begin(record.key, record.ts_ns, record.payload)
                if direction is not None:
                    seq = max(direction.next_seq, 0)
                    direction.next_seq = seq
                    direction.push(Segment(record.key, record.ts_ns, seq, 0, 0, record.payload, record.length))
                    direction.connection.last_ns = record.ts_ns
            case Opened():
                if direction is not None:
                    self._table.close(direction, record.ts_ns, End.REPLACED)
                self._table.openings.put(record.key, Opening(0))
                self._table.openings.put(reverse(record.key), Opening(0, 0))
            case Gap() if direction is not None:
                count, why = record.length or 1, Missing.UNSEEN if direction.next_seq == direction.unheard else Missing.LOST
                at = Position(direction.next_seq - count & MASK, record.ts_ns)
                direction.protocol.gap(count, at, why)
            case Closed() if direction is not None:
                self._table.close(direction, record.ts_ns, End.UNSEEN if record.unseen else End.FINISHED)
            case _:
                pass

    def _begin(self, key: FlowKey, ts_ns: int, payload: bytes) -> Direction | None:
        """The direction of a stream that begins with ``payload``, if it is one that is read."""
        table = self._table
        opening = table.openings.pop(key, None)
        whole = opening is not None and opening is not NOT_HTTP
        client = table.detector.first_of_stream(payload, whole=whole)
        if client is None:
            return None
        back = reverse(key)
        table.openings.pop(back, None)
        direction = table.follow(key, back, Connection(key if client else back, ts_ns), client=client)
        table.detector.start(direction, Start(client, mid_stream=not whole))
        return direction
