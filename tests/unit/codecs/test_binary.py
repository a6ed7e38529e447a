"""The exact form of events on disk: everything comes back as it was, and damaged bytes raise one error."""

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Event, Exchange
from pipeline.codecs import binary
from pipeline.testing.contract import OddEvent, ordinary_events

TEXT = st.text(st.characters(), max_size=20)
ATTRIBUTES = st.dictionaries(
    TEXT,
    st.one_of(TEXT, st.integers(), st.floats(allow_nan=False), st.booleans(), st.lists(TEXT, max_size=3).map(tuple)),
    max_size=3,
)
EVENTS = st.one_of(
    st.builds(
        Exchange,
        timestamp_ns=st.integers(-(2**62), 2**62),
        url_path=st.none() | TEXT,
        http_response_status_code=st.none() | st.integers(-(2**70), 2**70),
        httpipe_duration_ms=st.none() | st.floats(allow_nan=False),
        http_request_headers=st.dictionaries(TEXT, st.lists(TEXT, max_size=2).map(tuple), max_size=2),
        httpipe_marks=st.lists(TEXT, max_size=2).map(tuple),
        request_head=st.none() | st.binary(max_size=30),
        attributes=ATTRIBUTES,
    ),
    st.builds(OddEvent, timestamp_ns=st.integers(0, 2**62), number=st.integers(0, 9), attributes=ATTRIBUTES),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=8))
def test_there_and_back(events: list[Event]) -> None:
    """Every kind, every type, lone surrogates and huge numbers included."""
    assert binary.decode(binary.encode(events)) == events


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_damaged(block: bytes) -> None:
    """Nothing else leaves the decoder."""
    with contextlib.suppress(binary.DamagedBlock):
        binary.decode(block)


def test_a_block_of_another_version_is_read() -> None:
    """A column that is gone is left out, one that is new takes its default."""
    block = msgspec.msgpack.encode([["http.exchange", ["timestamp_ns", "gone", "url_path"], [[7, "x", "/a"]]]])
    assert binary.decode(block) == [Exchange(timestamp_ns=7, url_path="/a")]


def test_a_kind_that_is_not_known_is_damage() -> None:
    """Such as that of a plugin which is no longer installed; the message says so."""
    block = msgspec.msgpack.encode([["no.such.kind", ["timestamp_ns"], [[7]]]])
    with pytest.raises(binary.DamagedBlock, match=r"no\.such\.kind.*plugin"):
        binary.decode(block)


def test_names_stand_once_in_a_block() -> None:
    """An ordinary exchange takes less than 300 bytes."""
    assert len(binary.encode(ordinary_events(0, 256))) / 256 < 300
