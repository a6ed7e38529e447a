"""What names both ends of an event by a table that is followed in the background (``pipeline.following``): looked up, no more.

An event never waits for the server, unless ``wait_secs`` says so for the start.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from pipeline import native
from pipeline.api import DEFAULT, NOTHING, Config, Context, Event, FieldType, Outputs, Transform
from pipeline.following.table import Identity, Table
from pipeline.transforms.additions import Addition, addition, give_each, over, remembered

REMEMBERED_PAIRS = 16_384
"""Pairs of ends whose attributes are kept made: some talk to many, but not all to all."""

MOST_WAITING = 10_000
"""Events that wait for the first list; beyond it all of them go on without."""

COLUMNS = ["httpipe_process_end", "container_id", "httpipe_client_container_id", "network_local_address", "client_address"]
"""Where events hold what is looked up: at which end the process sits, containers, and the sockets' addresses."""

ENDS = ("", "httpipe.client.", "httpipe.server.")
"""What stands before names: of the end that an event is of, and of the other one."""


class WaitOptions(Config):
    """Options of every transform that names ends."""

    wait_secs: Annotated[float, Field(ge=0, le=60)] = 0.0
    """How long events wait at the start until the names are known. 0: they go on without."""


class NamesEnds(Transform):
    """``table`` is filled by ``run``; ``what`` says of what, in the plural, for the log."""

    def __init__(self, config: WaitOptions, context: Context, table: Table, what: str, names: Mapping[str, FieldType]) -> None:
        self.context, self.table, self.what = context, table, what
        self.adds = {f"{end}{name}": type_ for end in ENDS for name, type_ in names.items()}
        self.wait_secs = config.wait_secs
        self.made: Callable[[Pair], Addition] = lru_cache(REMEMBERED_PAIRS)(_addition)
        self.merge = remembered(over)
        self.waiting: list[Event] = []
        self.waits_until_ns: int | None = None
        self.early = 0

    @abstractmethod
    async def run(self) -> None:
        """Keep the table as the server has it."""

    @property
    def held_events(self) -> int:
        """Those that wait for the first list."""
        return len(self.waiting)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each of whose ends one is known."""
        if not self.table.listed:
            if self._waits():
                self.waiting += batch
                return NOTHING if len(self.waiting) < MOST_WAITING else self._gone_on()
            self._count_early(len(batch))
            return {DEFAULT: [*self._taken(), *batch]} if self.waiting else {DEFAULT: batch}
        if self.waiting:
            batch = [*self._taken(), *batch]
        return {DEFAULT: self._named(batch)}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:  # noqa: ARG002
        """Forget what is gone; let go of what has waited."""
        self.table.expire()
        outputs = self._gone_on() if self.waiting and (last or self.table.listed or not self._waits()) else NOTHING
        if last and self.early:
            self.context.log.warning(
                "events went on without names, before the %s were known", self.what, extra={"events": self.early}
            )
            self.early = 0
        return outputs

    def _waits(self) -> bool:
        """Whether it is early enough that events wait; from the first one on."""
        if not self.wait_secs:
            return False
        now_ns = self.context.now_ns()
        if self.waits_until_ns is None:
            self.waits_until_ns = now_ns + round(self.wait_secs * 1e9)
        return now_ns < self.waits_until_ns

    def _gone_on(self) -> Outputs:
        events = self._taken()
        if self.table.listed:
            return {DEFAULT: self._named(events)}
        self.waits_until_ns = 0
        self._count_early(len(events))
        return {DEFAULT: events}

    def _count_early(self, events: int) -> None:
        self.early += events
        self.context.count("too_early", events)

    def _taken(self) -> list[Event]:
        events, self.waiting = self.waiting, []
        return events

    def _named(self, batch: Sequence[Event]) -> Sequence[Event]:
        rows = [self._row(*values) for values in _columns(batch)]
        found = sum(row is not None for row in rows)
        if found:
            self.context.count("found", found)
        if found < len(rows):
            self.context.count("unknown", len(rows) - found)
        return give_each(batch, rows, self.merge)

    def _row(self, end: Any, container: Any, client_container: Any, server: Any, client: Any) -> Addition | None:  # noqa: ANN401
        """What an event gets, by what it holds under ``COLUMNS``."""
        containers, addresses = self.table.containers, self.table.addresses
        asks_here = end == "client"
        serving = (None if asks_here else containers.get(container)) or addresses.get(server)
        asking = containers.get(container if asks_here else client_container) or addresses.get(client)
        if serving is None and asking is None:
            return None
        if asks_here or (serving is None and end is None):
            return self.made(Pair(asking, serving, "httpipe.server."))
        return self.made(Pair(serving, asking, "httpipe.client."))


class Pair(NamedTuple):
    """Who an event is of, who is at the other end, and what stands before the names of the latter."""

    own: Identity | None
    other: Identity | None
    prefix: str


def _addition(pair: Pair) -> Addition:
    own = pair.own.attributes if pair.own is not None else {}
    other = pair.other.attributes if pair.other is not None else {}
    return addition({**own, **{f"{pair.prefix}{name}": value for name, value in other.items()}})


def _columns(batch: Sequence[Event]) -> Iterable[tuple[Any, ...]]:
    """The values of ``COLUMNS``; of a batch in native memory without making an object of every event."""
    if isinstance(batch, native.EVENTS) and (columns := batch.columns(COLUMNS)) is not None:
        return columns
    return (tuple([getattr(event, name, None) for name in COLUMNS]) for event in batch)
