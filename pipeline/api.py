"""The contract between the engine and its components: what plugins import, under the name ``httpipe``.

A component is a class with a config model (``Config``, a pydantic model) and a constructor ``(config, context)``. Sources and
sinks do I/O and are async; transforms are pure and synchronous. Batching, queueing, retry, reconnecting, dead letters and
metering belong to the engine, so a component cannot get them wrong.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import Enum
from mmap import mmap
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict

from pipeline.errors import (
    BackOff,
    BatchError,
    CaptureError,
    ConfigError,
    Finished,
    HttpipeError,
    InputError,
    NotConnected,
    Problem,
    Reject,
)
from pipeline.model.delivery import DELIVERY, Delivery
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import FIELDS, Exchange, Mark
from pipeline.model.events.fields import Field as EventField
from pipeline.model.events.fields import FieldType
from pipeline.model.events.kind import Kind as EventKind
from pipeline.model.events.kinds import register as register_kind
from pipeline.model.events.measurement import Measurement
from pipeline.model.file_names import FileNames
from pipeline.model.metric import Metric
from pipeline.model.paths import GlobOption, PathOption, PathTemplateOption
from pipeline.model.records import Chunk, Closed, Gap, Opened, Owner, Process, Record, Segment, stream_key

__all__ = [
    "API_VERSION",
    "DEFAULT",
    "FIELDS",
    "AttributeValue",
    "BackOff",
    "BatchError",
    "CaptureError",
    "Chunk",
    "Closed",
    "Config",
    "ConfigError",
    "Context",
    "Delivery",
    "Emits",
    "Event",
    "EventBatch",
    "EventField",
    "EventKind",
    "Exchange",
    "FieldType",
    "FileNames",
    "Finished",
    "Gap",
    "GlobOption",
    "HttpipeError",
    "InputError",
    "Mark",
    "Measurement",
    "Metric",
    "NotConnected",
    "Opened",
    "Outputs",
    "Owner",
    "PathOption",
    "PathTemplateOption",
    "Problem",
    "Process",
    "Record",
    "RecordBatch",
    "Reject",
    "Segment",
    "Sink",
    "SinkDefaults",
    "Source",
    "Transform",
    "register_kind",
    "stream_key",
]

API_VERSION = 1
"""Version of this contract. The engine supports it and the one before."""

DEFAULT = ""
"""Name of a transform's default output."""


class Config(BaseModel):
    """Base of a component's options: unknown keys are errors, values are frozen, docstrings of fields are the documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoConfig(Config):
    """For components without options."""


NO_FIELDS: Mapping[str, FieldType] = MappingProxyType({})


class Context(msgspec.Struct, frozen=True):
    """What the engine hands a component.

    ``id``       the component's id in the pipeline file.
    ``log``      a logger that names the component.
    ``now_ns``   the clock, nanoseconds since 1970-01-01 UTC; tests hand in their own.
    ``count``    ``count("ring_full", 3)`` adds to a counter of the component; it appears in metrics and in the exit summary.
    ``trouble``  ``trouble("no contact with any broker since …")`` says that the component works on but cannot do its part, and
                 ``trouble("")`` that it can again: in the log once, in `top`, `/health` and, for a source, `/ready` meanwhile.
    ``progress`` ``progress(done, total)`` in units of the source's own (bytes of a file); shown on a terminal.
    ``delivery`` sinks only, inside ``write``: which batch this is, and which attempt; None outside.
    ``body_bytes``  sources only: how many bytes of each message body the pipeline wants (0: none).
    ``websockets``  sources only: whether the pipeline wants what follows a switch to WebSocket.
    ``tls_handshakes``  sources only: whether it wants TLS and QUIC handshakes.
    ``packets``  of sources what keeps their packets (``pipeline.packets.store.Keeper``), of sinks the store that has them
                 (``PacketStore``); for components of httpipe's own. See ``Source.keeps_packets`` and ``Sink.wants_packets``.
    ``attributes``  transforms and sinks only: the attributes that transforms upstream add, so that expressions know their types.
    ``read_file``   transforms, and sources while a pipeline file is checked: ``read_file(path)`` gives the bytes of a file the
                    first time it is asked and whenever the file has changed since, else None. The engine does the reading;
                    raises ``OSError``. Ask when constructed and in ``flush``, never in ``process``.
    ``map_file``    transforms only: as ``read_file``, for files too large to copy into memory (a database of addresses): a
                    read-only memory map, which the transform closes. A library that opens files itself is given the path instead
                    whenever the answer is not None. Such a file must be replaced by renaming: a process that reads a map behind
                    the end of a file that was cut short is ended by SIGBUS.
    """

    id: str
    log: logging.Logger | logging.LoggerAdapter[logging.Logger] = msgspec.field(
        default_factory=lambda: logging.getLogger("httpipe")
    )
    now_ns: Callable[[], int] = time.time_ns
    count: Callable[[str, int], None] = lambda _name, _by: None
    trouble: Callable[[str], None] = lambda _sentence: None
    progress: Callable[[int, int], None] = lambda _done, _total: None
    body_bytes: int = 0
    websockets: bool = False
    tls_handshakes: bool = False
    packets: Any = None
    attributes: Mapping[str, FieldType] = msgspec.field(default_factory=dict)
    read_file: Callable[[str], bytes | None] = lambda _path: None
    map_file: Callable[[str], mmap | None] = lambda _path: None

    @property
    def delivery(self) -> Delivery | None:
        """Which batch is being written, and which attempt this is; None outside ``Sink.write``."""
        return DELIVERY.get()


class RecordBatch(msgspec.Struct, frozen=True, gc=False):
    """Records of one read, in the order they were captured, for decode. ``position`` is what ``acknowledge`` gets."""

    records: Sequence[Record]
    position: object = None


class EventBatch(msgspec.Struct, frozen=True, gc=False):
    """Events of one read; they skip decode. ``position`` is what ``acknowledge`` gets.

    ``undecodable``: what the read brought beside them and is not an event, each as an event that carries it, with the reason;
    it goes to the source's dead letter.
    """

    events: Sequence[Event]
    position: object = None
    undecodable: Sequence[tuple[Event, Exception]] = ()


class Emits(Enum):
    """What the batches of a source consist of."""

    EVENTS = "events"
    """``EventBatch``: events skip decode."""
    RECORDS = "records"
    """``RecordBatch``: records go through decode, which knows what headers and bodies the source's table asks for."""
    EITHER = "either"
    """Both, as its files have it. ``httpipe validate`` then cannot know which headers its events have."""


class Source(ABC):
    """Where records or events come from.

    The engine calls ``open`` once, iterates ``batches`` once, and calls ``aclose`` whatever happened. A batch is what one
    read gave: never wait to fill one. While the source has nothing it waits inside ``batches``; the iterator's end is the end
    of input. A source that cannot wait must not do anything slow between two batches: the engine never makes it wait for a sink.
    An empty batch is allowed: it lets the engine look at its timers.
    """

    Config: ClassVar[type[BaseModel]] = NoConfig
    api_version: ClassVar[int]
    """The version of this contract that the class was written for: ``api_version = 1``. It has no default."""
    emits: ClassVar[Emits] = Emits.EVENTS
    capture: ClassVar[str] = "packet"
    """How records were seen, for ``httpipe.capture`` of the exchanges that are decoded from them; such as ``packet``."""
    can_wait: ClassVar[bool] = True
    """May the engine slow it down? Files and Kafka yes, the kernel no."""
    guards: ClassVar[bool] = False
    """Does the host rely on it, as on a firewall? Then ``/health`` fails while it is in trouble (``context.trouble``)."""
    occupies: Sequence[str] = ()
    """What only one source of a host can have, such as a firewall its interfaces. ``httpipe validate`` refuses two that have the
    same. May depend on the config: set it in the constructor."""
    of_this_host: ClassVar[bool] = True
    """Do its events tell of the host it runs on? Those get the attributes of `[resource]`; a file or a topic may be of any."""
    keeps_packets: ClassVar[bool] = False
    """Does it keep the packets themselves, where they are wanted? Of others the engine keeps the records."""
    brings: ClassVar[str] = "exchange"
    """What its batches are made of, for the summary, in the singular."""
    warnings: Sequence[str] = ()
    """What its config asks for and may surprise, as sentences: ``httpipe validate`` and the log of a run say them. May depend on
    the config: set it in the constructor."""

    @abstractmethod
    def __init__(self, config: Any, context: Context) -> None:  # noqa: ANN401  each component has its own Config
        """Keep config and context; do no I/O yet."""

    def take_over(self, before: "Source") -> None:  # noqa: B027  a default for those that share nothing
        """A reload puts this one in the place of ``before``, of the same class: called before ``open``.

        What ``before`` holds open may be shared. It goes on as it was until ``batches`` of this one is iterated: the reload may
        still be refused, and then this one is closed.
        """

    async def open(self) -> None:  # noqa: B027  a default for those that need nothing
        """Probe, load, attach. Raises ``CaptureError`` with a remedy, or ``InputError``."""

    def capabilities(self) -> frozenset[int]:
        """What it needs after ``open`` where ``[process] user`` gives up all others (linux/capability.h). Rarely anything."""
        return frozenset()

    @abstractmethod
    def batches(self) -> AsyncIterator[RecordBatch | EventBatch]:
        """Batches until the end of input."""

    async def acknowledge(self, position: object) -> None:  # noqa: B027  a default for those that need nothing
        """In order: every event up to this batch's position is delivered, dead-lettered, discarded on purpose or on disk."""

    async def stop(self) -> None:  # noqa: B027  a default for those that need nothing
        """End the input: ``batches`` gives what is held already, such as the rest of a ring, and ends within five seconds.

        Called from another task while ``batches`` is being iterated, at the end of a run and before a reload replaces the
        source. Where it is not overridden, ``batches`` is cancelled instead. Safe twice, and safe unopened.
        """

    async def aclose(self) -> None:  # noqa: B027  a default for those that need nothing
        """Let go of everything. Safe twice, and safe unopened."""


Outputs = Mapping[str, Sequence[Event]]
"""Events by output name; ``DEFAULT`` is the default output. A missing output has no events."""

NOTHING: Outputs = MappingProxyType({})


class Transform(ABC):
    """What happens to events on their way: pure, synchronous, no I/O; it never changes an event, it makes new ones.

    What ``process`` neither returns nor holds is counted as discarded for ``discard_reason``, on purpose.
    """

    Config: ClassVar[type[BaseModel]] = NoConfig
    api_version: ClassVar[int]
    """As for sources: ``api_version = 1``, without a default."""
    plugin_name: ClassVar[str] = ""
    """The name that a decorator was given; must be the name in the entry points. Empty for classes."""
    discard_reason: ClassVar[str] = "filtered"
    takes: Sequence[str] | None = None
    """Names of the kinds of events that it takes, such as ``("http.exchange",)``; others pass by it, to the default output and in
    order. None: it takes every kind. May depend on the config."""
    outputs: Sequence[str] = ()
    """Named outputs beside the default one. May depend on the config: set it in the constructor."""
    adds: Mapping[str, FieldType] = MappingProxyType({})
    """Attributes it adds, so that ``httpipe validate`` can check who uses them."""
    adds_headers: Sequence[str] = ()
    """Headers it sets, such as ``http.request.header.x-tenant``: ``httpipe validate`` does not miss them at a source."""
    reads: Sequence[Sequence[str]] = ()
    """Headers it reads, such as ``http.request.header.x-id``, each among those that would do instead: ``httpipe validate`` warns
    where no source reports one of them. May depend on the config."""

    @abstractmethod
    def __init__(self, config: Any, context: Context) -> None:  # noqa: ANN401  each component has its own Config
        """Compile what the config says; raises ``ConfigError`` with every problem, paths relative to the component's table."""

    @abstractmethod
    def process(self, batch: Sequence[Event]) -> Outputs:
        """What becomes of these events."""

    @property
    def held_events(self) -> int:
        """Events taken in and not yet given out: windows, aggregates."""
        return 0

    @property
    def oldest_held(self) -> int | None:
        """Which event is the oldest that is held, counted from 0 in the order they were taken.

        Acknowledgements (``Source.acknowledge``) go by it. None, the default: events leave in the order they came.
        """
        return None

    def flush(self, now_ns: int, *, last: bool) -> Outputs:  # noqa: ARG002
        """What is due by ``now_ns``; everything when ``last``. Called at least once a second."""
        return NOTHING

    async def run(self) -> None:  # noqa: B027  a default for those that do nothing
        """What it does beside events, such as following a server whose names it looks up: for as long as the engine lets it.

        Runs in the event loop while events pass, from when the pipeline starts until this object is let go of, and is then
        cancelled. ``process`` reads what it has found and never waits for it. Where it raises, it is called again, with backoff.
        Not called while a file is checked or tested.
        """

    def metrics(self) -> Sequence[Metric]:
        """Running totals for the Prometheus endpoint, asked at each scrape, from another thread; bounded in number."""
        return ()


class SinkDefaults(NamedTuple):
    """Engine options of a sink where the pipeline file does not give them; None: the engine's own default.

    ``batch_max_events``, ``batch_max_bytes`` (approximate memory size), ``batch_timeout_secs`` (how long a batch waits to fill),
    ``write_timeout_secs``: as ``batch.max_events`` and so on in the file.
    """

    batch_max_events: int | None = None
    batch_max_bytes: int | None = None
    batch_timeout_secs: float | None = None
    write_timeout_secs: float | None = None


class Sink(ABC):
    """Where events go.

    The engine calls ``open`` (again after ``NotConnected``), then ``write`` with one batch at a time (several at once where the
    file says ``max_in_flight``: a sink with one connection takes a lock), then ``aclose``.
    Returning from ``write`` means delivered. ``NotConnected``, ``BackOff``, ``BatchError``, ``Reject`` and ``Finished``
    steer the engine;
    any other exception is a fault of the sink: it is closed and opened again with backoff, the batch is kept.
    """

    Config: ClassVar[type[BaseModel]] = NoConfig
    api_version: ClassVar[int]
    """As for sources: ``api_version = 1``, without a default."""
    plugin_name: ClassVar[str] = ""
    """The name that a decorator was given; must be the name in the entry points. Empty for classes."""
    defaults: ClassVar[SinkDefaults] = SinkDefaults()
    requires: ClassVar[Sequence[str]] = ()
    """Optional packages, by the names they are imported by: where one is missing, `validate` and the start say so."""
    """Batches and time limit that suit the other end, such as the most events that one request may carry."""
    writes: Sequence[FileNames] = ()
    """Files it writes, so that ``httpipe validate`` can refuse two sinks that would meet in one. May depend on the config."""
    needs_heads: bool = False
    """True: events carry ``request_head`` and ``response_head``. Where that depends on the config, override ``wants_heads``."""

    @classmethod
    def wants_heads(cls, config: Any) -> bool:  # noqa: ANN401, ARG003  each component has its own Config
        """Whether a sink with this config needs the raw heads. Asked before any sink is made, so that sources can keep them."""
        return cls.needs_heads

    @classmethod
    def wants_packets(cls, config: Any) -> int:  # noqa: ANN401, ARG003  each component has its own Config
        """How many bytes of the newest packets are kept for a sink with this config, for ``context.packets``; 0: none."""
        return 0

    @abstractmethod
    def __init__(self, config: Any, context: Context) -> None:  # noqa: ANN401  each component has its own Config
        """Keep config and context; do no I/O yet."""

    async def open(self) -> None:  # noqa: B027  a default for those that need nothing
        """Connect. Also called to reconnect, after ``aclose``."""

    async def healthcheck(self) -> None:  # noqa: B027  a default for those that need nothing
        """Raise, naming what is wrong, when the other end cannot take events."""

    @abstractmethod
    async def write(self, batch: Sequence[Event]) -> None:
        """Deliver the batch, or raise."""

    async def aclose(self) -> None:  # noqa: B027  a default for those that need nothing
        """Flush and let go. Safe twice, and safe unopened."""
