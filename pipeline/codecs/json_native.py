"""Exchanges → JSON lines by the compiled extension, from the same field table and the same bytes as ``json_lines``.

It writes what nearly all exchanges hold: text in printable ASCII, numbers, reported headers. The end of a line with attributes
and every line that is not plain are Python's. It reads lines that are exactly as they would be written; these stay as they are
until somebody asks for the event. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline import native
from pipeline.codecs.flat import FlatObject, undeclared
from pipeline.codecs.json_lines import tail_of
from pipeline.codecs.json_wire import members
from pipeline.codecs.layout import EVENT_BYTES, layout_of
from pipeline.codecs.text import harmless_json
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.exchange import EXCHANGE, Exchange
from pipeline.model.events.fields import FieldType

if TYPE_CHECKING:
    from pipeline.native import JsonLines


def native_lines(events: Sequence[Event], odd: Callable[[Event], bytes]) -> bytes | None:
    """One object a line, each line ended by a newline; None without the extension, and where the first is no exchange.

    ``odd`` gives the line of an event that is left to Python.
    """
    if native.lane is None or not events:
        return None
    if not isinstance(events, native.EVENTS):
        if type(events[0]) is not Exchange:
            return None
        events = events if isinstance(events, list) else list(events)
    return _lines().encode(events, _Tails(), _tail_with, odd)


def native_events(
    text: bytes, decode: Callable[[bytes], Event], odd: Callable[[bytes, int], Event | None]
) -> tuple[Sequence[Event], int] | None:
    """The events of lines, and how many lines these are; None without the extension.

    ``odd`` gives the event of a line that is left to Python and its place among these, or None; ``decode`` that of any other,
    when somebody asks for it.
    """
    return None if native.lane is None else _lines().read(text, decode, odd)


@lru_cache(maxsize=1)
def _lines() -> "JsonLines":
    layout = layout_of(EXCHANGE)
    fields = [field for field in members(EXCHANGE).values() if field.type is not FieldType.TIMESTAMP]
    lines: JsonLines = native.lane.JsonLines(  # type: ignore[union-attr]  # who asks has looked
        kind=EXCHANGE.type,
        name=EXCHANGE.name,
        members=[(field.name, field.attribute, layout.places[field.attribute], field.type.value) for field in fields],
        families=[(family.prefix, family.attribute, layout.places[family.attribute]) for family in EXCHANGE.families],
        time=layout.timestamp,
        attributes=layout.attributes,
        event_bytes=EVENT_BYTES,
    )
    return lines


class _Tails:
    """The ends of lines with attributes; None where an attribute is not as it should be.

    Events to which ``set`` gave the same attributes share the text of these.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, AttributeValue] | None = None
        self._tail: bytes | None = None

    def __call__(self, event: Exchange) -> bytes | None:
        attributes = event.attributes
        if event.http_request_headers or event.http_response_headers:
            return self._made(event)
        if attributes is not self._known:
            self._known, self._tail = attributes, self._made(event)
        return self._tail

    @staticmethod
    def _made(event: Exchange) -> bytes | None:
        families, add_attributes = undeclared(EXCHANGE)
        more: FlatObject = {}
        for family, add_headers in families:
            add_headers(more, family.prefix, getattr(event, family.attribute))
        add_attributes(more, event.attributes)
        return _end(more)


REMEMBERED_TAILS = 2048
"""Ends of lines that are kept with the attributes that they are of: 2 KB each for those of a pod at either end."""

_tails: dict[int, tuple[Mapping[str, AttributeValue], bytes | None]] = {}


def _tail_with(attributes: Mapping[str, AttributeValue]) -> bytes | None:
    """The end of lines without headers, with these attributes, which transforms give to many events in many batches.

    The mapping is kept, too: as long as it is there, no other one can be at its address.
    """
    known = _tails.get(id(attributes))
    if known is not None:
        return known[1]
    more: FlatObject = {}
    undeclared(EXCHANGE)[1](more, attributes)
    if len(_tails) >= REMEMBERED_TAILS:
        _tails.clear()
    tail = _end(more)
    _tails[id(attributes)] = (attributes, tail)
    return tail


def _end(more: FlatObject) -> bytes | None:
    try:
        return harmless_json(tail_of(more))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
