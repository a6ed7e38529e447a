"""The requests of one batch, one after the other, and what is to become of its events in the end.

In: parts of a batch, and a function that sends one of them and says what came of it. What was taken is not sent again; after a
part for which the other end asked to wait, or did not answer, the others wait with it.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from pipeline.errors import BackOff, BatchError, Reject, SinkSignal

PATIENCE_SECS = 15.0
"""A batch of many requests is interrupted after this, so that what was taken counts before the engine's 30 s are over."""

What = TypeVar("What")


class Part(NamedTuple, Generic[What]):
    """The events at these places of a batch, which go together; ``what`` is the sink's own: where they go, what they become."""

    what: What
    places: Sequence[int]


Outcome = SinkSignal | Mapping[int, SinkSignal] | list[Part[What]] | None
"""Of a part: None where all was taken; what is to become of all its events, or of those at these places of the batch; or the
parts that are to be sent in its place, such as its ``halves``."""


async def deliver(parts: Sequence[Part[What]], send: Callable[[Part[What]], Awaitable[Outcome[What]]], size: int) -> None:
    """Send every part of a batch of ``size`` events. Raises what is to become of those that were not taken."""
    failures: dict[int, SinkSignal] = {}
    waiting = list(parts)
    until = time.monotonic() + PATIENCE_SECS
    while waiting:
        part = waiting.pop(0)
        outcome = await send(part)
        if isinstance(outcome, list):
            waiting[:0] = outcome
        elif isinstance(outcome, SinkSignal):
            failures |= dict.fromkeys(part.places, outcome)
        elif outcome:
            failures |= outcome
        if waiting and (stop := _stop(outcome, until)):
            failures |= {place: stop for later in waiting for place in later.places}
            break
    if not failures:
        return
    cause = next(iter(failures.values()))
    if len(failures) == size and all(each is cause for each in failures.values()):
        raise cause
    raise BatchError(failures)


def halves(part: Part[What]) -> list[Part[What]]:
    """For a part of several events that is too large in one request."""
    middle = len(part.places) // 2
    return [part._replace(places=part.places[:middle]), part._replace(places=part.places[middle:])]


def _stop(outcome: Outcome[What], until: float) -> SinkSignal | None:
    """What keeps the other parts of a batch from being sent now."""
    causes = [outcome] if isinstance(outcome, SinkSignal) else outcome.values() if isinstance(outcome, Mapping) else ()
    for cause in causes:
        if not isinstance(cause, Reject):
            return cause
    late = time.monotonic() > until
    return BackOff(0.0, f"the requests of this batch take more than {PATIENCE_SECS:g} s") if late else None
