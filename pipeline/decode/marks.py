"""Marks as bits while a message is being put together; as a tuple of names once it is an exchange."""

from pipeline.model.events.exchange import Mark

(
    TRUNCATED,
    GAP,
    MID_STREAM,
    UNMATCHED_REQUEST,
    UNMATCHED_RESPONSE,
    SIZE_ESTIMATED,
    AMBIGUOUS_FRAMING,
    PROTOCOL_ERROR,
    HPACK_PARTIAL,
) = (1 << place for place in range(len(Mark)))


def _sets() -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = [()]
    for mark in Mark:
        found += [(*names, mark.value) for names in found]
    return tuple(found)


NAMES = _sets()
"""``NAMES[bits]``: all 512 sets, made once, because a lookup in a tuple is the cheapest thing there is."""
