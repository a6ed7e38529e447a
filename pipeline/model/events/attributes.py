"""Attributes that mean the same in every pipeline: their types, and where other formats keep them. Anybody may give an event others.

They say who an event is of (OpenTelemetry: resource, Kubernetes and geo attributes). An event has them where a pipeline asks for
them, so they are no fields: what one event holds, and what a decoder fills in, does not grow with them.
"""

from collections.abc import Mapping

from pipeline.model.events.fields import Field, FieldType

STRING, INT, FLOAT = FieldType.STRING, FieldType.INT, FieldType.FLOAT

# fmt: off
OF_RESOURCE: tuple[Field, ...] = (
    Field("host.name", STRING, "Name of the host that captured it.", ecs=("host.name",)),
    Field("host.id", STRING, "Machine id of that host: machine-id(5).", ecs=("host.id",)),
    Field("service.name", STRING, "Name of the service: as the pipeline file says, or of the pod or the container.", ecs=("service.name",)),
)

OF_POD: tuple[Field, ...] = (
    Field("k8s.namespace.name", STRING, "Namespace of the pod.", ecs=("kubernetes.namespace",)),
    Field("k8s.pod.name", STRING, "Name of the pod.", ecs=("kubernetes.pod.name",)),
    Field("k8s.pod.uid", STRING, "UID of the pod.", ecs=("kubernetes.pod.uid",)),
    Field("k8s.container.name", STRING, "Name of the container in its pod's specification, where the container is known.", ecs=("kubernetes.container.name",)),
    Field("k8s.node.name", STRING, "Node on which the pod runs.", ecs=("kubernetes.node.name",)),
    Field("k8s.deployment.name", STRING, "Deployment that the pod belongs to.", ecs=("kubernetes.deployment.name",)),
    Field("k8s.replicaset.name", STRING, "ReplicaSet of the pod, where no Deployment made it.", ecs=("kubernetes.replicaset.name",)),
    Field("k8s.statefulset.name", STRING, "StatefulSet that the pod belongs to.", ecs=("kubernetes.statefulset.name",)),
    Field("k8s.daemonset.name", STRING, "DaemonSet that the pod belongs to.", ecs=("kubernetes.daemonset.name",)),
    Field("k8s.job.name", STRING, "Job that the pod belongs to.", ecs=("kubernetes.job.name",)),
    Field("k8s.cronjob.name", STRING, "CronJob that made that Job.", ecs=("kubernetes.cronjob.name",)),
)

OF_CONTAINER: tuple[Field, ...] = (
    Field("container.name", STRING, "Name of the container.", ecs=("container.name",)),
    Field("container.image.name", STRING, "Name of its image, without the tag.", ecs=("container.image.name",)),
    Field("container.image.tags", FieldType.STRINGS, "Tag by which the image was named.", ecs=("container.image.tag",)),
)

OF_PLACE: tuple[Field, ...] = (
    Field("geo.continent.code", STRING, "Continent: `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.", ecs=("geo.continent_code",)),
    Field("geo.country.iso_code", STRING, "Country (ISO 3166-1 alpha-2).", ecs=("geo.country_iso_code",)),
    Field("geo.region.iso_code", STRING, "Region with its country (ISO 3166-2), such as `CA-QC`.", ecs=("geo.region_iso_code",)),
    Field("geo.locality.name", STRING, "City or town.", ecs=("geo.city_name",)),
    Field("geo.postal_code", STRING, "Postal code.", ecs=("geo.postal_code",)),
    Field("geo.location.lat", FLOAT, "Latitude.", ecs=("geo.location.lat",)),
    Field("geo.location.lon", FLOAT, "Longitude.", ecs=("geo.location.lon",)),
    Field("autonomous_system.number", INT, "Number of the autonomous system.", ecs=("as.number",)),
    Field("autonomous_system.organization.name", STRING, "Who runs it.", ecs=("as.organization.name",)),
)
# fmt: on

GEO_ENDS = ("client", "server", "source", "destination")
"""What an address may be of where ECS has geo fields for it."""


def _geo(end: str, field: Field) -> Field:
    return Field(f"{end}.{field.name}", field.type, field.description, ecs=tuple(f"{end}.{place}" for place in field.ecs or ()))


DOCUMENTED: tuple[Field, ...] = (*OF_RESOURCE, *OF_POD, *OF_CONTAINER, *(_geo("client", field) for field in OF_PLACE))

_KNOWN: Mapping[str, Field] = {
    **{field.name: field for field in DOCUMENTED},
    **{f"{end}.{field.name}": _geo(end, field) for end in GEO_ENDS for field in OF_PLACE},
    # what is said of the end that other attributes do not describe; no other format has places for it
    **{f"httpipe.{end}.{field.name}": Field(f"httpipe.{end}.{field.name}", field.type, "") for end in ("client", "server")
       for field in (*OF_RESOURCE, *OF_POD, *OF_CONTAINER) if not field.name.startswith("host.")},
}  # fmt: skip


def attribute_named(name: str) -> Field | None:
    """The attribute of this name, where it is one of these."""
    return _KNOWN.get(name)
