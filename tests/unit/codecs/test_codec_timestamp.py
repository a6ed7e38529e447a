"""Nanoseconds ⇄ RFC 3339."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codecs.timestamp import from_rfc3339, rfc3339


@given(st.integers(-62_135_596_800 * 10**9, 253_402_300_799 * 10**9 + 999_999_999))
def test_round_trip_agrees_with_datetime(timestamp_ns: int) -> None:
    """Every time that RFC 3339 can write comes back to the nanosecond, and its seconds are those that datetime gives."""
    text = rfc3339(timestamp_ns)
    assert from_rfc3339(text) == timestamp_ns
    moment = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() == timestamp_ns // 10**9


@pytest.mark.parametrize(
    ("timestamp_ns", "text"), [(10**40, "9999-12-31T23:59:59.999999999Z"), (-(10**40), "0001-01-01T00:00:00.000000000Z")]
)
def test_times_out_of_range_become_the_nearest(timestamp_ns: int, text: str) -> None:
    """A hostile capture file may claim any time."""
    assert rfc3339(timestamp_ns) == text


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01T24:00:01Z", "٢026-01-01T00:00:00Z"]
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    """``ValueError`` and nothing else."""
    with pytest.raises(ValueError):  # noqa: PT011  any message
        from_rfc3339(text)
