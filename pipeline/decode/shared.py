"""What all connections of one decoder share: bounds, counters, what is held, and the events that are ready."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.config.options import DecodeOptions
from pipeline.decode.message import Accepted
from pipeline.decode.protocol import Protocol as Reading
from pipeline.decode.protocol import Switch
from pipeline.model.connection import Connection
from pipeline.model.events.event import Event

if TYPE_CHECKING:
    from pipeline.native import Events

Tunnel = Callable[[str, Accepted, Connection], tuple[Reading, Reading] | None]


class Patient(Protocol):
    """A direction that waits for missing bytes."""

    def give_up_overdue(self, now_ns: int) -> None:
        """Give up what has been missing for too long."""


class Shared:
    """What a decoder hands to every room.

    ``count`` adds to a counter; ``memory`` is in bytes, ``held`` the number of messages that are not reported yet.

    ``out_of_order`` are the directions that wait for missing bytes, ``events`` what is ready, with the lane in its memory.
    ``in_progress``: requests are reported when they begin, too. ``switch`` gives both directions of
    a connection the protocol that one of them says comes next, ``tunnel`` makes what reads one on a stream (``Detect.tunnel``),
    ``other`` says whether bytes surely begin a protocol that is not HTTP/1.
    ``over`` are connections, by the direction from their client, of which their protocols want no more bytes: the table lets go
    of them behind each batch.
    """

    __slots__ = (
        "bodies", "capture", "count", "events", "held", "in_progress", "keep_heads", "max_held", "max_memory", "max_pending",
        "memory", "other", "out_of_order", "over", "reorder_ns", "source", "switch", "tunnel",
    )  # fmt: skip

    def __init__(
        self, options: DecodeOptions, *, source: str, capture: str, keep_heads: bool, count: Callable[[str, int], None]
    ) -> None:
        self.source = source
        self.capture = capture
        self.keep_heads = keep_heads
        self.count = count
        self.bodies = options.bodies
        self.in_progress = options.in_progress
        self.max_pending = options.max_pipelined_requests
        self.max_held = 4 * options.max_connections
        self.max_memory = options.max_memory_bytes
        self.reorder_ns = int(options.reorder_timeout_secs * 1e9)
        self.events: list[Event] | Events = []
        self.held = 0
        self.memory = 0
        self.out_of_order: dict[Patient, None] = {}
        self.over: dict[Any, None] = {}
        self.switch: Callable[[Any, Switch], None] = lambda _direction, _switch: None
        self.other: Callable[[bytes], bool] = lambda _data: False
        self.tunnel: Tunnel = lambda _protocol, _accepted, _connection: None
