"""What the sinks that write packets share: the packets of the connections of events, and the count of what is missing."""

from collections.abc import Sequence

from pipeline.api import Context, Event
from pipeline.model.packet import Packet
from pipeline.packets.store import PacketStore
from pipeline.packets.taker import Taken, Taker

KEEP_BYTES = 64 << 20
"""Of the newest packets: at 10,000 small exchanges a second some seconds, which an exchange's way to a sink is far below."""


class PacketsOfEvents:
    """Takes from the store that the context has; counts what is written, and what could not be."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._taker = Taker(context.packets if isinstance(context.packets, PacketStore) else PacketStore())
        self._said = False

    def take(self, events: Sequence[Event]) -> list[Packet]:
        """What these events ask for and has not been taken yet."""
        return self._counted(self._taker.take(events))

    def rest(self) -> list[Packet]:
        """At the end: what followed on their connections."""
        return self._counted(self._taker.take((), last=True))

    def _counted(self, taken: Taken) -> list[Packet]:
        count = self._context.count
        for name, number in (
            ("packets", len(taken.packets)),
            ("connections", taken.connections),
            ("connections_without_beginning", taken.without_beginning),
            ("connections_without_addresses", taken.without_ends),
            ("events_without_packets", taken.gone),
            ("packets_missed", taken.missed),
            ("batches_missed", taken.unseen),
        ):
            if number:
                count(name, number)
        if (taken.gone or taken.missed or taken.unseen) and not self._said:
            self._said = True
            sentence = "packets that were asked for are not kept any more, or never were; keep more of them (keep_bytes)"
            self._context.log.warning(sentence, extra={"events": taken.gone, "packets": taken.missed, "batches": taken.unseen})
        return taken.packets
