"""A table that follows a server, for the tests: what it counts, what it complains of."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import anyio

from pipeline.api import Context
from pipeline.following.table import Table
from pipeline.kubernetes.credentials import Cluster, find
from pipeline.kubernetes.follower import Follower, Scope
from pipeline.kubernetes.pod import Naming


class Follows(Protocol):
    """Keeps the table."""

    async def run(self) -> None:
        """Until it is cancelled."""


class Followed:
    """The table, what its follower counts and complains of, and how long it has slept. Subclasses make the ``follower``."""

    follower: Follows

    def __init__(self, most: int = 10_000) -> None:
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.slept: list[float] = []
        self.context = Context("it", count=lambda name, by: self.counts.update({name: by}), trouble=self._complain)
        self.table = Table(most, self.context.count)

    @property
    def trouble(self) -> str:
        """What it complains of now."""
        return self.complaints[-1] if self.complaints else ""

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it."""
        with anyio.fail_after(20):
            while not condition():  # noqa: ASYNC110  any condition
                await anyio.sleep(0.005)

    def sleep(self, secs: float) -> Awaitable[None]:
        """A moment, instead of so long."""
        self.slept.append(secs)
        return anyio.sleep(0.01)

    def _complain(self, sentence: str) -> None:
        if sentence != self.trouble:
            self.complaints.append(sentence)


class FollowedPods(Followed):
    """Pods of an API server."""

    def __init__(self, kubeconfig: str, folder: Path, node: str | None = None) -> None:
        super().__init__()
        self.config = folder / "kubeconfig"
        self.config.write_text(kubeconfig)
        self.follower = Follower(self.table, Scope(node), Naming({}, ()), self.context, self._find, sleep=self.sleep)

    @property
    def names(self) -> set[str]:
        """The pods that have an address."""
        return {found.attributes["k8s.pod.name"] for found in self.table.addresses.values()}

    def _find(self) -> Cluster:
        return find(str(self.config), None)


AnyFollowed = TypeVar("AnyFollowed", bound=Followed)


@asynccontextmanager
async def followed(made: AnyFollowed) -> AsyncIterator[AnyFollowed]:
    """While it follows."""
    async with anyio.create_task_group() as group:
        group.start_soon(made.follower.run)
        yield made
        group.cancel_scope.cancel()
