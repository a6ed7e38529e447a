"""``route``: events leave by named outputs, each with its own condition; the rest leaves by ``_unmatched``."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import Config, Context, Event, Outputs, Transform
from pipeline.transforms.options import Compiled, OutputName

UNMATCHED = "_unmatched"


class RouteConfig(Config):
    """Send events to named outputs by conditions."""

    routes: Annotated[Mapping[OutputName, str], Field(min_length=1, max_length=256)]
    """Output name and the condition of the events that leave by it, such as `routes.errors = "status >= 500"`."""
    exclusive: bool = False
    """`true`: an event leaves by the first output whose condition holds. `false`: by every one whose condition holds."""


class Route(Transform):
    """Sends events to named outputs by conditions.

    Order is kept within each output. Nothing leaves by the default output; `_unmatched` takes what no condition wants.

    Counter: `missing_field`, how often an expression met a field that the event lacks.
    """

    api_version = 1
    Config = RouteConfig

    def __init__(self, config: RouteConfig, context: Context) -> None:
        self.exclusive = config.exclusive
        self.outputs = (*config.routes, UNMATCHED)
        with Compiled(context) as options:
            self.conditions = {name: options.condition(f"routes.{name}", where) for name, where in config.routes.items()}
        self.count_misses, self.reads = options.count_misses, options.reads
        with Compiled(context) as options:
            self.none = options.condition("routes", " and ".join(f"not ({where}\n)" for where in config.routes.values()))

    def process(self, batch: Sequence[Event]) -> Outputs:
        """One pass over the batch per output."""
        outputs: dict[str, Sequence[Event]] = {}
        rest = batch
        for name, condition in self.conditions.items():
            if self.exclusive:
                outputs[name], rest = condition.split(rest)
            else:
                outputs[name] = condition.select(batch)
        outputs[UNMATCHED] = rest if self.exclusive else self.none.select(batch)
        self.count_misses()
        return outputs
