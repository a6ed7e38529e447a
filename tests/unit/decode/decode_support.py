"""What the tests of decode share: decode some segments, and say in brief what came out."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.events.exchange import Exchange
from pipeline.model.records import Record
from pipeline.testing.packets import Talk


def decode(records: Sequence[Record], *, keep_heads: bool = False, batch: int = 0, **options: Any) -> list[Exchange]:
    """All exchanges of some records. Decode must not have failed inside, and must hold nothing behind the end."""
    counts: Counter[str] = Counter()
    decoder = Decoder(
        DecodeOptions(**options), source="test", keep_heads=keep_heads, count=lambda name, by: counts.update({name: by})
    )
    step = batch or len(records) or 1
    events = [event for start in range(0, len(records), step) for event in decoder.feed(records[start : start + step])]
    events += decoder.finish()
    assert counts["decoder_internal_errors"] == 0
    assert decoder.held_exchanges == decoder.held_bytes == decoder.connections == 0
    return [event for event in events if isinstance(event, Exchange)]


def talk_of(*turns: tuple[str, bytes], mss: int = 1460, close: bool = True) -> Talk:
    """A connection on which the client (``C``) and the server (``S``) say what the turns hold."""
    talk = Talk(mss=mss)
    for who, data in turns:
        (talk.client if who == "C" else talk.server)(data)
    return talk.close() if close else talk


def brief(exchange: Exchange) -> tuple[Any, ...]:
    """Method, target, status, body sizes, marks."""
    return (
        exchange.http_request_method_original or exchange.http_request_method,
        exchange.httpipe_request_target,
        exchange.http_response_status_code,
        exchange.http_request_body_size,
        exchange.http_response_body_size,
        *exchange.httpipe_marks,
    )
