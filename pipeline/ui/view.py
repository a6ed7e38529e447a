"""What the page is made of: asked by the server's thread, answered from what the pipeline keeps of itself.

Every call is bounded and returns copies; none waits for the pipeline.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from pipeline.api import Event, FieldType
from pipeline.model.snapshot import Snapshot

Wanted = Callable[[Event], bool]


class Piece(NamedTuple):
    """Some of the events, the oldest first. ``after``: where the next piece begins; ``missed``: left out before these."""

    events: Sequence[tuple[int, Event]]
    after: int
    missed: int


class Point(NamedTuple):
    """One step of time of an endpoint. ``start_ms`` since 1970; latencies in ms, None where nothing was answered."""

    start_ms: int
    count: int
    errors: int
    p50: float | None
    p95: float | None


class Endpoint(NamedTuple):
    """Requests of one method, host and templated path in the last minutes."""

    method: str
    host: str
    path: str
    count: int
    rate: float
    errors: int
    error_share: float
    p50: float | None
    p95: float | None
    p99: float | None
    bytes: int
    points: Sequence[Point]


class Call(NamedTuple):
    """Who calls whom, and how that goes."""

    client: str
    server: str
    count: int
    rate: float
    errors: int
    error_share: float
    p95: float | None


class View(Protocol):
    """All of it."""

    @property
    def title(self) -> str:
        """What is looked at: the pipeline file, or what the command line chose."""

    def counts(self) -> tuple[int, int]:
        """How many events are kept, and how many were seen."""

    def ended(self) -> bool:
        """Whether nothing will come any more."""

    def since(self, after: int, limit: int, wanted: Wanted | None) -> Piece:
        """Events with a higher number than ``after``, the newest ``limit`` of them."""

    def event(self, number: int) -> Event | None:
        """One, as long as it is kept."""

    def endpoints(self) -> Sequence[Endpoint]:
        """Those with most requests."""

    def calls(self) -> Sequence[Call]:
        """Those with most requests."""

    def snapshot(self) -> Snapshot:
        """The pipeline now."""

    def edges(self) -> Sequence[tuple[str, str]]:
        """Which component feeds which."""

    def attributes(self) -> Mapping[str, FieldType]:
        """What the pipeline adds to events: known to filters."""
