"""What views show: the newest events, what is added up from them, and the state of the run."""

from collections.abc import Callable, Mapping

import msgspec

from pipeline.api import FieldType
from pipeline.live.store import Store
from pipeline.live.summary import Summary
from pipeline.model.snapshot import Snapshot
from pipeline.packets.store import PacketStore


class View(msgspec.Struct, frozen=True):
    """The functions are called from the threads of views. ``snapshot`` is None where the run cannot be asked any more.

    ``packets``: of what is shown, as far as they are kept; None where they are not, which ``without_packets`` explains.

    ``attributes``: what the pipeline adds to events, for filters. ``ended``: nothing will come any more.
    """

    title: str
    store: Store
    summary: Summary
    snapshot: Callable[[], Snapshot | None]
    attributes: Callable[[], Mapping[str, FieldType]]
    ended: Callable[[], bool]
    packets: PacketStore | None = None
    without_packets: str = ""
