"""Event ⇄ one JSON object with OpenTelemetry's names. Pure; encoding never raises, decoding raises ``DecodeError`` only.

Keys and their order are those of ``flat``. A float that JSON cannot write (NaN, infinity) is left out or ``null``. Lone
surrogates become U+FFFD and what a terminal would obey is escaped, so that a line is valid for the strictest reader and
harmless to ``cat``. The approximate weight and the raw heads are not written.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.events import from_object, kind_of, nearest_float
from pipeline.codecs.flat import FlatObject, event_to_object, exchange_to_object
from pipeline.codecs.selection import Selection
from pipeline.codecs.text import harmless_json, whole
from pipeline.model.exchange import Event, Exchange


class JsonCodec:
    """OTel-named JSON lines."""

    content_type = "application/x-ndjson"
    suffix = ".jsonl"
    text = True

    def __init__(self, selection: Selection | None = None) -> None:
        self._selection = selection or Selection()
        self._exchange = exchange_to_object(self._selection)

    def to_object(self, event: Event) -> FlatObject:
        """The event as a mapping, in the order in which it is written."""
        if isinstance(event, Exchange):
            return self._exchange(event)
        return event_to_object(event, self._selection)

    def encode(self, event: Event) -> bytes:
        """One object without a newline."""
        return dump(self.to_object(event))

    def encode_batch(self, events: Sequence[Event]) -> bytearray:
        """One object a line, each line ended by a newline."""
        # Held results would each be trimmed and freed one by one (6.8 µs); appended to one buffer they cost 0.6 µs.
        lines = bytearray()
        to_object = self.to_object
        for event in events:
            lines += dump(to_object(event))
            lines += b"\n"
        return lines

    def decode(self, line: bytes | bytearray | memoryview | str) -> Event:
        """The event of one line: the exact inverse of ``encode``. Keys that are no fields become attributes."""
        return from_object(load(line))


def dump(value: FlatObject) -> bytes:
    """JSON of a flat object, whatever its strings and numbers are."""
    try:
        line = orjson.dumps(value)
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, a type that no attribute should have
        line = orjson.dumps(_writable(value))
    return harmless_json(line)


def _writable(value: Any) -> Any:  # noqa: ANN401, PLR0911  any JSON value; one return for each kind
    """The value as strict JSON can carry it."""
    match value:
        case None | bool():
            return value
        case str():
            return whole(str(value))
        case int():
            return value if -(1 << 63) <= value < 1 << 64 else nearest_float(value)
        case float():
            return value
        case Mapping():
            return {whole(str(key)): _writable(item) for key, item in value.items()}
        case tuple() | list():
            return [_writable(item) for item in value]
        case _:
            return whole(str(value))


def load(line: bytes | bytearray | memoryview | str) -> FlatObject:
    """The JSON object of a line."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = _tolerant_load(line)  # lone surrogates as escapes, NaN, integers beyond 64 bits: valid to other writers
    if not isinstance(value, dict):
        raise DecodeError(f"not a JSON object but {kind_of(value)}")
    return value


def _tolerant_load(line: bytes | bytearray | memoryview | str) -> Any:  # noqa: ANN401  any JSON value
    try:
        return json.loads(line if isinstance(line, str) else bytes(line))
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}") from error
