"""``dedupe``: of events with the same key within some time the first goes on."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, Outputs, Transform
from pipeline.transforms.keys import RecentKeys, bounded
from pipeline.transforms.options import Compiled


class DedupeConfig(Config):
    """Drop repeats."""

    key: str
    """Expression; events with the same value are repeats, such as `method + " " + host + path`. An event without it goes on."""
    window_secs: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How long a first event suppresses its repeats, in the time of the events."""
    max_keys: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """Keys that are remembered (about 250 bytes each, plus the key); beyond it the oldest is forgotten, and counted."""


class Dedupe(Transform):
    """Lets the first of events with the same key go on, and drops its repeats.

    Counters: `evicted_keys`, keys forgotten before their time: raise `max_keys`, or some repeats will pass;
    `missing_field`, how often an expression met a field that the event lacks.
    """

    api_version = 1
    Config = DedupeConfig
    discard_reason = "duplicate"

    def __init__(self, config: DedupeConfig, context: Context) -> None:
        self.count = context.count
        self.window_ns = round(config.window_secs * 1e9)
        self.first_seen: RecentKeys[int] = RecentKeys(config.max_keys)
        with Compiled(context) as options:
            self.key = options.value("key", config.key).of
        self.count_misses, self.reads = options.count_misses, options.reads

    def process(self, batch: Sequence[Event]) -> Outputs:
        """The first of each key."""
        kept = [event for event in batch if self._is_first(event)]
        self.count_misses()
        if evicted := self.first_seen.new_evictions():
            self.count("evicted_keys", evicted)
        return {DEFAULT: kept}

    def _is_first(self, event: Event) -> bool:
        key = bounded(self.key(event))
        if key is None:
            return True
        now = event.timestamp_ns
        seen = self.first_seen.get(key)
        # Exchanges end in another order than they began, so a repeat may be a little older than its first.
        if seen is not None and abs(now - seen) < self.window_ns:
            return False
        # Keys whose time is over go first, so that the bound counts only what is still needed.
        while (oldest := self.first_seen.oldest()) is not None and now - oldest[1] >= self.window_ns:
            self.first_seen.drop(oldest[0])
        self.first_seen.put(key, now)
        return True
