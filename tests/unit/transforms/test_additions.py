"""Attributes given to events, in Python's memory and in the lane's: the same events, the same bytes."""

import json
from collections.abc import Sequence

import pytest

from pipeline import native
from pipeline.api import Event, Exchange
from pipeline.codecs import json_native
from pipeline.codecs.json import JsonCodec
from pipeline.testing.transforms import exchange
from pipeline.transforms.additions import REMEMBERED_MERGES, Addition, addition, give, give_each, over, remembered, under
from tests.native_batches import native_batch

SHARED = addition({"host.name": "web-1", "host.id": "0123456789abcdef0123456789abcdef"})
SHOP, CART = addition({"service.name": "shop", "host.name": "pod"}), addition({"service.name": "cart"})
PLAIN = [exchange(number, client_address="10.0.0.1") for number in range(6)]


def batches() -> list[Sequence[Event]]:
    """The same events as a list, and as the lane reads them."""
    if native.lane is None:
        return [PLAIN]
    return [PLAIN, native_batch(PLAIN)]


@pytest.mark.parametrize("batch", batches(), ids=["list", "native"][: len(batches())])
def test_each_gets_its_own_over_what_all_got(batch: Sequence[Event]) -> None:
    """Twice, with gaps: what comes later counts, or what was there, as the caller wants."""
    rows: list[Addition | None] = [SHOP, None, CART, SHOP, None, CART]
    shared = give(batch, SHARED)
    assert all(event.attributes == SHARED.attributes for event in shared)
    later = give_each(shared, rows)
    expected = [{**SHARED.attributes, **(row.attributes if row else {})} for row in rows]
    assert [event.attributes for event in later] == expected
    assert [event.attributes["host.name"] for event in give_each(shared, rows, under)] == ["web-1"] * 6
    lines = bytes(JsonCodec().encode_batch(later)).splitlines()
    assert [
        {name: json.loads(line)[name] for name in attributes} for line, attributes in zip(lines, expected, strict=True)
    ] == expected
    for event, before in zip(later, PLAIN, strict=True):
        assert isinstance(event, Exchange)
        assert event.client_address == before.client_address


@pytest.mark.skipif(native.lane is None, reason="needs the compiled lane")
def test_what_is_native_stays_so_and_weighs_the_same() -> None:
    """Until somebody looks; then memory and bytes are those of the Python way."""
    plain, lazy = batches()
    sized = [event.memory_bytes for event in lazy]
    _, lazy = batches()
    rows: list[Addition | None] = [SHOP, None, CART, SHOP, None, CART]
    found = give_each(give(lazy, SHARED), rows)
    assert isinstance(found, native.EVENTS)
    assert found.objects == 0
    sizes = found.sizes()
    text = bytes(JsonCodec().encode_batch(found))
    assert found.objects == 0
    assert sizes == [event.memory_bytes for event in found]
    grown = [
        event.memory_bytes - before.memory_bytes
        for event, before in zip(give_each(give(plain, SHARED), rows), plain, strict=True)
    ]
    assert [now - before for now, before in zip(sizes, sized, strict=True)] == grown
    assert text == bytes(JsonCodec().encode_batch(list(found)))


def test_the_lane_takes_what_it_is_given() -> None:
    """A merge that fails is the caller's error, not the end of the process."""

    def fails(_attributes: object, _added: object) -> Addition:
        raise ValueError("no")

    for batch in batches():
        once = give(batch, SHARED)
        with pytest.raises(ValueError, match="no"):
            give(once, CART, fails)
    assert over({"a": 1}, CART).attributes == {"a": 1, "service.name": "cart"}


def test_merges_of_the_same_two_are_one() -> None:
    """So that encoders know them again, batch after batch; what comes and goes is forgotten, and never taken for another."""
    merge = remembered(over)
    first = merge(SHARED.attributes, SHOP)
    assert first == over(SHARED.attributes, SHOP)
    assert merge(SHARED.attributes, SHOP) is first
    for number in range(3 * REMEMBERED_MERGES):
        assert merge({"number": number}, CART).attributes == {"number": number, "service.name": "cart"}
    assert merge(SHARED.attributes, SHOP) == first


@pytest.mark.skipif(native.lane is None, reason="needs the compiled lane")
def test_ends_of_lines_are_of_their_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept over batches, by the mapping they are of; also where more come than are kept."""
    monkeypatch.setattr(json_native, "REMEMBERED_TAILS", 3)
    for number in [*range(10), *range(10)]:
        added = addition({"number": number})
        for _ in range(2):
            lines = bytes(JsonCodec().encode_batch(give(native_batch(PLAIN[:2]), added))).splitlines()
            assert [json.loads(line)["number"] for line in lines] == [number, number]
