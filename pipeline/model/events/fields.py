"""What a line of a field table says: an outside name with its type, unit and meaning, and where other formats keep it.

Names are OpenTelemetry's (semantic conventions, HTTP, TLS and general attributes) where it has one, else ``httpipe.*``. One name
means one thing in every kind of event.
"""

from enum import StrEnum

import msgspec

EVENT_NAME = "event.name"
"""The tag: which kind of event a JSON object is."""


class FieldType(StrEnum):
    """The type of a field or attribute, in JSON's and OpenTelemetry's sense. A timestamp is RFC 3339 text in UTC, nanoseconds."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STRINGS = "string[]"
    TIMESTAMP = "timestamp"


class Field(msgspec.Struct, frozen=True):
    """One outside name.

    ``alias`` is a short name for expressions. ``number`` is the field's number in Protobuf, for ever; a field without one is
    written there among the attributes. ``ecs`` are its places in the Elastic Common Schema; None: it keeps its name.
    ``same_as`` names the field whose value this one repeats. ``attribute`` is where the struct holds it: the name with ``_``
    for ``.`` unless something else is said.
    """

    name: str
    type: FieldType
    description: str
    unit: str = ""
    alias: str = ""
    number: int = 0
    ecs: tuple[str, ...] | None = None
    same_as: str = ""
    attribute: str = ""

    def __post_init__(self) -> None:
        if not self.attribute:
            msgspec.structs.force_setattr(self, "attribute", self.name.replace(".", "_"))


class Family(msgspec.Struct, frozen=True):
    """Names with an open end, ``prefix + key``: the headers. ``attribute`` holds a mapping from key to values."""

    prefix: str
    attribute: str
    type: FieldType
    description: str
    number: int = 0
