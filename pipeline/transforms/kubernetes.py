"""``kubernetes``: which pods an event is of, at both ends, by container and by address.

The API server tells of pods in the background (``pipeline.kubernetes``); here they are only looked up. An event never waits for
it, unless ``wait_secs`` says so for the start.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, model_validator

from pipeline import native
from pipeline.api import DEFAULT, NOTHING, Config, ConfigError, Context, Event, FieldType, Outputs, PathOption, Transform
from pipeline.errors import Problem
from pipeline.kubernetes.pod import Naming
from pipeline.kubernetes.pods import Identity, Pods
from pipeline.model.effects import Needs, effective
from pipeline.model.events.attributes import OF_POD
from pipeline.transforms.additions import Addition, addition, give_each, over, remembered
from pipeline.transforms.changes import NOWHERE, place
from pipeline.transforms.options import Compiled

INSTALL = 'this transform needs the packages httpx and pyyaml; type: pip install "httpipe[kubernetes]"'

REMEMBERED_PAIRS = 16_384
"""Pairs of pods whose attributes are kept made: some talk to many, but not all to all."""

MOST_WAITING = 10_000
"""Events that wait for the first list; beyond it all of them go on without."""

COLUMNS = ["httpipe_process_end", "container_id", "httpipe_client_container_id", "network_local_address", "client_address"]
"""Where events hold what is looked up: at which end the process sits, containers, and the sockets' addresses."""


class KubernetesConfig(Config):
    """Name the pods at both ends."""

    whole_cluster: bool = False
    """Follow the pods of all nodes, not only of this one, so that the other end has a name, too. Each takes about 2 KB."""
    node: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of this node, such as `"${NODE_NAME}"`. Default: the host name, which most clusters name their nodes by."""
    labels: Annotated[Mapping[str, str], Field(max_length=32)] = {}
    """Label of the pod and the attribute that takes its value, such as
    `labels."app.kubernetes.io/part-of" = "service.namespace"`."""
    service_labels: tuple[str, ...] = ("app.kubernetes.io/instance", "app.kubernetes.io/name")
    """Labels that `service.name` is taken from, the first one that is there; before them goes the annotation
    `resource.opentelemetry.io/service.name`, behind them the name of the Deployment or what else made the pod, then its own."""
    wait_secs: Annotated[float, Field(ge=0, le=60)] = 0.0
    """How long events wait at the start until the pods are known. 0: they go on without."""
    max_pods: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Pods that are known at a time; further ones stay unknown, and are counted."""
    kubeconfig: PathOption | None = None
    """A kubeconfig file. Default: the service account of the pod that httpipe runs in."""
    context: str | None = None
    """The context in it. Default: its current one."""

    @model_validator(mode="after")
    def _all_has_an_effect(self) -> Self:
        return effective(self, Needs(["context"], "kubeconfig", self.kubeconfig is not None))


class Kubernetes(Transform):
    """Names the pods at both ends of an event, by what the API server tells of them.

    `k8s.pod.name`, `k8s.namespace.name`, `k8s.deployment.name`, `service.name` and so on are of the end that `process.*` and
    `container.id` describe (`httpipe.process.end`); where no process is known, of the one that serves, else of the one that asks.
    The pod at the other end has the same names behind `httpipe.client.` or `httpipe.server.`. A pod is found by `container.id`,
    or by the socket's address; pods in the host's network share its address and are found by container only.

    Counters: `found`, events with a pod at either end; `unknown`, those with none; `too_early`, those that came before the pods
    were known; `table_full`, how often the server told of a pod beyond `max_pods` (each change of it counts); `listed_again`,
    `watches_broken`, `bad_pods`.
    """

    api_version = 1
    Config = KubernetesConfig

    def __init__(self, config: KubernetesConfig, context: Context) -> None:
        self.config, self.context = config, context
        with Compiled(context) as options:
            for label, name in config.labels.items():
                if not options.of(f"labels.{label}", NOWHERE, place, name).is_attribute:
                    options.refuse(f"labels.{label}", f'"{name}" is a field; choose the name of an attribute')
        if any(find_spec(name) is None for name in ("httpx", "yaml")):
            raise ConfigError([Problem("", INSTALL)])
        names = ["service.name", *(field.name for field in OF_POD), *config.labels.values()]
        ends = ("", "httpipe.client.", "httpipe.server.")
        self.adds = {f"{end}{name}": FieldType.STRING for end in ends for name in names}
        self.pods = Pods(config.max_pods, context.count)
        self.made: Callable[[Pair], Addition] = lru_cache(REMEMBERED_PAIRS)(_addition)
        self.merge = remembered(over)
        self.waiting: list[Event] = []
        self.waits_until_ns: int | None = None
        self.early = 0

    async def run(self) -> None:
        """Follow the pods."""
        from pipeline.kubernetes.credentials import find  # noqa: PLC0415  who only checks a file needs none of it
        from pipeline.kubernetes.follower import Follower, Scope, this_node  # noqa: PLC0415

        config = self.config
        scope = Scope(None if config.whole_cluster else config.node or this_node())
        naming = Naming(config.labels, config.service_labels)
        await Follower(self.pods, scope, naming, self.context, partial(find, config.kubeconfig, config.context)).run()

    @property
    def held_events(self) -> int:
        """Those that wait for the first list."""
        return len(self.waiting)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """A new event for each that a pod is known of."""
        if not self.pods.listed:
            if self._waits():
                self.waiting += batch
                return NOTHING if len(self.waiting) < MOST_WAITING else self._gone_on()
            self._count_early(len(batch))
            return {DEFAULT: [*self._taken(), *batch]} if self.waiting else {DEFAULT: batch}
        if self.waiting:
            batch = [*self._taken(), *batch]
        return {DEFAULT: self._named(batch)}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:  # noqa: ARG002
        """Forget pods that are gone; let go of what has waited."""
        self.pods.expire()
        outputs = self._gone_on() if self.waiting and (last or self.pods.listed or not self._waits()) else NOTHING
        if last and self.early:
            extra = {"events": self.early}
            self.context.log.warning("events went on without names, before the pods were known", extra=extra)
            self.early = 0
        return outputs

    def _waits(self) -> bool:
        """Whether it is early enough that events wait; from the first one on."""
        if not self.config.wait_secs:
            return False
        now_ns = self.context.now_ns()
        if self.waits_until_ns is None:
            self.waits_until_ns = now_ns + round(self.config.wait_secs * 1e9)
        return now_ns < self.waits_until_ns

    def _gone_on(self) -> Outputs:
        events = self._taken()
        if self.pods.listed:
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
        containers, addresses = self.pods.containers, self.pods.addresses
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
