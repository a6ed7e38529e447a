"""Events in the compiled lane's memory, as it reads them from JSON lines."""

from collections.abc import Sequence

from pipeline import native
from pipeline.api import Event
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.json_native import native_events


def native_batch(events: Sequence[Event]) -> Sequence[Event]:
    """The same events, none of them an object yet. They must be exchanges without attributes; needs the lane."""
    codec = JsonCodec()
    found = native_events(bytes(codec.encode_batch(events)), codec.decode, lambda line, _place: codec.decode(line))
    assert found is not None
    assert isinstance(found[0], native.EVENTS)
    assert found[0].objects == 0
    return found[0]
