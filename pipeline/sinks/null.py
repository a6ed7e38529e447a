"""The ``null`` sink: takes every batch and forgets it.

For benchmarks, and to see in the summary how much would have been sent.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.api import Context, Event, NoConfig, Sink


class NullSink(Sink):
    """Takes events and forgets them; the engine counts."""

    api_version = 1
    Config = NoConfig

    def __init__(self, config: Any, context: Context) -> None:  # noqa: ANN401, ARG002  the contract's signature
        self.taken_events = 0

    async def write(self, batch: Sequence[Event]) -> None:
        """Count the batch."""
        self.taken_events += len(batch)
