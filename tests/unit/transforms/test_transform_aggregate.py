"""Aggregates: windows, groups, quantiles, totals."""

import random

import pytest

from pipeline.api import ConfigError, Measurement
from pipeline.codecs.json import JsonCodec
from pipeline.testing.transforms import SECOND, START_NS, Driven, exchange
from pipeline.transforms.aggregate import Aggregate
from pipeline.transforms.histogram import Red


def test_measures_rate_errors_and_latency_per_group() -> None:
    """One measurement per group when the window is over; the events themselves are not given out."""
    driven = Driven(Aggregate, {"by": ["host"], "window_secs": 10, "grace_secs": 2})
    slow = [exchange(number, server_address="a", httpipe_duration_ms=100.0 + number) for number in range(9)]
    error = exchange(9, server_address="a", http_response_status_code=503, httpipe_duration_ms=1000.0)
    assert driven.run(*slow, error, exchange(9, server_address="b")) == []
    assert driven.run(exchange(11)) == []
    first, second = driven.run(exchange(12))
    assert isinstance(first, Measurement)
    assert first.timestamp_ns == START_NS
    assert first.attributes["server.address"] == "a"
    assert first.attributes["httpipe.requests"] == 10
    assert first.attributes["httpipe.errors"] == 1
    assert first.attributes["httpipe.errors_ratio"] == 0.1
    assert first.attributes["httpipe.requests_per_sec"] == 1.0
    assert first.attributes["httpipe.latency_ms.max"] == 1000.0
    assert first.attributes["httpipe.latency_ms.p50"] == pytest.approx(104, rel=0.025)
    assert (first.attributes["httpipe.latency_ms.le_100"], first.attributes["httpipe.latency_ms.le_250"]) == (1, 9)
    assert second.attributes["server.address"] == "b"
    assert "httpipe.latency_ms.p50" not in second.attributes
    assert b'"event.name":"http.measurement"' in JsonCodec().encode(first)
    assert set(first.attributes) <= set(driven.transform.adds)
    (last,) = driven.end()
    assert last.attributes["httpipe.requests"] == 2


def test_window_ends_by_the_clock_when_nothing_comes() -> None:
    """While no event comes, the clock moves the events' time on, also when the events are of last year."""
    now = [5_000 * SECOND]
    driven = Driven(Aggregate, {"window_secs": 10, "grace_secs": 2}, now_ns=lambda: now[0])
    driven.run(exchange(1))
    assert driven.transform.flush(now[0] + 10 * SECOND, last=False) == {"": []}
    (measured,) = driven.transform.flush(now[0] + 11 * SECOND, last=False)[""]
    assert measured.timestamp_ns == START_NS


def test_late_events_are_counted_in_the_oldest_open_window() -> None:
    """Nothing is lost, nothing is measured twice."""
    driven = Driven(Aggregate, {"window_secs": 10, "grace_secs": 0})
    assert len(driven.run(exchange(1), exchange(11))) == 1
    driven.run(exchange(2))
    (measured,) = driven.end()
    assert (measured.timestamp_ns, measured.attributes["httpipe.requests"]) == (START_NS + 10 * SECOND, 2)
    assert driven.counts == {"late": 1, "missing_field": 3}  # these events have no duration


def test_groups_are_bounded() -> None:
    """Strangers choose the Host header; beyond the bound their events are counted together, in events and in metrics."""
    driven = Driven(Aggregate, {"by": ["server.address"], "max_groups": 3})
    driven.run(*[exchange(0, server_address=f"h{number}") for number in range(100)])
    measured = {event.attributes["server.address"]: event.attributes["httpipe.requests"] for event in driven.end()}
    assert measured == {"h0": 1, "h1": 1, "h2": 1, "_other": 97}
    assert driven.counts == {"other_group": 97, "missing_field": 100}  # these events have no duration
    driven.run(*[exchange(20, server_address=f"i{number}") for number in range(3)])
    driven.end()
    requests = {
        each.labels["server.address"]: each.value for each in driven.transform.metrics() if each.name == "http_requests_total"
    }
    assert requests == {"h0": 1, "h1": 1, "h2": 1, "_other": 100}


def test_sampled_events_count_as_many_as_they_stand_for() -> None:
    """A tenth of the events gives the rate of all of them."""
    driven = Driven(Aggregate)
    driven.run(*[exchange(0, attributes={"httpipe.sample_rate": 10.0}) for _ in range(5)])
    (measured,) = driven.end()
    assert measured.attributes["httpipe.requests"] == 50


def test_totals_are_a_histogram_of_seconds() -> None:
    """Metrics grow over windows; buckets are cumulative."""
    driven = Driven(Aggregate, {"window_secs": 1})
    driven.run(*[exchange(number, httpipe_duration_ms=float(10**number)) for number in range(6)])
    driven.end()
    (histogram,) = [each for each in driven.transform.metrics() if each.kind == "histogram"]
    assert (histogram.value, histogram.sum) == (6, 111.111)
    assert dict(histogram.buckets)[0.01] == 2
    assert dict(histogram.buckets)[10.0] == 5


def test_faulty_options_are_told_together() -> None:
    """Names, conditions and types are checked before any event comes."""
    with pytest.raises(ConfigError) as caught:
        Driven(Aggregate, {"by": ["hst", "host + path"], "errors": "statu", "duration": "path"})
    assert [problem.path for problem in caught.value.problems] == ["by.0", "by.1", "errors", "duration"]


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_within_two_percent(seed: int) -> None:
    """Whatever the distribution is."""
    chance = random.Random(seed)
    durations = sorted(chance.lognormvariate(seed, 2) for _ in range(5000))
    red = Red()
    for duration in durations:
        red.add(duration, error=False)
    for quantile in (0.5, 0.9, 0.99):
        exact = durations[int(quantile * len(durations)) - 1]
        assert red.quantile_ms(quantile) == pytest.approx(exact, rel=0.021, abs=0.001)
    assert len(red.fine) < 700


def test_durations_that_cannot_be_are_no_durations() -> None:
    """Steps of the clock and nonsense from a recording do not spoil a window."""
    red = Red()
    for duration in (-1.0, float("nan"), float("inf"), 1e300, 0.0):
        red.add(duration, error=False)
    assert (red.requests, red.timed, red.quantile_ms(0.5)) == (5, 1, 0.0)
