"""``sample``: a share of the events goes on, by chance or by key; each carries how many it stands for."""

import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, Config, Context, Event, FieldType, Outputs, Transform
from pipeline.expressions.helpers import to_str
from pipeline.transforms.options import Compiled

RATE = "httpipe.sample_rate"

REMEMBERED_KEYS = 16_384
"""Keys whose place is remembered: hashing one costs 0.9 µs, and a connection comes again."""


class SampleConfig(Config):
    """Keep a share of the events."""

    ratio: Annotated[float, Field(gt=0, le=1)]
    """Share that is kept: `0.1` keeps one in ten."""
    key: str | None = None
    """Expression such as `httpipe.connection` or `trace_id`: events with the same value are kept or dropped together, on every
    host alike. Default: every event by itself, by chance."""
    always: str | None = None
    """Condition of the events that are kept whatever their chance, such as `status >= 500`."""
    seed: int | None = None
    """Makes chance repeatable, for tests."""


class Sample(Transform):
    """Keeps a share of the events, by chance or by key.

    Each kept event has the attribute `httpipe.sample_rate`: the number of events it stands for, 1 where `always` kept it.

    An event without the key is left to chance.

    Counter: `missing_field`, how often an expression met a field that the event lacks.
    """

    api_version = 1
    Config = SampleConfig
    discard_reason = "sampled_out"

    def __init__(self, config: SampleConfig, context: Context) -> None:
        self.ratio = config.ratio
        self.rate = 1 / config.ratio
        self.adds = {RATE: FieldType.FLOAT}
        self.chance = random.Random(config.seed).random  # noqa: S311  a sample, not a secret
        with Compiled(context) as options:
            self.always = options.condition("always", config.always).test if config.always is not None else None
            self.key = options.value("key", config.key).of if config.key is not None else None
        self.count_misses, self.reads = options.count_misses, options.reads
        self.place = places()

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Decide for each event by itself: the same event gets the same fate in any batch, where there is a key."""
        kept = []
        for event in batch:
            if self.always is not None and self.always(event):
                kept.append(event.with_all_attributes({**event.attributes, RATE: 1.0}))
            elif self._draw(event) < self.ratio:
                kept.append(event.with_all_attributes({**event.attributes, RATE: self.rate}))
        self.count_misses()
        return {DEFAULT: kept}

    def _draw(self, event: Event) -> float:
        key = self.key(event) if self.key is not None else None
        return self.chance() if key is None else self.place(key if isinstance(key, str) else to_str(key))


def places() -> Callable[[str], float]:
    """A function from a key to its place between 0 and 1: uniform, and the same in every process."""

    @lru_cache(maxsize=REMEMBERED_KEYS)
    def place(key: str) -> float:
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=7).digest()
        return int.from_bytes(digest, "big") / (1 << 56)

    return place
