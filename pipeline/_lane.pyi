from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, overload

from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.records import Record, Segment

VERSION: int
MAX_CAPTURED: int
MAX_ENDED: int
RESET_WINDOW: int
METHODS: list[str]
SECRETS: list[str]

Row: TypeAlias = tuple[dict[str, AttributeValue], int]

class PanicException(BaseException): ...

class Records(Sequence[Record]):
    first_ns: int | None
    memory_bytes: int
    @staticmethod
    def of(records: Iterable[Record]) -> Records: ...
    def tolist(self) -> list[Record]: ...
    def by_connection(self) -> list[tuple[bytes, int | None, int, list[int]]]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...

class Events(Sequence[Event]):
    memory_bytes: int
    objects: int
    @staticmethod
    def joined(runs: Iterable[Sequence[Event]]) -> Events: ...
    def append(self, event: Event) -> None: ...
    def sizes(self) -> list[int]: ...
    def columns(self, names: list[str]) -> list[tuple[Any, ...]] | None: ...
    def picked(self, places: list[int]) -> Events: ...
    def with_attributes(
        self,
        rows: Row | Sequence[Row | None],
        merged: Callable[[Mapping[str, AttributeValue], Any], Row],
        other: Callable[[Event, Any], Event],
    ) -> Events: ...
    def tolist(self) -> list[Event]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...

class Lane:
    busy: int
    held_bytes: int
    elsewhere: int
    done: int
    stamp: int
    def __init__(
        self,
        *,
        source: str,
        capture: str,
        request_headers: list[str],
        response_headers: list[str],
        max_head_bytes: int,
        max_connections: int,
        max_held: int,
        max_open: int,
        max_busy: int,
        response_ns: int,
        idle_ns: int,
        count: Callable[[str, int], None],
        tell: Callable[[Any], tuple[Any, ...]],
        told_at: int,
        known: dict[str, Any],
    ) -> None: ...
    def __len__(self) -> int: ...
    def feed(
        self,
        records: Records,
        events: list[Event] | Events,
        before: int,
        clock: tuple[int, int],
        take: Callable[[list[Any]], Any],
        look: Callable[[int, int], tuple[int, int]],
    ) -> int: ...
    def first(self) -> tuple[int, int] | None: ...
    def look_at_first(self) -> list[Any]: ...
    def due(self, now_ns: int) -> list[Any]: ...
    def finish(self) -> list[Any]: ...

class JsonLines:
    def __init__(
        self,
        kind: type[Event],
        name: str,
        members: list[tuple[str, str, int, str]],
        families: list[tuple[str, str, int]],
        time: int,
        attributes: int,
        event_bytes: int,
    ) -> None: ...
    def encode(
        self,
        events: list[Event] | Events,
        tail: Callable[[Any], bytes | None],
        added: Callable[[Mapping[str, AttributeValue]], bytes | None],
        odd: Callable[[Any], bytes],
    ) -> bytes: ...
    def read(
        self, text: bytes, decode: Callable[[bytes], Event], odd: Callable[[bytes, int], Event | None]
    ) -> tuple[Events, int]: ...

ByLayers: TypeAlias = Callable[[bytes, int, int, int, int], list[Segment]]

def classic(
    block: bytes, big_endian: bool, unit_ns: int, header: int, link: int, by_layers: ByLayers
) -> tuple[Sequence[Segment], int, int, int | None]: ...
def dissect(block: bytes, frames: list[tuple[int, int, int, int, int, int]], by_layers: ByLayers) -> Sequence[Segment]: ...
def ring(
    seen: bytes, block: bytes, offset_ns: int, other: Callable[[bytes, int, int, bytes], Record]
) -> tuple[Sequence[Record], int]: ...
