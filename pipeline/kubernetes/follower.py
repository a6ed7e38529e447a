"""Keeps the table of pods as the API server has them: list, then watch from there, for ever.

"Efficient detection of changes" of the Kubernetes API Concepts is what it does.
A watch goes on where the last one ended, by the resource version of what was seen last; bookmarks bring that forward while
nothing happens. When the server no longer knows that version (410 Gone) everything is listed again. While it cannot be reached,
the table stays as it was.
"""

import random
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec

from pipeline.api import Context
from pipeline.following.loop import Loop
from pipeline.following.requests import UNREADABLE, BrokenError, RefusedError, Requests, UnreachableError
from pipeline.following.table import Listing, Table
from pipeline.kubernetes.api import PODS, server_of
from pipeline.kubernetes.credentials import Cluster, CredentialsError
from pipeline.kubernetes.pod import Naming, Pod, decode, pod_of

SHORTEST_SECS = 1.0
"""A watch that ended sooner is begun again after that."""
WATCH_SECS = (300, 600)
"""How long a watch is asked to last: as long as Kubernetes' own clients ask for."""
PAGE_PODS = 250
"""Table of one page: 4 MB, whose decoding keeps the loop for some milliseconds."""
GONE = 410
FORBIDDEN = (401, 403)

FAULTS = (UnreachableError, RefusedError, CredentialsError, OSError, *UNREADABLE)
"""After which the server is asked again, later."""

REMEDY = "the service account needs get, list and watch for pods: docs/transforms/kubernetes.md"


class Place(msgspec.Struct, rename="camel"):
    """Which object, and how far the server is with it."""

    uid: str = ""
    resource_version: str = ""


class Placed(msgspec.Struct):
    """Any object."""

    metadata: Place = msgspec.field(default_factory=Place)


class ListMeta(msgspec.Struct, rename="camel"):
    """Where a list stands; ``next`` asks for its next page."""

    resource_version: str = ""
    next: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct):
    """One page of a list."""

    metadata: ListMeta = msgspec.field(default_factory=ListMeta)
    items: list[msgspec.Raw] | None = None


class Change(msgspec.Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct):
    """What is wrong."""

    code: int = 0
    message: str = ""


class ExpiredError(Exception):
    """The server no longer knows the version that was asked for."""


_page = msgspec.json.Decoder(Page).decode
_change = msgspec.json.Decoder(Change).decode
_placed = msgspec.json.Decoder(Placed).decode
_status = msgspec.json.Decoder(Status).decode


@dataclass(frozen=True, slots=True)
class Scope:
    """Which pods: those of one node, or all of the cluster (None)."""

    node: str | None

    @property
    def parameters(self) -> dict[str, str]:
        """Of every request."""
        return {} if self.node is None else {"fieldSelector": f"spec.nodeName={self.node}"}

    def __str__(self) -> str:
        return "the cluster's pods" if self.node is None else f"the pods of node {self.node}"


def this_node() -> str:
    """The name that a node has unless somebody gave it another: its host name, in lower case (kubelet's ``GetHostname``)."""
    return socket.gethostname().lower()


class Follower:
    """``run`` for ever. Counters: ``listed_again`` (410), ``watches_broken``, ``bad_pods``, which could not be understood."""

    def __init__(  # noqa: PLR0913, PLR0917  what it consists of
        self,
        pods: Table,
        scope: Scope,
        naming: Naming,
        context: Context,
        find: Callable[[], Cluster],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._pods, self._scope, self._naming, self._context, self._find, self._sleep = pods, scope, naming, context, find, sleep
        self._version = ""
        self._asked = "the API server"
        self._loop = Loop(self._until_a_fault, FAULTS, self._explained, context, sleep)

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._loop.run()

    async def _until_a_fault(self) -> None:
        while True:
            began = time.monotonic()
            try:
                cluster = await anyio.to_thread.run_sync(self._find)
                self._asked = cluster.url
                async with Requests(server_of(cluster)) as api:
                    await self._follow(api)
            except ExpiredError:
                self._version = ""
                self._context.count("listed_again", 1)
                await self._sleep(max(0.0, SHORTEST_SECS - (time.monotonic() - began)) * random.random())  # noqa: S311

    def _explained(self, error: Exception | None) -> str:
        remedy = f"; {REMEDY}" if isinstance(error, RefusedError) and error.status in FORBIDDEN else ""
        return f"cannot follow {self._scope}: {error or f'{self._asked} has not answered yet'}{remedy}"

    async def _follow(self, api: Requests) -> None:
        """List, and watch for ever. Raises whatever ends that."""
        while True:
            if not self._version:
                await self._list(api)
            began = time.monotonic()
            await self._watch(api)
            if time.monotonic() - began < SHORTEST_SECS:
                await self._sleep(SHORTEST_SECS)

    async def _list(self, api: Requests) -> None:
        parameters = {**self._scope.parameters, "limit": str(PAGE_PODS)}
        if self._scope.node is not None:
            parameters["resourceVersion"] = "0"  # from the server's memory: so many nodes ask at once
        listing = Listing(self._pods)
        while True:
            try:
                page = _page(await api.page(PODS, parameters))
            except RefusedError as error:
                if error.status == GONE:
                    raise ExpiredError from error
                raise
            listing.take(filter(None, map(self._pod, page.items or ())))
            if not page.metadata.next:
                break
            parameters = {**self._scope.parameters, "limit": str(PAGE_PODS), "continue": page.metadata.next}
            await anyio.lowlevel.checkpoint()
        first = not self._pods.listed
        listing.end()
        if first:
            self._context.log.info("pods are known", extra={"pods": len(self._pods), "of": str(self._scope)})
            if not len(self._pods) and self._scope.node is not None:
                self._context.log.warning("no pod runs on this node: is that its name?", extra={"node": self._scope.node})
        self._version = page.metadata.resource_version
        self._loop.well()

    async def _watch(self, api: Requests) -> None:
        parameters = {
            **self._scope.parameters,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(random.randint(*WATCH_SECS)),  # noqa: S311
        }
        try:
            async with aclosing(api.lines(PODS, parameters)) as lines:
                async for line in lines:
                    if line:
                        self._take(_change(line))
                    self._loop.well()
        except RefusedError as error:
            if error.status == GONE:
                raise ExpiredError from error
            raise
        except BrokenError:
            self._context.count("watches_broken", 1)  # trouble only where the next one fails, too

    def _take(self, change: Change) -> None:
        match change.type:
            case "ADDED" | "MODIFIED":
                if (pod := self._pod(change.object)) is not None:
                    self._pods.put(pod)
            case "DELETED":
                self._pods.remove(_placed(change.object).metadata.uid)
            case "ERROR":
                status = _status(change.object)
                if status.code == GONE:
                    raise ExpiredError
                raise RefusedError("the API server", status.code, status.message)
        if version := _placed(change.object).metadata.resource_version:  # of bookmarks, too
            self._version = version

    def _pod(self, raw: msgspec.Raw) -> Pod | None:
        try:
            return pod_of(decode(raw), self._naming)
        except UNREADABLE:
            self._context.count("bad_pods", 1)
            return None
