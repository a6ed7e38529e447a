"""What one end of a TLS connection sent and received in plain text → segments, as if it had gone over TCP like that. Pure.

A probe sees no packets. Addresses and ports are the connection's own; sequence numbers count the bytes of the plain text from 1,
after a handshake where the beginning was seen. The interface says that it was never on the wire like this.
"""

from collections.abc import Iterable, Iterator

from pipeline.model.records import ACK, FIN, PSH, SYN, Chunk, Closed, FlowKey, Gap, Opened, Record, Segment, reverse

Ends = tuple[bytes, bytes]
"""Endpoints as ``Opened`` has them, the client's first."""


class PlainText:
    """One connection. ``ends`` are what an event says of its endpoints, ``client`` which of its keys the client sends.

    Both may be known late: segments are made once both are.
    """

    def __init__(self) -> None:
        self.ends: Ends = (b"", b"")
        self.client: FlowKey | None = None
        self._next = {True: 1, False: 1}

    @property
    def known(self) -> bool:
        """Whether both endpoints are."""
        client, server = self.ends
        return self.client is not None and len(client) == len(server) and len(client) in {6, 18}

    def learn(self, record: Record) -> None:
        """What an opening says of its ends."""
        if isinstance(record, Opened):
            self.client = record.key
            client, server = self.ends
            self.ends = (record.client or client, record.server or server)

    def segments(self, records: Iterable[Record]) -> Iterator[Segment]:
        """Those of these records, which come in their order. Nothing where the endpoints are not ``known``."""
        if not self.known:
            return
        for record in records:
            match record:
                case Opened():
                    if not record.mid_stream:
                        yield from self._opening(record.ts_ns)
                case Chunk():
                    yield self._said(record)
                case Gap():
                    # of unknown length: one byte, so that a reader sees that something is missing
                    self._next[record.key == self.client] += record.length or 1
                case Closed():
                    if not record.unseen:
                        yield from self._end(record)
                case _:
                    pass

    def _opening(self, ts_ns: int) -> Iterator[Segment]:
        yield Segment(self._key(client=True), ts_ns, 0, 0, SYN, b"", 0)
        yield Segment(self._key(client=False), ts_ns, 0, 1, SYN | ACK, b"", 0)
        yield Segment(self._key(client=True), ts_ns, 1, 1, ACK, b"", 0)

    def _said(self, chunk: Chunk) -> Segment:
        client = chunk.key == self.client
        seq = self._next[client]
        self._next[client] += chunk.length
        ack = self._next[not client] & 0xFFFFFFFF
        key = self._key(client=client)
        return Segment(key, chunk.ts_ns, seq & 0xFFFFFFFF, ack, ACK | PSH, chunk.payload, chunk.length, cut=chunk.cut)

    def _end(self, closed: Closed) -> Iterator[Segment]:
        first = closed.key == self.client
        for client in (first, not first):
            seq, ack = self._next[client] & 0xFFFFFFFF, self._next[not client] & 0xFFFFFFFF
            self._next[client] += 1
            yield Segment(self._key(client=client), closed.ts_ns, seq, ack, FIN | ACK, b"", 0)

    def _key(self, *, client: bool) -> FlowKey:
        one, other = self.ends
        key = one[:-2] + other[:-2] + one[-2:] + other[-2:]
        return key if client else reverse(key)
