"""Transforms that choose: filter, route, sample, throttle, dedupe, window."""

import pytest

from pipeline.api import ConfigError, Transform
from pipeline.testing.transforms import SECOND, START_NS, Driven, exchange, sequence
from pipeline.transforms.aggregate import Aggregate
from pipeline.transforms.dedupe import Dedupe
from pipeline.transforms.filter import Filter
from pipeline.transforms.route import Route
from pipeline.transforms.sample import RATE, Sample
from pipeline.transforms.set import Set
from pipeline.transforms.throttle import Throttle
from pipeline.transforms.window import Window

STATUSES = [exchange(number, http_response_status_code=status) for number, status in enumerate((200, 503, 404, 500, 201))]


def test_filter_keeps_what_holds_and_counts_what_is_missing() -> None:
    """Order is kept; an event without the field does not pass."""
    driven = Driven(Filter, {"where": "status >= 500"})
    assert sequence(driven.run(*STATUSES, exchange(9, http_response_status_code=None))) == [1, 3]
    assert driven.counts == {"missing_field": 1}


@pytest.mark.parametrize(
    ("component", "options"),
    [
        (Sample, {"ratio": 1, "always": "status >= 500"}),
        (Sample, {"ratio": 1, "key": "http.request.header.x"}),
        (Throttle, {"threshold": 9, "exclude": "status >= 500"}),
        (Throttle, {"threshold": 9, "key": "status"}),
        (Dedupe, {"key": "host"}),
        (Window, {"where": "status >= 500", "key": "method"}),
        (Aggregate, {"by": ["status"], "errors": "has(status)", "duration": "httpipe.sequence"}),
        (Set, {"values": {"slow": "status > 300"}}),
    ],
)
def test_every_expression_counts_what_is_missing(component: type[Transform], options: dict[str, object]) -> None:
    """Conditions and keys alike; an event that has the field adds nothing."""
    driven = Driven(component, options)
    driven.transform.process([exchange(0, server_address="h", http_request_headers={"x": ("1",)})])
    driven.transform.process([exchange(0, http_response_status_code=None)])
    assert driven.counts["missing_field"] == 1


def test_filter_sends_the_rest_to_a_named_output() -> None:
    """With `drop_to` nothing is dropped."""
    outputs = Driven(Filter, {"where": "status >= 500", "drop_to": "fine"}).transform.process(STATUSES)
    assert {name: sequence(events) for name, events in outputs.items()} == {"": [1, 3], "fine": [0, 2, 4]}


def test_problem_of_a_condition_has_its_path() -> None:
    """All faulty options are told at once, each under its own name."""
    with pytest.raises(ConfigError) as caught:
        Driven(Route, {"routes": {"a": "statu > 5", "b": "status > 5", "c": "path > 5"}})
    assert [problem.path for problem in caught.value.problems] == ["routes.a", "routes.c"]
    assert 'did you mean "status"?' in str(caught.value)


@pytest.mark.parametrize(("exclusive", "slow"), [(True, [2]), (False, [1, 2])])
def test_route_sends_to_the_first_or_to_all(*, exclusive: bool, slow: list[int]) -> None:
    """What no condition wants leaves by `_unmatched`, a condition that meets nothing included."""
    events = [
        exchange(0),
        exchange(1, http_response_status_code=500, httpipe_duration_ms=2000.0),
        exchange(2, httpipe_duration_ms=2000.0),
        exchange(3, http_response_status_code=None),
    ]
    routes = {"errors": "status >= 500  # ours", "slow": 'duration_ms > "1s"'}
    outputs = Driven(Route, {"routes": routes, "exclusive": exclusive}).transform.process(events)
    assert {name: sequence(found) for name, found in outputs.items()} == {"errors": [1], "slow": slow, "_unmatched": [0, 3]}


def test_sample_keeps_a_share_and_says_what_it_stands_for() -> None:
    """The share is met, and each kept event carries its rate; `always` keeps with a rate of one."""
    driven = Driven(Sample, {"ratio": 0.1, "seed": 7, "always": "status >= 500"})
    kept = driven.run(*[exchange(number) for number in range(10_000)], exchange(1, http_response_status_code=500))
    assert 900 < len(kept) < 1100
    assert {event.attributes[RATE] for event in kept[:-1]} == {10.0}
    assert kept[-1].attributes[RATE] == 1.0


def test_sample_by_key_keeps_connections_whole_and_alike_everywhere() -> None:
    """The same connections are kept by every process, each of them whole."""
    events = [exchange(number, httpipe_connection=f"c{number % 1000}") for number in range(5000)]
    first, second = (Driven(Sample, {"ratio": 0.3, "key": "httpipe.connection"}).run(*events) for _ in range(2))
    assert sequence(first) == sequence(second)
    connections = {event.httpipe_connection for event in first}
    assert len(first) == 5 * len(connections)
    assert 230 < len(connections) < 370


def test_throttle_lets_a_burst_through_and_then_its_rate() -> None:
    """Two a second with a burst of three: three at once, then one each half second. Time is that of the events."""
    driven = Driven(Throttle, {"threshold": 2, "burst": 3, "drop_to": "beyond"})
    at_once = [exchange(0, httpipe_sequence=number) for number in range(5)]
    assert sequence(driven.run(*at_once)) == [0, 1, 2]
    assert sequence(driven.run(exchange(0).replace(timestamp_ns=START_NS + SECOND // 2))) == [0]
    assert driven.run(exchange(0).replace(timestamp_ns=START_NS + SECOND // 2 + 1)) == []
    assert sequence(driven.run(*[exchange(10, httpipe_sequence=number) for number in range(5)], output="beyond")) == [3, 4]


def test_throttle_keeps_keys_apart_and_forgets_the_idle_ones() -> None:
    """Each key has its own rate; the table of keys is bounded, and what was forgotten is counted."""
    driven = Driven(Throttle, {"threshold": 1, "window_secs": 60, "key": "client", "max_keys": 2, "exclude": "status >= 500"})
    events = [exchange(0, client_address=name) for name in ("a", "a", "b", "c", "a")]
    assert [event.client_address for event in driven.run(*events)] == ["a", "b", "c", "a"]
    assert driven.counts == {"evicted_keys": 2}
    assert len(driven.run(*[exchange(0, client_address="a", http_response_status_code=500)] * 3)) == 3


def test_dedupe_drops_repeats_within_the_window() -> None:
    """A repeat that comes a little earlier than its first is one too; after the window the key is new again."""
    driven = Driven(Dedupe, {"key": "path", "window_secs": 10})
    events = [exchange(5, url_path="/a"), exchange(4, url_path="/a"), exchange(6, url_path="/b"), exchange(14, url_path="/a")]
    assert sequence(driven.run(*events)) == [5, 6]
    assert sequence(driven.run(exchange(15, url_path="/a"), exchange(16, url_path=None), exchange(17, url_path=None))) == [
        15,
        16,
        17,
    ]


def test_dedupe_tells_long_keys_apart() -> None:
    """Keys of a megabyte are kept by their digest, not by their beginning alone."""
    driven = Driven(Dedupe, {"key": "path", "max_keys": 2})
    paths = ["/" + "x" * 1_000_000 + last for last in "aabbc"]
    assert len(driven.run(*[exchange(0, url_path=path) for path in paths])) == 3
    assert driven.counts == {"evicted_keys": 1}


def test_window_gives_what_was_around_an_error() -> None:
    """Two before, one after, in order; what is held at the end is let go."""
    driven = Driven(Window, {"where": "status >= 500", "before_events": 2, "after_events": 1})
    events = [exchange(number, http_response_status_code=503 if number in (4, 5) else 200) for number in range(12)]
    assert sequence(driven.run(*events)) == [2, 3, 4, 5, 6]
    assert driven.transform.held_events == 2
    assert driven.end() == []
    assert driven.transform.held_events == 0


def test_window_keeps_keys_apart_within_one_bound() -> None:
    """Each key has its own window; beyond the bound the idlest is let go, and counted."""
    driven = Driven(Window, {"where": "status >= 500", "before_events": 3, "key": "httpipe.connection", "max_events": 5})
    for number in range(12):
        driven.run(exchange(number, httpipe_connection=f"c{number % 4}"))
        assert driven.transform.held_events <= 5
    found = driven.run(exchange(20, httpipe_connection="c3", http_response_status_code=500))
    assert sequence(found)[-1] == 20
    assert {event.httpipe_connection for event in found} == {"c3"}
    assert driven.counts["evicted_keys"] > 0
