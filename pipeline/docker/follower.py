"""Keeps the table of containers as their engine has it: list, then events from there, for ever.

``GET /containers/json`` and ``GET /events`` of the Docker Engine API. Events are asked for from before the list on, so that
nothing falls between. When they end, as they do in silence, everything is listed again: the list is short, and then right.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import anyio
import anyio.to_thread
import msgspec

from pipeline.api import Context
from pipeline.docker.container import Container, Naming, container_of
from pipeline.docker.engine import NoEngineError
from pipeline.following.loop import Loop
from pipeline.following.requests import UNREADABLE, BrokenError, RefusedError, Requests, Server, UnreachableError
from pipeline.following.table import Listing, Table

SHORTEST_SECS = 1.0
"""Events that ended sooner are asked for again after that."""
FAULTS = (UnreachableError, RefusedError, NoEngineError, OSError, *UNREADABLE)
"""After which the engine is asked again, later."""
CHANGED = ("rename", "update")
ENDED = ("die", "destroy", "remove")
"""Actions of events; Podman says ``remove`` for ``destroy``."""

REMEDY = "it may be read by root and the group of the socket: docs/transforms/containers.md"


class Told(msgspec.Struct, rename="pascal"):
    """One container of the list. ``names`` begin with a slash; links add names of others' to it, with another slash."""

    id: str
    names: list[str] | None = None
    image: str = ""
    labels: dict[str, str] | None = None


class Actor(msgspec.Struct):
    """Whom an event is about. ``attributes`` are its labels, and its name and image, which have the last word."""

    id: str = msgspec.field(default="", name="ID")
    attributes: dict[str, str] | None = msgspec.field(default=None, name="Attributes")


class Happened(msgspec.Struct, rename="pascal"):
    """One line of the events."""

    type: str = ""
    action: str = ""
    actor: Actor = msgspec.field(default_factory=Actor)


_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_told = msgspec.json.Decoder(Told).decode
_happened = msgspec.json.Decoder(Happened).decode


class Follower:
    """``run`` for ever. Counters: ``watches_broken``, ``bad_containers``, which could not be understood."""

    def __init__(
        self,
        table: Table,
        naming: Naming,
        context: Context,
        find: Callable[[], Server],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._table, self._naming, self._context, self._find, self._sleep = table, naming, context, find, sleep
        self._asked = "the container engine"
        self._loop = Loop(self._until_a_fault, FAULTS, self._explained, context, sleep)

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._loop.run()

    async def _until_a_fault(self) -> None:
        server = await anyio.to_thread.run_sync(self._find)
        self._asked = server.address
        async with Requests(server) as engine:
            while True:
                began = time.monotonic()
                await self._follow(engine)
                await self._sleep(max(0.0, SHORTEST_SECS - (time.monotonic() - began)))

    def _explained(self, error: Exception | None) -> str:
        remedy = f"; {REMEDY}" if "permission denied" in str(error).lower() else ""
        return f"cannot follow the containers: {error or f'{self._asked} has not answered yet'}{remedy}"

    async def _follow(self, engine: Requests) -> None:
        """List, and take what happens until that ends, or a line of it is not understood. All is well when both are answered."""
        since = int(time.time())
        await self._take_list(await engine.page("/containers/json", {}))
        try:
            parameters = {"since": str(since), "filters": '{"type":["container"]}'}
            async with aclosing(engine.lines("/events", parameters)) as lines:
                async for line in lines:
                    if line:
                        self._take(_happened(line))
                    self._loop.well()
        except (BrokenError, *UNREADABLE):
            self._context.count("watches_broken", 1)  # trouble only where the list fails, too

    async def _take_list(self, page: bytes) -> None:
        listing, first = Listing(self._table), not self._table.listed
        listing.take(filter(None, map(self._container, _list(page))))
        listing.end()
        if first:
            self._context.log.info("containers are known", extra={"containers": len(self._table)})

    def _take(self, happened: Happened) -> None:
        actor, said = happened.actor, happened.actor.attributes or {}
        if happened.type != "container" or not actor.id:
            return
        if happened.action in ENDED:
            self._table.remove(actor.id)
        elif happened.action == "start" or (happened.action in CHANGED and actor.id in self._table.uids):
            self._table.put(container_of(actor.id, said.get("name", ""), said.get("image", ""), said, self._naming))

    def _container(self, raw: msgspec.Raw) -> Container | None:
        try:
            told = _told(raw)
        except UNREADABLE:
            self._context.count("bad_containers", 1)
            return None
        name = min(told.names or [""], key=lambda each: each.count("/"))
        return container_of(told.id, name, told.image, told.labels or {}, self._naming)
