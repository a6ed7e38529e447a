"""What the API server says of a pod → what an event of it gets. Pure; ``decode`` raises ``msgspec.DecodeError`` only."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pipeline.following.table import Key

ANNOTATION = "resource.opentelemetry.io/service.name"
"""OpenTelemetry's own way to name the service of a pod (Semantic Conventions, "Specify resource attributes using Kubernetes
annotations"), where the order below is from, too."""

WORKLOADS = ("deployment", "replicaset", "statefulset", "daemonset", "cronjob", "job")
"""What names a service that has no name of its own, in this order."""

_CRON = re.compile(r"(.+)-[0-9]{8,11}")
"""A CronJob names its Jobs by the scheduled time, in minutes since 1970 (kubernetes/pkg/controller/cronjob, ``getJobName``)."""


class OwnerReference(msgspec.Struct):
    """An object that the pod belongs to."""

    kind: str = ""
    name: str = ""
    controller: bool | None = None


class ObjectMeta(msgspec.Struct, rename="camel"):
    """Who an object is."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    """What the pod is to be."""

    node_name: str = ""
    host_network: bool | None = None


class ContainerStatus(msgspec.Struct):
    """One container: ``container_id`` is ``containerd://`` and 64 hexadecimal digits, empty before it runs."""

    name: str = ""
    container_id: str = msgspec.field(default="", name="containerID")


class PodIp(msgspec.Struct):
    """One of its addresses."""

    ip: str = ""


class PodStatus(msgspec.Struct, rename="camel"):
    """What it is."""

    phase: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: list[PodIp] | None = msgspec.field(default=None, name="podIPs")
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None


class PodObject(msgspec.Struct):
    """The object, as far as it is looked at: the rest is skipped without being made."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


decode = msgspec.json.Decoder(PodObject).decode


@dataclass(frozen=True, slots=True)
class Pod:
    """What is kept of one. ``containers`` are names by id; ``addresses`` are its own only, none of a node's."""

    uid: str
    attributes: Mapping[str, str]
    addresses: Sequence[str]
    containers: Mapping[str, str]

    def found_by(self) -> Mapping[Key, Mapping[str, str]]:
        """By each of its containers, whose name events get too, and by each address."""
        found = {Key("address", address): self.attributes for address in self.addresses}
        for id_, name in self.containers.items():
            found[Key("container", id_)] = {**self.attributes, "k8s.container.name": name} if name else self.attributes
        return found


@dataclass(frozen=True, slots=True)
class Naming:
    """What events get beside what every pod has: attributes by label, and labels that name the service, first come first."""

    labels: Mapping[str, str]
    service_labels: Sequence[str]


def pod_of(told: PodObject, naming: Naming) -> Pod:
    """What is kept of a pod.

    One that has ended keeps its containers, whose last events may be on their way, and lets go of its addresses, which may be
    another's by now. One in the host's network has none of its own.
    """
    meta, spec, status = told.metadata, told.spec, told.status
    labels = meta.labels or {}
    workload = _workload(meta, labels)
    names = {
        "k8s.namespace.name": meta.namespace,
        "k8s.pod.name": meta.name,
        "k8s.pod.uid": meta.uid,
        "k8s.node.name": spec.node_name,
        **{f"k8s.{kind}.name": name for kind, name in workload.items()},
        "service.name": _service(meta, labels, workload, naming),
        **{attribute: labels.get(label, "") for label, attribute in naming.labels.items()},
    }
    own = not spec.host_network and status.phase not in ("Succeeded", "Failed")
    addresses = [status.pod_ip, *(each.ip for each in status.pod_ips or ())] if own else []
    containers = [
        *(status.init_container_statuses or ()),
        *(status.ephemeral_container_statuses or ()),
        *(status.container_statuses or ()),
    ]
    return Pod(
        uid=meta.uid,
        attributes={name: value for name, value in names.items() if value},
        addresses=tuple(dict.fromkeys(filter(None, addresses))),
        containers={id_: each.name for each in containers if (id_ := each.container_id.rpartition("://")[2])},
    )


def _workload(meta: ObjectMeta, labels: Mapping[str, str]) -> dict[str, str]:
    """What made the pod, by kind. A Deployment makes ReplicaSets, named by the hash that their pods have as a label."""
    owner = next((each for each in meta.owner_references or () if each.controller), None)
    if owner is None:
        return {}
    match owner.kind:
        case "ReplicaSet":
            hashed = labels.get("pod-template-hash")
            made = owner.name.removesuffix(f"-{hashed}") if hashed else owner.name
            return {"deployment": made} if made != owner.name else {"replicaset": owner.name}
        case "Job":
            cron = _CRON.fullmatch(owner.name)
            return {"job": owner.name, "cronjob": cron[1]} if cron else {"job": owner.name}
        case "StatefulSet" | "DaemonSet":
            return {owner.kind.lower(): owner.name}
        case _:
            return {}


def _service(meta: ObjectMeta, labels: Mapping[str, str], workload: Mapping[str, str], naming: Naming) -> str:
    candidates = [
        (meta.annotations or {}).get(ANNOTATION),
        *(labels.get(label) for label in naming.service_labels),
        *(workload.get(kind) for kind in WORKLOADS),
        meta.name,
    ]
    return next(filter(None, candidates), "")
