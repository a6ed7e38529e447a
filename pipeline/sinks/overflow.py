"""Counting events whose path, address, topic or index is ``other`` because there were too many: once, when it is delivered."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from pipeline.api import BatchError, Context, Event


@contextmanager
def overflows_counted(
    context: Context, name: str, overflows: Callable[[Iterable[Event]], int], batch: Sequence[Event]
) -> Iterator[None]:
    """Around a write of a batch. What is written again, since it was not delivered, is counted then."""
    try:
        yield
    except BatchError as error:
        _count(context, name, overflows(event for place, event in enumerate(batch) if place not in error.failures))
        raise
    _count(context, name, overflows(batch))


def _count(context: Context, name: str, events: int) -> None:
    if events:
        context.count(name, events)
