"""A batch in portions that fit into files of a bounded size. Pure."""

from collections.abc import Callable, Iterator, Sequence

from pipeline.api import Event

Encode = Callable[[Sequence[Event]], bytes | bytearray]


def portions(
    events: Sequence[Event], encode: Encode, room: int | None, most: int | None
) -> Iterator[tuple[int, bytes | bytearray]]:
    """Runs of events: how many, and their bytes.

    The first takes what fits into ``room`` bytes, which the file of now has left; the others fill new files of ``most`` bytes.
    An event that alone is larger than ``most`` is a portion by itself.
    """
    whole = encode(events)
    if room is None or most is None or len(whole) <= room or len(events) == 1:
        yield len(events), whole
        return
    count, data = 0, bytearray()
    for event in events:
        piece = encode([event])
        if len(data) + len(piece) > room:
            if count:
                yield count, data
                count, data = 0, bytearray()
            room = most
        data += piece
        count += 1
    yield count, data
