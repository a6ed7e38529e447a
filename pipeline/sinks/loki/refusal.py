"""Why Loki has refused a request, and which of its events are meant. Pure.

Loki takes what it can of a request and answers 400 for the rest, which it names in words only. Of several streams in a request
its answer is about the last one (pkg/ingester/instance.go): a request has one. Loki knows what it has: the same line with the
same time in the same stream is there once, however often it comes. So a refused request is taken apart and sent again, until each
refused part consists of events that Loki will not take.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from pipeline.api import Event

_BOUND = re.compile(rb"oldest acceptable timestamp is: ([0-9T:.Z+-]+)")
"""In the words for entries that are too old, and for those that are too far behind the newest one of their stream
(Loki 2.4 to 3, pkg/validation and pkg/chunkenc)."""

_SETTINGS = (b"structured metadata, but this feature is disallowed", b"missing required labels")
"""Words of refusals that no event is to blame for (Loki 3, pkg/validation)."""


_OF_EVENTS = b"no schema config found for time"
"""In a 500: an entry is from before the first period of the server's schema, which none will change for it (Loki 3)."""


def is_of_events(words: bytes) -> bool:
    """Whether an answer that looks like a failure of the server is about an event that it will never take."""
    return _OF_EVENTS in words


def is_of_settings(words: bytes) -> bool:
    """Whether somebody has to change a setting, here or in Loki: until then it refuses every event."""
    return any(setting in words for setting in _SETTINGS)


def apart(events: Sequence[Event], words: bytes) -> list[Sequence[int]]:
    """The places of a refused request's events, in parts to be sent again; empty where all of them are refused for good.

    By the time that Loki names, else in halves.
    """
    if len(events) == 1:
        return []
    bound_ns = oldest_acceptable_ns(words)
    older = [] if bound_ns is None else [place for place, event in enumerate(events) if event.timestamp_ns < bound_ns]
    if len(older) == len(events):
        return []
    if older:
        others = set(older)
        return [older, [place for place in range(len(events)) if place not in others]]
    middle = len(events) // 2
    return [range(middle), range(middle, len(events))]


def oldest_acceptable_ns(words: bytes) -> int | None:
    """The time before which Loki says to take nothing, in nanoseconds since 1970: of several the oldest. None: it names none."""
    times = []
    for match in _BOUND.finditer(words):
        try:
            times.append(datetime.fromisoformat(match[1].decode()).timestamp())
        except (ValueError, OverflowError):
            continue
    return int(min(times)) * 1_000_000_000 if times else None
