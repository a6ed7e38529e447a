"""``kubernetes``: which pods an event is of, at both ends, by container and by address.

The API server tells of pods in the background (``pipeline.kubernetes``); here they are only looked up (``naming``).
"""

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.api import ConfigError, Context, FieldType, PathOption
from pipeline.errors import Problem
from pipeline.following.table import Table
from pipeline.kubernetes.pod import Naming
from pipeline.model.effects import Needs, effective
from pipeline.model.events.attributes import OF_POD
from pipeline.transforms.changes import NOWHERE, place
from pipeline.transforms.naming import NamesEnds, WaitOptions
from pipeline.transforms.options import Compiled

INSTALL = 'this transform needs the packages httpx and pyyaml; type: pip install "httpipe[kubernetes]"'


class KubernetesConfig(WaitOptions):
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
    max_pods: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Pods that are known at a time; further ones stay unknown, and are counted."""
    kubeconfig: PathOption | None = None
    """A kubeconfig file. Default: the service account of the pod that httpipe runs in."""
    context: str | None = None
    """The context in it. Default: its current one."""

    @model_validator(mode="after")
    def _all_has_an_effect(self) -> Self:
        return effective(self, Needs(["context"], "kubeconfig", self.kubeconfig is not None))


class Kubernetes(NamesEnds):
    """Names the pods at both ends of an event, by what the API server tells of them.

    `k8s.pod.name`, `k8s.namespace.name`, `k8s.deployment.name`, `service.name` and so on are of the end that `process.*` and
    `container.id` describe (`httpipe.process.end`); where no process is known, of the one that serves, else of the one that asks.
    The pod at the other end has the same names behind `httpipe.client.` or `httpipe.server.`. A pod is found by `container.id`,
    or by the socket's address; pods in the host's network share its address and are found by container only.

    Counters: `found`, events with a pod at either end; `unknown`, those with none; `too_early`, those that came before the pods
    were known; `table_full`, how often the server told of a pod beyond `max_pods` (each change of it counts); `unreachable`,
    how often asking the server failed; `listed_again`, `watches_broken`, `bad_pods`.
    """

    api_version = 1
    Config = KubernetesConfig

    def __init__(self, config: KubernetesConfig, context: Context) -> None:
        self.config = config
        with Compiled(context) as options:
            for label, name in config.labels.items():
                if not options.of(f"labels.{label}", NOWHERE, place, name).is_attribute:
                    options.refuse(f"labels.{label}", f'"{name}" is a field; choose the name of an attribute')
        if any(find_spec(name) is None for name in ("httpx", "yaml")):
            raise ConfigError([Problem("", INSTALL)])
        names = ["service.name", *(field.name for field in OF_POD), *config.labels.values()]
        self.pods = Table(config.max_pods, context.count)
        super().__init__(config, context, self.pods, "pods", dict.fromkeys(names, FieldType.STRING))

    async def run(self) -> None:
        """Follow the pods."""
        from pipeline.kubernetes.credentials import find  # noqa: PLC0415  who only checks a file needs none of it
        from pipeline.kubernetes.follower import Follower, Scope, this_node  # noqa: PLC0415

        config = self.config
        scope = Scope(None if config.whole_cluster else config.node or this_node())
        naming = Naming(config.labels, config.service_labels)
        await Follower(self.pods, scope, naming, self.context, partial(find, config.kubeconfig, config.context)).run()
