"""``filter``: events for which a condition holds go on, the others are dropped or sent to a named output."""

from collections.abc import Sequence

from pipeline.api import DEFAULT, Config, Context, Event, Outputs, Transform
from pipeline.transforms.options import Compiled, OutputName


class FilterConfig(Config):
    """Keep the events for which a condition holds."""

    where: str
    """Condition on the fields of an event, such as `status >= 500 and path.startswith("/api/")`."""
    drop_to: OutputName | None = None
    """Named output for the events that do not pass. Default: they are dropped, and counted."""


class Filter(Transform):
    """Keeps the events for which a condition holds.

    Order is kept. Counter: `missing_field`, how often an expression met a field that the event lacks.
    """

    api_version = 1
    Config = FilterConfig

    def __init__(self, config: FilterConfig, context: Context) -> None:
        self.drop_to = config.drop_to
        self.outputs = (config.drop_to,) if config.drop_to else ()
        with Compiled(context) as options:
            self.condition = options.condition("where", config.where)
        self.count_misses, self.reads = options.count_misses, options.reads

    def process(self, batch: Sequence[Event]) -> Outputs:
        """One pass over the batch, within compiled code."""
        outputs: Outputs
        if self.drop_to:
            kept, rest = self.condition.split(batch)
            outputs = {DEFAULT: kept, self.drop_to: rest}
        else:
            outputs = {DEFAULT: self.condition.select(batch)}
        self.count_misses()
        return outputs
