"""What an event costs in a queue follows what a transform makes of it: else one that adds a megabyte would not count."""

import pytest

from pipeline.api import Exchange

MEGABYTE = "x" * (1 << 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": {"a": MEGABYTE}},
        {"attributes": {"a": ("x", MEGABYTE)}},
        {"url_path": MEGABYTE},
        {"request_head": MEGABYTE.encode()},
        {"http_request_headers": {"x-long": (MEGABYTE,)}},
    ],
)
def test_a_copy_costs_what_was_put_into_it(changes: dict[str, object]) -> None:
    """And no more once it is gone again, in any order and as often as one likes."""
    exchange = Exchange(timestamp_ns=1, url_path="/", request_head=b"GET", http_request_headers={"host": ("a",)})
    heavy = exchange.replace(**changes)
    assert exchange.memory_bytes + len(MEGABYTE) - 10 <= heavy.memory_bytes <= exchange.memory_bytes + len(MEGABYTE) + 500
    again = {name: getattr(exchange, name) for name in changes}
    for _ in range(3):
        assert heavy.replace(**again).memory_bytes == exchange.memory_bytes
        assert heavy.replace(**again).replace(**changes).memory_bytes == heavy.memory_bytes


def test_attributes_count_once_however_often_they_are_set() -> None:
    """A value that takes the place of another does not add to it."""
    exchange = Exchange(timestamp_ns=1)
    once = exchange.with_attributes(a=MEGABYTE)
    assert once.with_attributes(a=MEGABYTE).memory_bytes == once.memory_bytes > exchange.memory_bytes + (1 << 20)
    assert once.with_attributes(a="").memory_bytes < exchange.memory_bytes + 200


def test_who_knows_better_says_so() -> None:
    """Decode states the cost itself."""
    assert Exchange(timestamp_ns=1).replace(url_path=MEGABYTE, memory_bytes=7).memory_bytes == 7
