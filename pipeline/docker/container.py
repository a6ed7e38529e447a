"""What a container engine says of a container → what an event of it gets. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.following.table import Attributes, Key
from pipeline.model.events.event import AttributeValue

LONGEST_VALUE = 1024
"""Characters of a label's value, which the engine does not bound; what is longer is cut."""

_ID = re.compile(r"sha256:[0-9a-f]+|[0-9a-f]{12}|[0-9a-f]{64}")
"""What stands in the place of an image's name that another image has taken meanwhile."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What events get beside what every container has: labels, and labels that name the service, first come first."""

    labels: Sequence[str]
    service_labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Container:
    """What is kept of one; ``uid`` is its whole id."""

    uid: str
    attributes: Attributes

    def found_by(self) -> Mapping[Key, Attributes]:
        """By its id only: addresses of its networks may be another's soon, and events hold the ids of both ends."""
        return {Key("container", self.uid): self.attributes}


def container_of(uid: str, name: str, image: str, labels: Mapping[str, str], naming: Naming) -> Container:
    """What is kept of a container (OpenTelemetry's semantic conventions, "Container")."""
    image_name, tag = image_of(image)
    attributes: dict[str, AttributeValue] = {
        "container.name": name.removeprefix("/"),
        "container.image.name": image_name,
        "container.image.tags": (tag,) if tag else (),
        "service.name": next(filter(None, map(labels.get, naming.service_labels)), "")[:LONGEST_VALUE],
        **{label_attribute(label): labels.get(label, "")[:LONGEST_VALUE] for label in naming.labels},
    }
    return Container(uid, {name: value for name, value in attributes.items() if value})


def label_attribute(label: str) -> str:
    """The attribute of a label."""
    return f"container.label.{label}"


def image_of(reference: str) -> tuple[str, str]:
    """Name and tag of ``[host[:port]/]path[:tag][@digest]``, empty where there is none."""
    if _ID.fullmatch(reference):
        return "", ""
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")
