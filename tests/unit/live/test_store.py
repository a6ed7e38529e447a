"""The store keeps the newest events within its bounds, and gives them out by number."""

from collections.abc import Sequence

import pytest

from pipeline.api import Event, Exchange
from pipeline.live.store import Store
from pipeline.live.summary import MOST, Summary, template

NOW = 1_700_000_000


def exchange(number: int, **fields: object) -> Exchange:
    """Its path is its number."""
    given = {"http_request_method": "GET", "server_address": "shop", "url_path": f"/{number}x", "client_address": "10.0.0.1"}
    return Exchange(timestamp_ns=NOW * 10**9, **{**given, **fields})  # type: ignore[arg-type]


def batches(*sizes: int) -> list[list[Exchange]]:
    """Exchanges counted through."""
    found, number = [], 0
    for size in sizes:
        found.append([exchange(number + place + 1) for place in range(size)])
        number += size
    return found


def paths(events: Sequence[tuple[int, Event]]) -> list[tuple[int, str]]:
    """What there is to compare."""
    return [(number, event.url_path) for number, event in events if isinstance(event, Exchange) and event.url_path]


@pytest.mark.parametrize("sizes", [(10,), (1,) * 10, (3, 7), (7, 3), (4, 0, 6)])
def test_pieces_follow_each_other_whatever_the_batches(sizes: tuple[int, ...]) -> None:
    """Every event comes once, with its number."""
    store = Store()
    found = []
    after = 0
    for batch in batches(*sizes):
        store.show(batch)
        piece = store.since(after, 100)
        found += paths(piece.events)
        after = piece.after
        assert piece.missed == 0
    assert found == [(number, f"/{number}x") for number in range(1, 11)]
    assert store.since(after, 100) == ([], 10, 0)


@pytest.mark.parametrize("sizes", [(100,), (1,) * 100, (33, 67)])
def test_who_is_slow_gets_the_newest_and_learns_what_was_left_out(sizes: tuple[int, ...]) -> None:
    """At the beginning nothing counts as missed."""
    store = Store()
    for batch in batches(*sizes):
        store.show(batch)
    piece = store.since(20, 30)
    assert [number for number, _ in piece.events] == list(range(71, 101))
    assert (piece.after, piece.missed) == (100, 50)
    assert store.since(0, 30).missed == 0


def test_a_filter_looks_through_all_that_is_kept() -> None:
    """The newest that fit, in their order."""
    store = Store()
    for batch in batches(*(7,) * 10):
        store.show(batch)
    piece = store.since(0, 3, lambda event: int(str(getattr(event, "url_path", "0"))[1:-1]) % 10 == 0)
    assert [number for number, _ in piece.events] == [50, 60, 70]


def test_it_keeps_no_more_than_it_may() -> None:
    """Old batches go whole, by number of events or by memory."""
    store = Store(max_events=50)
    for batch in batches(*(20,) * 10):
        store.show(batch)
    assert (store.kept, store.seen) == (40, 200)
    assert store.event(160) is None
    assert [store.event(number).url_path for number in (161, 200)] == ["/161x", "/200x"]  # type: ignore[union-attr]
    assert store.event(201) is None
    heavy = Store(max_bytes=5000)
    for number in range(100):
        heavy.show([exchange(number).replace(memory_bytes=1000)])
    assert heavy.kept == 5


def test_endpoints_and_calls_add_up() -> None:
    """Errors are what `error.type` says; ids in paths are one endpoint."""
    store = Store()
    summary = Summary(store, now=lambda: float(NOW))
    for number in range(100):
        error = {"error_type": "500"} if number % 10 == 0 else {}
        store.show(
            [
                exchange(
                    number, url_path=f"/orders/{number}", httpipe_duration_ms=float(number + 1), http_response_size=10, **error
                )
            ]
        )
    assert not summary.update()
    (endpoint,) = summary.endpoints()
    assert (endpoint.key, endpoint.requests, endpoint.errors, endpoint.bytes) == ("GET shop/orders/{id}", 100, 10, 1000)
    assert endpoint.p50 == pytest.approx(50, rel=0.06)
    assert endpoint.p95 == pytest.approx(95, rel=0.06)
    assert sum(endpoint.counts) == sum(point.requests for point in summary.points(endpoint.key)) == 100
    (call,) = summary.calls()
    assert (call.client, call.server, call.requests, call.errors) == ("10.0.0.1", "?", 100, 10)


def test_after_a_quarter_of_an_hour_it_is_forgotten() -> None:
    """Numbers, memory and all."""
    now = [float(NOW)]
    store = Store()
    summary = Summary(store, now=lambda: now[0])
    store.show([exchange(1)])
    summary.update()
    now[0] += 890
    summary.update()
    assert [each.requests for each in summary.endpoints()] == [1]
    now[0] += 20
    summary.update()
    assert summary.endpoints() == []
    assert summary.calls() == []


def test_a_scanner_makes_no_more_endpoints_than_there_may_be() -> None:
    """The rest counts as one."""
    store = Store()
    summary = Summary(store, now=lambda: float(NOW))
    store.show([exchange(number) for number in range(1000)])
    while summary.update():
        pass
    endpoints = summary.endpoints()
    assert len(endpoints) == MOST + 1
    assert sum(each.requests for each in endpoints) == 1000
    assert endpoints[0].key == "{other}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/12/orders/9", "/users/{id}/orders/{id}"),
        ("/a/0b7e4c1e-5d0b-4b4e-9d0a-3f1c2b6a7d88", "/a/{id}"),
        ("/deadbeef/cafe", "/deadbeef/cafe"),
        ("/x/0123456789abcdef", "/x/{id}"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_templates(path: str, expected: str) -> None:
    """As `template_path` recognizes ids."""
    assert template(path) == expected
