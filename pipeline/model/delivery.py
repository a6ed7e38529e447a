"""Which attempt of which batch a sink is writing."""

from contextvars import ContextVar
from typing import NamedTuple


class Delivery(NamedTuple):
    """One attempt to write a batch. ``batch`` is the same for each attempt with the same events; ``attempt`` counts from 1.

    What is left of a batch after a ``BatchError`` is another batch, and so is one that comes out of its queue again after a
    reload or a restart. Batch ids are unique among all runs: fit for an idempotency key of the other end.
    """

    batch: str
    attempt: int


DELIVERY: ContextVar[Delivery | None] = ContextVar("httpipe.delivery", default=None)
"""Set by the engine around each write, in the task that makes it; tasks and threads that a sink starts from there inherit it."""
