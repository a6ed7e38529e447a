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

NAMES: tuple[tuple[str, ...], ...] = tuple(
    tuple(mark.value for place, mark in enumerate(Mark) if bits >> place & 1) for bits in range(1 << len(Mark))
)
"""``NAMES[bits]``: all 512 sets, made once, because a lookup in a tuple is the cheapest thing there is."""
