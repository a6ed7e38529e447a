"""Events → the packets of their connections, each once: what an export and the ``pcapng`` sinks write.

A connection is taken from its beginning, as far as that is kept, since what an exchange means may stand in what came before it
(HTTP/2), and readers want the handshake. It is taken up to the end of the exchange; what it carries behind that follows with its
next exchange, or when it is among the older half of what is kept, or at the end. So the packet that a request begins in is still
there to be marked when the exchange is known.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import takewhile
from weakref import WeakKeyDictionary

from pipeline.api import Event, Exchange
from pipeline.codecs.text import visible
from pipeline.model.events.kinds import name_of
from pipeline.model.packet import Packet
from pipeline.model.records import Datagram, Record, Segment, is_stream_key, reverse
from pipeline.packets.index import Connection, Index
from pipeline.packets.kept import Kept
from pipeline.packets.plaintext import PlainText
from pipeline.packets.store import PacketStore
from pipeline.packets.synthesis import packets_of

FOREVER_NS = 1 << 63
SLACK_NS = 1000
"""Durations are rounded to less than that."""
PAUSE_PACKETS = 250
"""Made before other threads have their turn, 2 to 4 ms."""

Remarks = Mapping[int, str]
"""What to say of the packets in which events begin, by their time."""


@dataclass
class Taken:
    """``packets`` in order of time. How much of what was asked for is not among them is said by the counters.

    ``connections``   that have something in it for the first time.
    ``without_beginning``  of these, such of which the opening was not captured, or is not kept any more.
    ``gone``          events of whose connection nothing is kept.
    ``missed``        packets (or records that some would have been made of) that followed on connections that were asked for
                      and were gone before they were taken.
    ``unseen``        batches of which nobody knows what was in them: they came and went between two looks.
    ``without_ends``  connections that probes have read and whose addresses nobody knows: they cannot be written.
    """

    packets: list[Packet] = field(default_factory=list)
    connections: int = 0
    without_beginning: int = 0
    gone: int = 0
    missed: int = 0
    unseen: int = 0
    without_ends: int = 0

    def remark(self, events: int) -> str:
        """What is in it and what is not, for people."""
        said = [f"{_many(events, 'event')} of {_many(self.connections, 'connection')}"]
        if self.without_beginning:
            said.append(f"the beginning of {_many(self.without_beginning, 'connection')} was not captured or is no longer kept")
        if self.gone:
            said.append(f"no packet of {_many(self.gone, 'event')} is kept any more")
        if self.without_ends:
            said.append(f"{_many(self.without_ends, 'connection')} left out, whose addresses are not known")
        return "; ".join(said)


@dataclass
class _Progress:
    """How far a connection has been taken: all before batch ``number``, and ``count`` of its packets in that."""

    number: int = 0
    count: int = 0
    plain: PlainText | None = None


class Taker:
    """One who takes. Safe to be used by one thread at a time; takers of one store do not disturb each other."""

    def __init__(self, store: PacketStore) -> None:
        self._index = Index(store, self._dropped)
        self._missed = 0
        self._taken: WeakKeyDictionary[Connection, _Progress] = WeakKeyDictionary()
        self._older = 0
        self._lock = threading.Lock()

    def take(self, events: Sequence[Event], *, last: bool = False) -> Taken:
        """What these events ask for. ``last``: also what follows on every connection that was ever asked for."""
        with self._lock:
            began = bool(self._taken)
            self._index.follow()
            taken = Taken()
            until: dict[Connection, int] = {}
            remarks: defaultdict[Connection, dict[int, str]] = defaultdict(dict)
            for event in events:
                connection = self._index.find(event)
                if connection is None:
                    taken.gone += 1
                    continue
                until[connection] = max(until.get(connection, 0), _end_ns(event))
                begun = remarks[connection]
                begun[event.timestamp_ns] = "; ".join(filter(None, (begun.get(event.timestamp_ns), _said_of(event))))
                self._know(connection, event, taken)
            for connection, end_ns in until.items():
                self._take(connection, taken, end_ns=end_ns, remarks=remarks[connection])
            for number, connections in self._index.older(self._older):
                self._older = number + 1
                for connection in connections:
                    if connection in self._taken:
                        self._take(connection, taken, before=number + 1)
            if last:
                for connection in list(self._taken):
                    self._take(connection, taken)
            taken.missed, self._missed = self._missed, 0
            taken.unseen = self._index.unseen if began else 0
            self._index.unseen = 0
            taken.packets.sort(key=lambda packet: packet.ts_ns)
            return taken

    def _dropped(self, connection: Connection, number: int, places: int) -> None:
        """Of a connection that was asked for: how much of it had not been taken."""
        progress = self._taken.get(connection)
        if progress is not None and number >= progress.number:
            self._missed += places - (progress.count if number == progress.number else 0)

    def _know(self, connection: Connection, event: Event, taken: Taken) -> None:
        """Begin with a connection; of a probe's learn who its ends are."""
        progress = self._taken.get(connection)
        if progress is None:
            progress = self._taken[connection] = _Progress()
            taken.connections += 1
            if is_stream_key(connection.key):
                progress.plain = self._plain(connection, event)
                taken.without_ends += not progress.plain.known
            elif not connection.whole and getattr(event, "network_transport", None) != "udp":
                taken.without_beginning += 1

    def _plain(self, connection: Connection, event: Event) -> PlainText:
        plain = PlainText()
        plain.ends = (_end(event, "client_address", "client_port"), _end(event, "network_local_address", "network_local_port"))
        key = connection.key
        plain.client = reverse(key) if getattr(event, "httpipe_process_end", None) == "server" else key
        return plain

    def _take(
        self,
        connection: Connection,
        taken: Taken,
        *,
        end_ns: int = FOREVER_NS,
        before: int = FOREVER_NS,
        remarks: Remarks | None = None,
    ) -> None:
        """What has not been taken, up to a time and a batch."""
        progress, first = self._taken[connection], len(taken.packets)
        for number, places in connection.parts:
            if number < progress.number:
                continue
            batch = self._index.batch(number) if number < before else None
            if batch is None:
                break
            done = progress.count if number == progress.number else 0
            items = list(takewhile(lambda item: item.ts_ns <= end_ns, batch.contents(places[done:])))
            for packet in self._packets(items, batch, progress):
                taken.packets.append(packet)
                if len(taken.packets) % PAUSE_PACKETS == 0:
                    time.sleep(0)
            progress.number, progress.count = number, done + len(items)
            if progress.count < len(places):
                break
        _mark(taken.packets, first, remarks or {})

    @staticmethod
    def _packets(items: Iterable[Record | Packet], batch: Kept, progress: _Progress) -> Iterator[Packet]:
        for item in items:
            if isinstance(item, Packet):
                yield item
            elif isinstance(item, Segment | Datagram):
                yield from packets_of(item, batch.interface(item))
            elif progress.plain is not None:
                progress.plain.learn(item)
                for segment in progress.plain.segments((item,)):
                    yield from packets_of(segment, batch.interface(item))


def _mark(packets: list[Packet], first: int, remarks: Remarks) -> None:
    """Of those from ``first`` on: a remark goes to the longest packet of its time, for others only acknowledge."""
    longest: dict[int, int] = {}
    for place in range(first, len(packets)):
        ts_ns = packets[place].ts_ns
        if ts_ns in remarks and (ts_ns not in longest or packets[place].length > packets[longest[ts_ns]].length):
            longest[ts_ns] = place
    for ts_ns, place in longest.items():
        comment = "; ".join(filter(None, (remarks[ts_ns], packets[place].comment)))
        packets[place] = packets[place]._replace(comment=comment)


def _said_of(event: Event) -> str:
    """What is worth knowing of an event where it begins."""
    if not isinstance(event, Exchange):
        said = visible(name_of(event))
    else:
        method = event.http_request_method_original or event.http_request_method or "?"
        target = event.url_path if event.url_path is not None else event.httpipe_request_target
        outcome = event.http_response_status_code or event.error_type or "no response"
        took = "" if event.httpipe_duration_ms is None else f", {event.httpipe_duration_ms:.3g} ms"
        said = f"{visible(method)} {visible(target or '?')}: {outcome}{took}"
    marks = getattr(event, "httpipe_marks", ())
    return f"httpipe: {said}{' (' + ', '.join(marks) + ')' if marks else ''}"


def _end_ns(event: Event) -> int:
    """When its last byte was captured; where that is not said, everything is."""
    took_ms = event.httpipe_duration_ms if isinstance(event, Exchange) else None
    return FOREVER_NS if took_ms is None else event.timestamp_ns + round(took_ms * 1e6) + SLACK_NS


def _end(event: Event, address: str, port: str) -> bytes:
    """An endpoint as ``Opened`` has it; empty where the event does not say."""
    host, number = getattr(event, address, None), getattr(event, port, None)
    try:
        return ip_address(host or "").packed + (number or 0).to_bytes(2, "big")
    except ValueError:
        return b""


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
