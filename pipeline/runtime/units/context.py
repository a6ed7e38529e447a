"""What a component is handed when it is made."""

from collections import Counter
from collections.abc import Mapping

from pipeline.api import NO_FIELDS, Context, FieldType
from pipeline.delivery.health import Health
from pipeline.runtime.options import RunOptions
from pipeline.telemetry.logs import ComponentLog


def context_of(  # noqa: PLR0913  what a component is handed
    id_: str,
    log: ComponentLog,
    counters: Counter[str],
    options: RunOptions,
    health: Health,
    *,
    body_bytes: int = 0,
    websockets: bool = False,
    attributes: Mapping[str, FieldType] = NO_FIELDS,
) -> Context:
    """``attributes`` are what transforms upstream add, ``body_bytes`` and ``websockets`` what is wanted of a source."""

    def count(name: str, by: int) -> None:
        counters[name] += by

    return Context(
        id=id_,
        log=log,
        now_ns=options.clock.now_ns,
        count=count,
        trouble=health.complain,
        body_bytes=body_bytes,
        websockets=websockets,
        attributes=attributes,
    )
