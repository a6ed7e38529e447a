"""The pods that are known, by container and by address. Pure: pods in, look-ups in plain dicts out; bounded.

What is gone is found for two minutes more: an exchange comes when it is over, and a pod may end before it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from pipeline.kubernetes.pod import Pod

LEAVING_SECS = 120.0

MOST_LEAVING = 50_000
"""Containers and addresses that are gone and still found; beyond it the oldest is forgotten at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What the events of one container or address get. The same object as long as nothing of it changes."""

    attributes: Mapping[str, str]


Table = dict[str, Identity]
Key = tuple[Literal["container", "address"], str]


@dataclass(slots=True)
class _Held:
    pod: Pod
    own: Identity
    keys: frozenset[Key]


class Pods:
    """``containers`` by container id, ``addresses`` by the address as text; read them at any time.

    ``listed``: whether the server's list was whole once. Counter: ``table_full``, how often the server told of a pod beyond
    ``max_pods``, which stays unknown: each change of it counts.
    """

    def __init__(self, max_pods: int, count: Callable[[str, int], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.containers: Table = {}
        self.addresses: Table = {}
        self.listed = False
        self._max_pods = max_pods
        self._count = count
        self._monotonic = monotonic
        self._held: dict[str, _Held] = {}
        self._users: dict[Key, str] = {}
        self._leaving: deque[tuple[float, Key, Identity]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def uids(self) -> AbstractSet[str]:
        """Of all pods that are known now."""
        return self._held.keys()

    def takes(self, uid: str) -> bool:
        """Whether there is room for this pod, or it is known already."""
        return uid in self._held or len(self._held) < self._max_pods

    def put(self, pod: Pod) -> None:
        """One that is new, or has changed."""
        before = self._held.get(pod.uid)
        if before is not None and before.pod == pod:
            return
        if not self.takes(pod.uid):
            self._count("table_full", 1)
            return
        own = before.own if before is not None and before.own.attributes == pod.attributes else Identity(pod.attributes)
        found: dict[Key, Identity] = {("address", address): own for address in pod.addresses}
        found |= {("container", id_): self._container(id_, name, pod) for id_, name in pod.containers.items()}
        self._held[pod.uid] = _Held(pod, own, frozenset(found))
        for key, identity in found.items():
            self._table(key)[key[1]] = identity
            self._users[key] = pod.uid
        if before is not None:
            self._leave(pod.uid, before.keys - found.keys())

    def remove(self, uid: str) -> None:
        """One that is gone."""
        held = self._held.pop(uid, None)
        if held is not None:
            self._leave(uid, held.keys)

    def expire(self) -> None:
        """Forget what has been gone for long enough, and nobody has taken again."""
        now = self._monotonic()
        while self._leaving and (self._leaving[0][0] <= now or len(self._leaving) > MOST_LEAVING):
            _, key, identity = self._leaving.popleft()
            table = self._table(key)
            if key not in self._users and table.get(key[1]) is identity:
                del table[key[1]]

    def _container(self, id_: str, name: str, pod: Pod) -> Identity:
        attributes = {**pod.attributes, "k8s.container.name": name} if name else pod.attributes
        known = self.containers.get(id_)
        return known if known is not None and known.attributes == attributes else Identity(attributes)

    def _table(self, key: Key) -> Table:
        return self.containers if key[0] == "container" else self.addresses

    def _leave(self, uid: str, keys: Iterable[Key]) -> None:
        """Let go of what another pod has not taken meanwhile."""
        until = self._monotonic() + LEAVING_SECS
        for key in keys:
            if self._users.get(key) == uid:
                del self._users[key]
                self._leaving.append((until, key, self._table(key)[key[1]]))
        self.expire()


class Listing:
    """A whole list of the server, page by page: whoever is not on it is gone at its end. Holds no more pods than the table."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._unseen = set(pods.uids)
        self._late: list[Pod] = []

    def take(self, page: Iterable[Pod]) -> None:
        """The next page. What comes to a full table waits for the room of those that may be gone."""
        for pod in page:
            self._unseen.discard(pod.uid)
            if not self._pods.takes(pod.uid) and len(self._late) < len(self._unseen):
                self._late.append(pod)
            else:
                self._pods.put(pod)

    def end(self) -> None:
        """It was the last page."""
        for uid in self._unseen:
            self._pods.remove(uid)
        for pod in self._late:
            self._pods.put(pod)
        self._pods.listed = True
