"""Numbered exchanges: each can be told from all others when it arrives."""

import time

from pipeline.api import Exchange

EPOCH_NS = time.time_ns() // 1_000_000 * 1_000_000
"""Of now: brokers forget a producer whose records are older than a day (producer.id.expiration.ms), and then take repeats."""


def numbered(count: int, *, keys: int = 10, start: int = 0) -> list[Exchange]:
    """Exchanges ``start`` … ``start + count - 1`` over so many connections."""
    return [
        Exchange(
            timestamp_ns=EPOCH_NS + number * 1_000_000,
            http_request_method="GET",
            url_scheme="http",
            url_path=f"/items/{number}",
            server_address="shop.example.com",
            server_port=80,
            http_response_status_code=200,
            httpipe_connection=f"10.0.0.{number % keys % 250}:{20_000 + number % keys}-10.1.0.4:80",
            httpipe_sequence=number,
        )
        for number in range(start, start + count)
    ]
