"""The packets of the connections of some events as one pcapng file, in pieces."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from pipeline.api import Event
from pipeline.codecs.pcapng import Section
from pipeline.model.packet import Packet
from pipeline.packets.store import PacketStore
from pipeline.packets.taker import Taker

PIECE_PACKETS = 500


def capture_of(events: Sequence[Event], packets: PacketStore) -> tuple[Iterator[bytes], str]:
    """The file, and in words what is in it and what is not: that stands in it, too, as the comment of its section."""
    taken = Taker(packets).take(events, last=True)
    remark = taken.remark(len(events))
    return _pieces(taken.packets, remark), remark


def _pieces(packets: Sequence[Packet], remark: str) -> Iterator[bytes]:
    section = Section()
    yield section.beginning(version("httpipe"), remark)
    for at in range(0, len(packets), PIECE_PACKETS):
        yield section.packets(packets[at : at + PIECE_PACKETS])
