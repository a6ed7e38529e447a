from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, overload

from pipeline.model.events.event import Event
from pipeline.model.records import Record, Segment

VERSION: int
MAX_CAPTURED: int
MAX_ENDED: int
RESET_WINDOW: int
SECRETS: list[str]

class PanicException(BaseException): ...

class Records(Sequence[Record]):
    first_ns: int | None
    @staticmethod
    def of(records: Iterable[Record]) -> Records: ...
    def tolist(self) -> list[Record]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...

class Lane:
    busy: int
    held_bytes: int
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
        response_ns: int,
        idle_ns: int,
        tell: Callable[[Any], tuple[Any, ...]],
        told_at: int,
        known: dict[str, Any],
    ) -> None: ...
    def __len__(self) -> int: ...
    def feed(
        self,
        records: Records,
        events: list[Event],
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
        members: list[tuple[str, int, str]],
        families: list[tuple[str, int]],
        time: int,
        attributes: int,
    ) -> None: ...
    def encode(self, events: list[Event], tail: Callable[[Any], bytes | None], odd: Callable[[Any], bytes]) -> bytes: ...

ByLayers: TypeAlias = Callable[[bytes, int, int, int, int], list[Segment]]

def classic(
    block: bytes, big_endian: bool, unit_ns: int, header: int, link: int, by_layers: ByLayers
) -> tuple[Sequence[Segment], int, int, int | None]: ...
def dissect(block: bytes, frames: list[tuple[int, int, int, int, int, int]], by_layers: ByLayers) -> Sequence[Segment]: ...
def ring(
    seen: bytes, block: bytes, offset_ns: int, other: Callable[[bytes, int, int, bytes], Record]
) -> tuple[Sequence[Record], int]: ...
