"""A live source offers the processor between parts of a batch, but not for longer than its ring can wait."""

import os
import time

import pytest

from pipeline.decode import DecodeOptions, Decoder
from pipeline.runtime.units.decoding import GIVEN_SECS, PART_RECORDS, Decoding
from pipeline.testing.packets import keep_alive

EXCHANGES = 20 * PART_RECORDS


@pytest.mark.parametrize(("offer_secs", "most"), [(0.0, 10_000), (GIVEN_SECS / 2, 2), (3 * GIVEN_SECS, 1)])
def test_offers_end_where_they_last(offer_secs: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is decoded, however long others keep the processor."""
    offers: list[float] = []

    def offered() -> None:
        offers.append(offer_secs)
        time.sleep(offer_secs)

    monkeypatch.setattr(os, "sched_yield", offered)
    records = keep_alive(EXCHANGES)
    events = Decoding(lambda: Decoder(DecodeOptions(), source="bpf"), None, live=True).feed(records)
    assert len(events) == EXCHANGES
    assert 1 <= len(offers) <= most
    if not offer_secs:
        assert len(offers) == -(-len(records) // PART_RECORDS)
