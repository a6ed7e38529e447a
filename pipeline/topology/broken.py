"""What stands in for a plugin that is broken (it cannot be imported, or cannot be made), so that the rest of a pipeline runs.

It does nothing but say why: a sink rejects everything, to its dead letter where there is one; a transform fails on every batch;
a source never brings anything. The engine counts all of that and shows the component as degraded.
"""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pipeline.api import Context, Event, EventBatch, HttpipeError, Outputs, Reject, Sink, Source, Transform
from pipeline.plugins.discovery import Kind
from pipeline.plugins.registry import Component


class AnyOptions(BaseModel):
    """Options that nobody can check."""

    model_config = ConfigDict(extra="allow")


class Broken:
    """Why a component does nothing."""

    fault: ClassVar[str]


class BrokenSource(Broken, Source):
    """Brings nothing."""

    Config = AnyOptions

    def __init__(self, config: BaseModel, context: Context) -> None:
        """Nothing of it is used."""

    async def batches(self) -> AsyncIterator[EventBatch]:
        """Fails at once."""
        raise HttpipeError(self.fault)
        yield EventBatch(events=())


class BrokenTransform(Broken, Transform):
    """Passes nothing."""

    Config = AnyOptions

    def __init__(self, config: BaseModel, context: Context) -> None:
        """Nothing of it is used."""

    def process(self, batch: Sequence[Event]) -> Outputs:  # noqa: ARG002
        """Fails."""
        raise HttpipeError(self.fault)


class BrokenSink(Broken, Sink):
    """Takes nothing."""

    Config = AnyOptions

    def __init__(self, config: BaseModel, context: Context) -> None:
        """Nothing of it is used."""

    async def healthcheck(self) -> None:
        """Never well."""
        raise HttpipeError(self.fault)

    async def write(self, batch: Sequence[Event]) -> None:  # noqa: ARG002
        """Never taken: no retry would help."""
        raise Reject(self.fault)


def broken(kind: Kind, fault: str) -> Component:
    """A class that stands in for a plugin."""
    bases: dict[Kind, Component] = {Kind.SOURCE: BrokenSource, Kind.TRANSFORM: BrokenTransform, Kind.SINK: BrokenSink}
    made: Component = type(bases[kind].__name__, (bases[kind],), {"fault": fault})
    return made
