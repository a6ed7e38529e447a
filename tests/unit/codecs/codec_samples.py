"""Exchanges for the tests of codecs: one of everything, and a hypothesis strategy for any."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from pipeline.codecs.json import JsonCodec
from pipeline.codecs.protobuf import ProtobufCodec
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import BY_NAME, FAMILIES, FIELDS, Exchange, Mark
from pipeline.model.events.fields import EVENT_NAME, FieldType

TIMESTAMP_NS = 1_767_323_045_000_000_006  # 2026-01-02T03:04:05.000000006Z

_SCALARS: dict[FieldType, Any] = {
    FieldType.STRING: st.text(st.characters(exclude_categories=("Cs",)), max_size=300),
    FieldType.INT: st.integers(-(1 << 63), (1 << 63) - 1),
    FieldType.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    FieldType.BOOL: st.booleans(),
    FieldType.STRINGS: st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=3).map(tuple),
    FieldType.TIMESTAMP: st.integers(-(1 << 63), (1 << 63) - 1),
}
_NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)
_HEADERS = st.dictionaries(_NAMES, _SCALARS[FieldType.STRINGS], max_size=3)
_OWN_NAMES = _NAMES.filter(
    lambda name: name not in BY_NAME and name != EVENT_NAME and not any(name.startswith(family.prefix) for family in FAMILIES)
)
_ATTRIBUTES = st.dictionaries(
    _OWN_NAMES, st.one_of(*(_SCALARS[kind] for kind in FieldType if kind is not FieldType.TIMESTAMP)), max_size=3
)


def exchanges() -> st.SearchStrategy[Exchange]:
    """Any exchange that an encoder can carry without loss."""
    declared: dict[str, Any] = {}
    for field in FIELDS:
        value = _SCALARS[field.type]
        optional = field.type not in (FieldType.TIMESTAMP, FieldType.STRINGS)
        declared[field.attribute] = st.none() | value if optional else value
    families = {family.attribute: _HEADERS for family in FAMILIES}
    return st.builds(Exchange, **declared, **families, attributes=_ATTRIBUTES)


def full() -> Exchange:
    """An exchange in which every declared field has a value of its own."""
    values: dict[str, Any] = {}
    for number, field in enumerate(FIELDS):
        values[field.attribute] = {
            FieldType.STRING: f"text {number}",
            FieldType.INT: number,
            FieldType.FLOAT: number + 0.5,
            FieldType.BOOL: True,
            FieldType.STRINGS: (Mark.GAP, Mark.TRUNCATED),
            FieldType.TIMESTAMP: TIMESTAMP_NS,
        }[field.type]
    return Exchange(
        **values,
        http_request_headers={"accept": ("a", "b"), "x.y": ("",)},
        http_response_headers={"vary": ("*",)},
        attributes={"team": "shop", "share": 0.25, "tries": 3, "ok": True, "tags": ("a", "b")},
        request_head=b"GET",
    )


class PlainJson(JsonCodec):
    """Decodes with the default memory cost, which is not part of what an event says."""

    def decode(self, data: bytes | bytearray | memoryview | str) -> Event:
        """As the codec does."""
        return super().decode(data).replace(memory_bytes=1024)


class PlainProtobuf(ProtobufCodec):
    """Decodes with the default memory cost."""

    def decode(self, data: bytes | bytearray | memoryview) -> Event:
        """As the codec does."""
        return super().decode(data).replace(memory_bytes=1024)

    def decode_batch(self, content: bytes) -> Iterator[Event]:
        """As the codec does."""
        return (event.replace(memory_bytes=1024) for event in super().decode_batch(content))
