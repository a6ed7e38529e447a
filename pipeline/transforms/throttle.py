"""``throttle``: so many events per key and time go on, with bursts; the rest is dropped or sent to a named output.

The generic cell rate algorithm (ITU-T I.371): one number per key, the time at which its bucket is full again. Time is that of
the events, so a capture file is throttled as its traffic would have been.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Outputs, Transform
from pipeline.transforms.keys import Key, RecentKeys, bounded
from pipeline.transforms.options import Compiled, OutputName


class ThrottleConfig(Config):
    """Limit the rate of events."""

    threshold: Annotated[int, Field(ge=1)]
    """Events per key that go on in `window_secs`, on average."""
    window_secs: Annotated[float, Field(gt=0, le=86_400)] = 1.0
    """The time that `threshold` speaks of."""
    burst: Annotated[int, Field(ge=1)] | None = None
    """Events that may go on at once after a pause. Default: `threshold`."""
    key: str | None = None
    """Expression; each of its values has a rate of its own, such as `client.address`. Default: one rate for all."""
    exclude: str | None = None
    """Condition of the events that are never throttled."""
    drop_to: OutputName | None = None
    """Named output for the events beyond the rate. Default: they are dropped, and counted."""
    max_keys: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Keys that are remembered (about 200 bytes each); the one idle longest gives way, and starts afresh when it comes again."""


class Throttle(Transform):
    """Limits the rate of events per key, with bursts.

    Counters: `evicted_keys`; `missing_field`, how often an expression met a field that the event lacks.
    """

    api_version = 1
    Config = ThrottleConfig
    discard_reason = "throttled"

    def __init__(self, config: ThrottleConfig, context: Context) -> None:
        self.count = context.count
        self.drop_to = config.drop_to
        self.outputs = (config.drop_to,) if config.drop_to else ()
        self.interval_ns = round(config.window_secs * 1e9 / config.threshold)
        self.tolerance_ns = ((config.burst or config.threshold) - 1) * self.interval_ns
        self.full_at: RecentKeys[int] = RecentKeys(config.max_keys)
        with Compiled(context) as options:
            self.key = options.value("key", config.key).of if config.key is not None else None
            self.exclude = options.condition("exclude", config.exclude).test if config.exclude is not None else None
        self.count_misses, self.reads = options.count_misses, options.reads

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Decide in the order of arrival."""
        kept: list[Event] = []
        beyond: list[Event] = []
        for event in batch:
            free = self.exclude is not None and self.exclude(event)
            (kept if free or self._conforms(event) else beyond).append(event)
        self.count_misses()
        if evicted := self.full_at.new_evictions():
            self.count("evicted_keys", evicted)
        return {DEFAULT: kept, self.drop_to: beyond} if self.drop_to else {DEFAULT: kept}

    def _conforms(self, event: Event) -> bool:
        key: Key = bounded(self.key(event)) if self.key is not None else None
        now = event.timestamp_ns
        full_at = max(self.full_at.get(key) or now, now)
        if full_at - now > self.tolerance_ns:
            return False
        self.full_at.put(key, full_at + self.interval_ns)
        return True
