"""``encoding.*``: how a sink writes events. The same options for every sink that writes bytes."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline.api import Config
from pipeline.model.events.kinds import kind_named, kinds

FieldNames = Annotated[tuple[str, ...], Field(min_length=1)]


class SelectionOptions(Config):
    """Which fields of events are written."""

    only_fields: FieldNames | None = None
    """Write these fields and attributes only. A name covers what is below it: `http.request` means all that begins with `http.request.`."""  # noqa: E501  one line of the generated page
    except_fields: FieldNames | None = None
    """Write all but these fields and attributes; names as in `only_fields`."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.only_fields is not None and self.except_fields is not None:
            raise ValueError("only_fields and except_fields exclude each other: keep one of them")
        return self


class EncodingOptions(SelectionOptions):
    """How events become bytes."""

    codec: Literal["json", "ecs", "protobuf"] = "json"
    """`json`: one object a line with OpenTelemetry's names; `ecs`: one object a line as the Elastic Common Schema has it; `protobuf`: compact binary, see `httpipe.proto`."""  # noqa: E501


class DecodingOptions(Config):
    """How bytes become events."""

    codec: Literal["json", "protobuf"] = "json"
    """What wrote the events: the `encoding.codec` of the sink at the other end."""


def _known_kind(name: str) -> str:
    if kind_named(name) is None:
        raise ValueError(f'unknown kind of event "{name}"; known are {", ".join(kind.name for kind in kinds())}')
    return name


KindName = Annotated[str, AfterValidator(_known_kind)]
"""The name of a kind of event, for sinks whose tables have columns."""
