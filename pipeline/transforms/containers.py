"""``containers``: which containers an event is of, at both ends, by ``container.id``.

The container engine tells of them in the background (``pipeline.docker``); here they are only looked up (``naming``).
"""

from functools import partial
from importlib.util import find_spec
from typing import Annotated

from pydantic import Field

from pipeline.api import ConfigError, Context, FieldType, PathOption
from pipeline.docker.container import Naming, label_attribute
from pipeline.errors import Problem
from pipeline.following.table import Table
from pipeline.model.events.attributes import OF_CONTAINER
from pipeline.transforms.naming import NamesEnds, WaitOptions

INSTALL = 'this transform needs the package httpx; type: pip install "httpipe[containers]"'

Label = Annotated[str, Field(min_length=1, max_length=256)]


class ContainersConfig(WaitOptions):
    """Name the containers at both ends."""

    socket: PathOption | None = None
    """Socket of the container engine. Default: `/run/docker.sock`, else `/run/podman/podman.sock`."""
    labels: Annotated[tuple[Label, ...], Field(max_length=32)] = ()
    """Labels to add, each as `container.label.` and its name, such as `["com.docker.compose.project"]`."""
    service_labels: Annotated[tuple[Label, ...], Field(max_length=32)] = (
        "com.docker.compose.service",
        "com.docker.swarm.service.name",
        "org.opencontainers.image.title",
    )
    """Labels that `service.name` is taken from, the first one that is there."""
    max_containers: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Containers that are known at a time; further ones stay unknown, and are counted."""


class Containers(NamesEnds):
    """Names the containers at both ends of an event, by what Docker or Podman tells of them.

    `container.name`, `container.image.name`, `container.image.tags`, `container.label.*` and `service.name` are of the container
    that `container.id` names. The one at the other end, where it is on this host, has the same names behind `httpipe.client.` or
    `httpipe.server.`. They take a source that tells `container.id`: `bpf` with `processes`, or `tls`.

    Counters: `found`, events with a container at either end; `unknown`, those with none; `too_early`, those that came before the
    containers were known; `table_full`, how often the engine told of a container beyond `max_containers`; `unreachable`,
    how often asking the engine failed; `watches_broken`, `bad_containers`.
    """

    api_version = 1
    Config = ContainersConfig

    def __init__(self, config: ContainersConfig, context: Context) -> None:
        self.config = config
        if find_spec("httpx") is None:
            raise ConfigError([Problem("", INSTALL)])
        names = {field.name: field.type for field in OF_CONTAINER} | {"service.name": FieldType.STRING}
        names |= dict.fromkeys(map(label_attribute, config.labels), FieldType.STRING)
        super().__init__(config, context, Table(config.max_containers, context.count), "containers", names)

    async def run(self) -> None:
        """Follow the containers."""
        from pipeline.docker.engine import server_at  # noqa: PLC0415  who only checks a file needs none of it
        from pipeline.docker.follower import Follower  # noqa: PLC0415

        config = self.config
        naming = Naming(config.labels, config.service_labels)
        await Follower(self.table, naming, self.context, partial(server_at, config.socket)).run()
