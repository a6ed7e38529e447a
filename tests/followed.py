"""A table of pods that follows an API server, for the tests: what it counts, what it complains of."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from pipeline.api import Context
from pipeline.following.table import Table
from pipeline.kubernetes.credentials import Cluster, find
from pipeline.kubernetes.follower import Follower, Scope
from pipeline.kubernetes.pod import Naming


class Followed:
    """A table that follows a server, with what it counts and complains of."""

    def __init__(self, kubeconfig: str, folder: Path, node: str | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.config = folder / "kubeconfig"
        self.config.write_text(kubeconfig)
        context = Context("it", count=lambda name, by: self.counts.update({name: by}), trouble=self._complain)
        self.pods = Table(10_000, context.count)
        self.follower = Follower(self.pods, Scope(node), Naming({}, ()), context, self._find, sleep=self._sleep)

    @property
    def names(self) -> set[str]:
        """The pods that have an address."""
        return {found.attributes["k8s.pod.name"] for found in self.pods.addresses.values()}

    @property
    def trouble(self) -> str:
        """What it complains of now."""
        return self.complaints[-1] if self.complaints else ""

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it."""
        with anyio.fail_after(20):
            while not condition():  # noqa: ASYNC110  any condition
                await anyio.sleep(0.005)

    def _complain(self, sentence: str) -> None:
        if sentence != self.trouble:
            self.complaints.append(sentence)

    def _find(self) -> Cluster:
        return find(str(self.config), None)

    @staticmethod
    def _sleep(_secs: float) -> Awaitable[None]:
        return anyio.sleep(0.01)


@asynccontextmanager
async def followed(kubeconfig: str, folder: Path, node: str | None = None) -> AsyncIterator[Followed]:
    """While it follows."""
    made = Followed(kubeconfig, folder, node)
    async with anyio.create_task_group() as group:
        group.start_soon(made.follower.run)
        yield made
        group.cancel_scope.cancel()
