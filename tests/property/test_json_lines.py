"""The short way of encoding exchanges never writes anything else than the long way does."""

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.json import JsonCodec, dump_lines, harmless_lines
from pipeline.codecs.json_lines import maybe_lines
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import FIELDS, Exchange, Mark
from pipeline.model.events.fields import FieldType

TEXT = st.text(st.characters(), max_size=8)
VALUES: Mapping[FieldType, st.SearchStrategy[Any]] = {
    FieldType.STRING: TEXT,
    FieldType.INT: st.integers(0, 65_535) | st.integers() | st.integers(-(1 << 64), 1 << 65),
    FieldType.FLOAT: st.floats() | st.integers(0, 9),
    FieldType.STRINGS: st.lists(st.sampled_from(Mark) | TEXT, max_size=3).map(tuple),
    FieldType.TIMESTAMP: st.integers(-(1 << 70), 1 << 70) | st.integers(0, 1 << 62) | st.integers(10**18, 10**18 + 10**10),
}
HEADERS = st.dictionaries(TEXT, st.lists(TEXT, max_size=2).map(tuple), max_size=2)
ODD = (
    st.none() | st.binary(max_size=2) | st.integers() | st.floats() | TEXT | st.booleans() | st.lists(TEXT, max_size=2).map(tuple)
)
NAMES = TEXT | st.sampled_from(["team", "event.name", "url.path", "timestamp", "http.request.header.a"])
EXCHANGES = st.builds(
    lambda values, rest: Exchange(**{"timestamp_ns": 0, **values, **rest}),
    st.fixed_dictionaries({}, optional={field.attribute: VALUES[field.type] for field in FIELDS}),
    st.fixed_dictionaries(
        {},
        optional={
            "http_request_headers": HEADERS,
            "http_response_headers": HEADERS,
            "attributes": st.dictionaries(NAMES, ODD, max_size=3),
        },
    ),
)
EXPONENT = re.compile(rb"(\d)e(\d)")
"""msgspec writes 1e16 where orjson writes 1e+16."""


def long_way(events: list[Event]) -> bytes:
    """What the long way writes."""
    return bytes(dump_lines(events, JsonCodec().to_object))


@settings(max_examples=40, deadline=None)
@given(st.lists(EXCHANGES, max_size=4))
def test_both_ways_agree(events: list[Event]) -> None:
    """Whatever exchanges hold, in whatever batch: the same bytes, but for the sign of an exponent."""
    written = bytes(JsonCodec().encode_batch(events))
    expected = long_way(events)
    assert written == expected or (b"e+" in expected and EXPONENT.sub(rb"\1e+\2", written) == EXPONENT.sub(rb"\1e+\2", expected))


def test_usual_batch_takes_the_short_way() -> None:
    """With attributes and headers or without, in one second and the next; what the short way cannot write it leaves alone."""
    events: list[Event] = [
        Exchange(timestamp_ns=1_767_323_045_999_999_999, url_path='/\x00\x7fé\u2028"', http_response_status_code=200),
        Exchange(timestamp_ns=1_767_323_046_000_000_000, url_path="/", attributes={"team": "shop", "nan": float("nan")}),
        Exchange(timestamp_ns=5, attributes={"nan": float("nan")}, httpipe_marks=(Mark.GAP,)),
        Exchange(timestamp_ns=1_767_323_046_000_000_005, http_request_headers={"a": ("1", "2")}),
    ]
    lines = maybe_lines(events)
    assert lines is not None
    assert bytes(lines).count(b"\n") == 4
    assert bytes(harmless_lines(lines)) == long_way(events)
    for odd in (
        Event(timestamp_ns=0),
        Exchange(timestamp_ns=0, url_path="\ud800"),
        Exchange(timestamp_ns=0, server_port=1 << 64),
    ):
        assert maybe_lines([*events, odd]) is None
