"""A dry run: the same plan with every sink replaced by one that takes everything at once and writes nothing.

Sources, transforms, queues and ledger are the real ones, so the summary says what each sink would have got. Disk queues
become queues in memory and dead letters stay empty: nothing outside the process is touched.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace
from pydantic import BaseModel

from pipeline.api import Context, Event, Sink
from pipeline.config.options import BufferOptions
from pipeline.topology.plan import Plan, SinkSpec


class CountingSink(Sink):
    """Takes the place of any sink; the engine does the counting."""

    def __init__(self, config: BaseModel, context: Context) -> None:
        """Nothing of the real sink's options is used."""

    async def write(self, batch: Sequence[Event]) -> None:
        """Delivered to nobody."""


def counted(plan: Plan) -> Plan:
    """The plan with every sink replaced."""
    sinks: Mapping[str, SinkSpec] = MappingProxyType({name: _counted(spec) for name, spec in plan.sinks.items()})
    return replace(plan, sinks=sinks)


def _counted(spec: SinkSpec) -> SinkSpec:
    buffer = spec.options.buffer
    memory = BufferOptions(max_events=min(buffer.max_events, 20_000), max_bytes=min(buffer.max_bytes, 32 << 20))
    return replace(spec, component=CountingSink, options=spec.options.model_copy(update={"buffer": memory, "isolation": "none"}))
