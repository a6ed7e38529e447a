"""Which events the terminal view lists, in which order, and which requests wait."""

from pipeline.cli.watch.listing import Listing, Wish
from pipeline.cli.watch.ordering import Order
from pipeline.cli.watch.pending import Pending
from pipeline.expressions.condition import compile_filter
from pipeline.model.events.http_request import HttpRequest
from tests.unit.watch.watch_events import exchange, store_of


def test_everything_is_a_range_of_what_is_kept() -> None:
    """What the store has dropped is not listed."""
    store = store_of([exchange(1), exchange(2)], [exchange(3), exchange(4)], keep=2)
    listing = Listing(store)
    listing.update()
    assert listing.rows == range(3, 5)


def test_a_condition_holds_for_what_was_there_and_for_what_comes() -> None:
    """And what is dropped later leaves the list."""
    store = store_of([exchange(1), exchange(2, http_response_status_code=500)], keep=3)
    listing = Listing(store)
    listing.show(Wish(compile_filter("status >= 500")))
    listing.update()
    assert list(listing.rows) == [2]
    store.show([exchange(3, http_response_status_code=503)])
    listing.update()
    assert list(listing.rows) == [2, 3]
    store.show([exchange(4), exchange(5)])
    listing.update()
    assert list(listing.rows) == [3]


def test_what_lacks_the_value_comes_last_in_both_directions() -> None:
    """An order is kept as events come."""
    store = store_of([exchange(5), exchange(1, httpipe_duration_ms=None), exchange(9)])
    listing = Listing(store)
    listing.show(Wish(None, Order("took", descending=True)))
    listing.update()
    assert list(listing.rows) == [3, 1, 2]
    store.show([exchange(7)])
    listing.update()
    assert list(listing.rows) == [3, 4, 1, 2]
    listing.show(Wish(None, Order("took", descending=False)))
    listing.update()
    assert list(listing.rows) == [1, 4, 3, 2]


def test_a_request_waits_until_its_exchange_comes() -> None:
    """By its id."""
    store = store_of([HttpRequest(timestamp_ns=1, httpipe_request_id="a"), HttpRequest(timestamp_ns=2, httpipe_request_id="b")])
    pending = Pending(store)
    pending.update()
    assert pending.rows == (1, 2)
    store.show([exchange(3, httpipe_request_id="a")])
    pending.update()
    assert pending.rows == (2,)
